select
    cust_id as customer_id,
    first_nm as first_name,
    last_nm as last_name,
    email,
    phone_nbr,
    country_cd,
    mktg_opt_in,
    created_at
from {{ ref('raw_customers') }}
