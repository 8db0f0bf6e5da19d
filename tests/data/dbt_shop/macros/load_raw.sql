{% macro load_raw() %}
  {#- the till's export, so that the project needs no server #}
  {% for name in ['customers', 'orders', 'order_items', 'products', 'payments', 'stores'] %}
    create or replace table main.raw_{{ name }} as select * from read_csv('raw/{{ name }}.csv');
  {% endfor %}
{% endmacro %}
