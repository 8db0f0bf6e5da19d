{% snapshot store_history %}
{{ config(unique_key='store_id', strategy='check', check_cols=['store_name', 'city'], target_schema='main') }}
select * from {{ ref('stg_stores') }}
{% endsnapshot %}
