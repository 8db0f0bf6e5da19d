select
    order_id,
    cust_id as customer_id,
    order_dt,
    order_sts as status,
    ship_country_cd,
    delivered_at
from {{ ref('raw_orders') }}
