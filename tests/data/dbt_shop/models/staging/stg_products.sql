{{ config(materialized='ephemeral') }}

select
    sku,
    name as product_name,
    category,
    {{ cents_to_units('price_cents') }} as list_price,
    is_active
from {{ source('raw', 'products') }}
