select
    order_item_id,
    order_id,
    product_id,
    qty,
    unit_price,
    discount_pct,
    qty * unit_price * (1 - discount_pct / 100.0) as line_amt
from {{ ref('raw_order_items') }}
