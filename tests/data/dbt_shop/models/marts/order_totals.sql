select
    order_id,
    count(*) as item_count,
    sum(qty) as units,
    sum(qty * unit_price) as gross_amount
from {{ ref('stg_order_items') }}
group by order_id
