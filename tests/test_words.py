import pytest

from docgen_plugin.words import abbreviations, entity_words, family, name_words, plural, singular

NAMES = [
    ("customer_id", "customer id"),
    ("CustAcctNbr", "customer account number"),
    ("CUST-ACCT-NBR", "customer account number"),
    ("ship_qty", "ship quantity"),
    ("HTTPStatusCode", "http status code"),
    ("userIDs", "user ids"),
    ("x7", "x 7"),
    ("größe_cm", "größe centimeters"),
    ("amt_amount", "amount"),  # an expansion never says a word twice
    ("__", ""),
    ("HIRE_DT", "hire date"),  # ambiguous, but the dictionary knows only one reading
    ("arr", "arr"),  # recurring revenue or arrival: left as it is
    ("order_no", "order number"),
    ("no_show", "no show"),
    ("ship_to_city", "ship to city"),  # a word of its own is not an abbreviation
    ("cst_ctr", "cost center"),  # read by the words beside it
    ("exp_cat_amt", "expense category amount"),
    ("exp_dt", "expiration date"),
    ("shft_ptrn", "shift pattern"),  # in no list: read by their letters
    ("WRTHRS", "wrthrs"),  # no reading: left as it is
    ("STNCD", "station code"),  # run together
    ("announcements", "announcements"),  # a plural, not four shortenings
    ("launch_date", "launch date"),  # a word, not launched
    ("white_share", "white share"),
    ("idea_count", "idea count"),
    ("kms_key", "kms key"),  # three letters may be a name
    ("tpps_doc", "tpps document"),  # nor is a doubled letter one
    ("line_net_in_cents", "line net in cents"),  # "in" stands beside anything
    ("nat_inside_id", "nat inside id"),
    ("nat_id", "national id"),  # right beside it
    ("budget_pd", "budget pd"),  # nothing says which of its meanings
    ("rank_1st_half", "rank 1st half"),
    ("Delivery_Window__c", "delivery window"),  # what a system puts behind a name is no word of it
    ("site__Latitude__s", "site latitude"),
    ("a__c", "a"),
    ("__c", "c"),
    ("img_base64", "image base64"),
    ("lag_5sec", "lag 5 seconds"),
    ("sec_cd", "security code"),
]


@pytest.mark.parametrize(("name", "words"), NAMES)
def test_name_words(name, words):
    assert " ".join(name_words(name)) == words


TYPES = [
    ("VARCHAR(255)", "text"),
    ("enum('a','b')", "text"),
    ("timestamp without time zone", "ts"),
    ("TIMESTAMP_NTZ", "ts"),
    ("date", "date"),
    ("time(7)", "time"),
    ("tinyint(1)", "bool"),
    ("tinyint(4)", "int"),
    ("NUMBER(38,0)", "int"),
    ("numeric(12,2)", "num"),
    ("double precision", "num"),
    ("interval", "num"),
    ("text[]", "array"),
    ("STRUCT<a INT64>", "json"),
    ("point", "geo"),
    ("some_domain_of_ours", ""),
    ("", ""),
]


@pytest.mark.parametrize(("sql_type", "kind"), TYPES)
def test_family(sql_type, kind):
    assert family(sql_type) == kind


TABLES = [
    ("stg_shopify__order_lines", "order line"),
    ("DimCustomer", "customer"),
    ("FACT_SALES", "sales"),
    ("orders_history", "order"),
    ("stg", "stg"),
    ("addresses", "address"),
    ("PAT_MST", "patient"),
    ("wh_orders_fact", "order"),
    ("wh_bins", "wh bin"),  # a warehouse of goods is no layer
    ("orders__v2", "order"),
    ("noaa_readings_2020", "noaa reading"),
    ("base_customers", "customer"),
    ("base_stations", "base station"),
    ("fact_checks", "fact check"),
    ("raw_materials", "raw material"),
    ("orders_view", "order"),
    ("page_views", "page view"),
    ("page_view", "page view"),
    ("lead_source", "lead source"),
    ("knowledge_base", "knowledge base"),
    ("report_configs", "report config"),
    ("route_table", "route table"),
    ("customer_table", "customer"),
    ("rubric_score_dimension", "rubric score dimension"),
    ("customer_dimension", "customer"),
    ("crm__account_overview", "account"),
    ("crm__line_item_enhanced", "line item"),
    ("customer_details", "customer"),
    ("order_details", "order details"),
    ("visit_detail", "visit detail"),
    ("ad_stats", "ad"),
    ("fact_daily_pool_stats", "pool"),
    ("stats_installs_overview", "install"),
    ("expense_report", "expense report"),
    ("daily_active_users", "daily active user"),
    ("daily_metrics", "daily metric"),
    ("crm__monthly_metrics", "monthly metric"),
    ("rate_sheet_daily", "rate sheet"),
    ("cost_per_query", "query"),
    ("sales_by_region", "region"),
    ("sales_by_month", "sales"),
    ("jobs_by_project", "jobs by project"),
    ("crm__Delivery_Window__c", "delivery window"),
    ("stg_crm__account__c", "account"),
]


@pytest.mark.parametrize(("table", "words"), TABLES)
def test_entity_words(table, words):
    assert " ".join(entity_words(table)) == words


@pytest.mark.parametrize("word", "order address category box status person day city analysis series".split())
def test_plural_and_back(word):
    assert singular(plural(word)) == word


def test_abbreviations_file():
    """No line contradicts another: a word is either settled, with one meaning, or left to the model."""
    for short, meanings in abbreviations().items():
        settled = [long for long, certainty in meanings if certainty != "context"]
        assert len(settled) <= 1, short
        assert not settled or len(meanings) == 1, short
        assert all(long != short for long, certainty in meanings if certainty != "keep"), short
