select
    id as order_item_id,
    order_id,
    sku,
    qty,
    {{ cents_to_units('unit_price_cents') }} as unit_price
from {{ source('raw', 'order_items') }}
