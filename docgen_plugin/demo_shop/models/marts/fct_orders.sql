select
    o.order_id,
    o.customer_id,
    o.order_dt,
    o.status,
    count(i.order_item_id) as nbr_items,
    sum(i.line_amt) as order_amt,
    max(i.discount_pct) as max_discount_pct,
    date_diff('day', o.order_dt, cast(o.delivered_at as date)) as days_to_deliver
from {{ ref('stg_orders') }} as o
left join {{ ref('stg_order_items') }} as i on i.order_id = o.order_id
group by o.order_id, o.customer_id, o.order_dt, o.status, o.delivered_at
