select payment_id, order_id, pymt_method, amt, paid_at, attr_03
from {{ ref('raw_payments') }}
