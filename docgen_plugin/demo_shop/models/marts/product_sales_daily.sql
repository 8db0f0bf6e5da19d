select
    o.order_dt as sales_dt,
    i.product_id,
    p.product_name,
    p.category,
    sum(i.qty) as units_sold,
    sum(i.line_amt) as net_sales_amt,
    avg(i.discount_pct) as avg_discount_pct
from {{ ref('stg_order_items') }} as i
join {{ ref('stg_orders') }} as o on o.order_id = i.order_id
join {{ ref('stg_products') }} as p on p.product_id = i.product_id
group by o.order_dt, i.product_id, p.product_name, p.category
