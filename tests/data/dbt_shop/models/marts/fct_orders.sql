{{ config(materialized='incremental', unique_key='order_id') }}

with orders as (

    select * from {{ ref('stg_orders') }}
    {% if is_incremental() %}
    where ordered_at > (select max(ordered_at) from {{ this }})
    {% endif %}

),

payments as (

    select order_id, sum(amount) as paid_amount, max(paid_at) as last_paid_at
    from {{ ref('stg_payments') }}
    group by 1

)

select
    orders.*,
    totals.item_count,
    totals.gross_amount,
    coalesce(payments.paid_amount, 0) as paid_amount,
    totals.gross_amount - coalesce(payments.paid_amount, 0) as open_amount,
    payments.last_paid_at
from orders
left join {{ ref('order_totals') }} as totals on totals.order_id = orders.order_id
left join payments on payments.order_id = orders.order_id
