with orders as (
    select customer_id, min(ordered_at) as first_ordered_at, count(*) as order_count
    from {{ ref('fct_orders') }}
    group by customer_id
)

select
    customers.customer_id,
    customers.first_name || ' ' || customers.last_name as full_name,
    customers.email,
    countries.country_name,
    countries.region,
    orders.first_ordered_at,
    coalesce(orders.order_count, 0) as order_count
from {{ ref('stg_customers') }} as customers
left join {{ ref('country_codes') }} as countries using (country_code)
left join orders on orders.customer_id = customers.customer_id
