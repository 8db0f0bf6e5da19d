import pytest

from docgen_plugin.grain import composed_grain
from docgen_plugin.model import Column, Table

GRAINS = [
    (
        "order_items",
        "order_id qty unit_price",
        "One row per order item, with its order, quantity and unit price.",
    ),
    ("kilns", "x7 attr_1", "One row per kiln."),  # nothing tells, and nothing is invented
    ("kilns", "glaze_name x7", "One row per kiln."),  # a list of one is none
    (
        "shop__fact_kiln_loads",
        "fact_kiln_loads_id dim_kiln_id glaze_id",
        "One row per kiln load, with its kiln and glaze.",
    ),
    ("kiln_overview", "kiln_id owner_name city", "One row per kiln, with its owner name and city."),
    # versions, only where a column says so
    (
        "kiln_history",
        "kiln_id valid_from owner_name city",
        "One row per version of a kiln, with its owner name and city.",
    ),
    ("kiln_history", "kiln_id owner_name city", "History of kilns, with their owner name and city."),
    ("kiln_history", "kiln_id new_value", "One row per change of a kiln."),
    ("episode_of_care_history", "status", "History of episodes of care."),
    ("storage_usage_history", "usage_id", "History of storage usage."),
    ("orders_snapshot", "order_id dbt_valid_from", "One row per version of an order."),
    ("orders_snapshot", "order_id", "Snapshots of orders."),
    # a span of time
    (
        "kiln_daily_rollup",
        "kiln_id date_day total_cost revenue",
        "One row per kiln and day, with total cost and revenue.",
    ),
    ("rate_sheet_daily", "date service_type currency", "Daily rate sheets, with service type and currency."),
    ("kiln_loads_daily", "kiln_load_id load_day", "One row per kiln load and day."),
    ("daily_spend", "service_type currency", "Daily spend, with service type and currency."),
    ("daily_spend", "x7", "Records of daily spend."),
    ("storage_usage", "x7", "Records of storage usage."),
    ("monthly_metrics", "total_cost", "Records of monthly metrics."),
    # statistics
    (
        "banner_stats",
        "date banner_id clicks impressions",
        "Daily statistics of banners, with clicks and impressions.",
    ),
    ("banner_performance", "banner_id", "Performance of banners."),
    (
        "banner_report",
        "week clicks impressions",
        "Weekly performance of banners, with clicks and impressions.",
    ),
    ("banner_report", "clicks impressions", "Report on banners, with clicks and impressions."),
    ("visa_report", "author body", "One row per visa report, with its author and body."),
    (
        "expense_report",
        "date employee_id amount",
        "One row per expense report, with its date, employee and amount.",
    ),
    ("banner_summary", "banner_id clicks spend", "One row per banner, with clicks and spend."),
    # by and per
    (
        "cost_per_query",
        "query_id start_date compute_cost",
        "One row per query, with its start date and compute cost.",
    ),
    ("cost_per_query", "amount", "Cost for each query."),
    ("sales_by_region", "region amount", "Sales for each region."),
    ("slot_usage_per_minute", "minute slot_id", "Slot usage for each minute."),
    ("sales_by_month", "month amount", "Sales for each month."),
    ("jobs_by_project", "job_id project_id", "Jobs for each project."),
    ("monthly_sales_by_region", "region amount", "Monthly sales for each region."),
    # links of two things
    (
        "student_users",
        "id student_id user_id is_active created_at",
        "One row per link between a student and a user.",
    ),
    ("order_kilns", "order_id kiln_id", "One row per link between an order and a kiln."),
    # the kiln's own key, with much that is said of it: a part of the order
    (
        "order_kilns",
        "order_id kiln_id price glaze",
        "One row per order kiln, with its order, kiln and price.",
    ),
]


@pytest.mark.parametrize(("name", "columns", "text"), GRAINS)
def test_composed_grain(name, columns, text):
    table = Table("t", name, columns=tuple(map(Column, columns.split())))
    assert composed_grain(table) == text


DULL = [
    "_fivetran_deleted", "created_by", "updated_at", "loaded_dt", "creator", "external_id", "sort_order", "is_paid",
    "email_sent", "status_updated_by", "section_with_name", "ship_to", "index", "date_day", "customer_name",
    "weight_kg", "duration_minutes",
]  # fmt: skip


@pytest.mark.parametrize("column", DULL)
def test_what_a_list_leaves_out(column):
    columns = ("customer_id", column, "status")
    table = Table("t", "kiln_loads", columns=tuple(map(Column, columns)))
    assert composed_grain(table) == "One row per kiln load, with its customer and status."


def test_a_dbt_snapshot_holds_versions():
    table = Table("t", "order_states", "snapshot", columns=(Column("order_id"), Column("amount")))
    assert composed_grain(table) == "One row per version of an order state, with its order and amount."
