select
    id as payment_id,
    order_id,
    payment_method,
    {{ cents_to_units('amount_cents') }} as amount,
    cast(paid_at as timestamp) as paid_at
from {{ source('raw', 'payments') }}
