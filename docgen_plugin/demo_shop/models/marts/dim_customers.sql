with orders as (
    select
        customer_id,
        min(order_dt) as first_order_dt,
        max(order_dt) as last_order_dt,
        count(*) as nbr_orders
    from {{ ref('stg_orders') }}
    group by customer_id
),

spend as (
    select o.customer_id, sum(p.amt) as lifetime_spend
    from {{ ref('stg_payments') }} as p
    join {{ ref('stg_orders') }} as o on o.order_id = p.order_id
    group by o.customer_id
)

select
    c.customer_id,
    c.first_name,
    c.last_name,
    c.country_cd,
    o.first_order_dt,
    o.last_order_dt,
    coalesce(o.nbr_orders, 0) as nbr_orders,
    coalesce(s.lifetime_spend, 0) as lifetime_spend,
    coalesce(o.nbr_orders, 0) > 1 as is_repeat_cust
from {{ ref('stg_customers') }} as c
left join orders as o on o.customer_id = c.customer_id
left join spend as s on s.customer_id = c.customer_id
