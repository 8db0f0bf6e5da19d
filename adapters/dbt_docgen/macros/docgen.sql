{#- docgen inside dbt: suggests, writes and counts descriptions of models, sources, seeds and snapshots.
    dbt run-operation document_models --args '{select: "orders+", write: true}'
    The work is done by the Python package docgen-plugin; these macros hand their arguments over. -#}

{% macro document_models() %}{% do docgen_call("document_models", kwargs) %}{% endmacro %}
{% macro docgen_apply() %}{% do docgen_call("apply", kwargs) %}{% endmacro %}
{% macro docgen_status() %}{% do docgen_call("status", kwargs) %}{% endmacro %}

{#- for dbt_project.yml:  on-run-end: "{{ docgen_report() }}" -#}
{% macro docgen_report() %}{% do docgen_call("report", kwargs) %}{% endmacro %}

{% macro docgen_call(operation, arguments) %}
  {%- if not execute -%}{{ return("") }}{%- endif -%}
  {%- if modules.docgen is defined -%}{% do modules.docgen[operation](**arguments) %}{{ return("") }}{%- endif -%}
  {%- set missing = "docgen: the Python package is not in dbt's environment, or this dbt runs no Python plugins: pip install 'docgen-plugin[dbt]' there, or use the docgen command line" -%}
  {%- if operation == "report" -%}{% do log(missing, true) %}
  {%- else -%}{% do exceptions.raise_compiler_error(missing) %}{%- endif -%}
{% endmacro %}
