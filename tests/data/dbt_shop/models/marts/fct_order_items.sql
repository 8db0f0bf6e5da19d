select
    items.order_item_id,
    items.order_id,
    items.sku,
    products.product_name,
    products.category,
    items.qty,
    items.unit_price,
    items.qty * items.unit_price as line_amount
from {{ ref('stg_order_items') }} as items
inner join {{ ref('stg_products') }} as products on products.sku = items.sku
