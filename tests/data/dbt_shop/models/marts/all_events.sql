select order_id, ordered_at as happened_at, 'order' as event_type from {{ ref('stg_orders') }}
union all
select order_id, paid_at, 'payment' from {{ ref('stg_payments') }}
