import pytest

from docgen_plugin.frames import plain_text
from docgen_plugin.model import Column, Table

# made-up names; one block for each structure that a name can have
TEXTS = [
    # yes or no
    ("lacks_valves", "boolean", "True when the pump lacks valves."),
    ("needs_spare_gasket", "boolean", "True when the pump needs a spare gasket."),
    ("operator_is_licensed", "", "True when the operator is licensed."),
    ("operator_is_night_guard", "", "True when the operator is a night guard."),
    ("seals_greased", "boolean", "True when the seals of the pump are greased."),
    ("lease_expired", "boolean", "True when the lease of the pump has expired."),
    ("galvanized", "boolean", "True when the pump is galvanized."),
    ("removable", "integer", "Marker that shows whether the pump is removable."),
    ("is_submersible", "text", "Marker that shows whether the pump is submersible."),
    ("enforce_priming", "boolean", "True when the pump is meant to enforce priming."),
    ("no_backflow", "boolean", "True when there is no backflow for the pump."),
    ("spare_parts", "boolean", "True when spare parts apply to the pump."),
    ("applies_to_basin", "text", "Basin to which the pump applies."),
    # dates
    ("charged_through_date", "date", "Date through which the pump is charged."),
    ("valid_start_date", "date", "Date from which the pump is valid."),
    ("sealed_until", "", "Date until which the pump is sealed."),
    ("last_greased_on", "date", "Date on which the pump was last greased."),
    ("gasket_swapped_dts", "timestamp", "Date and time when the gasket of the pump was swapped."),
    ("dock_estimated_lift_date", "date", "Estimated date of the dock lift of the pump."),
    ("date_greased", "date", "Date on which the pump was greased."),
    ("time_last_primed", "text", "Time when the pump was last primed."),
    # numbers of things
    ("bytes_pumped", "", "Number of bytes pumped for the pump."),
    ("valves_replaced", "integer", "Number of valves replaced for the pump."),
    ("bytes_spilled_to_cold_basin", "bigint", "Number of bytes spilled to cold basin for the pump."),
    ("tickets_reopened", "", "Tickets that were reopened for the pump."),
    ("credits_per_minute", "", "Number of credits per minute."),
    ("n_days_after_first_leak", "integer", "Number of days after the first leak."),
    (
        "valve_opened_n_days_after_first_leak",
        "",
        "Number of days after the first leak at which the valve of the pump was opened.",
    ),
    ("expire_after_number_of_leaks", "integer", "Number of leaks after which the pump expires."),
    ("gaskets", "json", "List of the gaskets of the pump."),
    # qualifiers
    ("rinse_micros", "", "Rinse of the pump, in millionths."),
    ("rinse_e8", "", "Rinse of the pump, in hundred-millionths."),
    ("rinse_time_s", "", "Rinse time of the pump, in seconds."),
    ("basin_source_value", "text", "Value of the basin in the source data."),
    ("external_basin_id_franchise", "text", "Identifier of the basin in an external franchise system."),
    ("basin_pk", "text", "Key that identifies the basin."),
    ("leak_volume_unpaid", "numeric", "Unpaid leak volume of the pump."),
    ("leak_place_other", "text", "Other leak place of the pump."),
    ("basin.rinse_cycle", "text", "Rinse cycle in the basin."),
    ("rinse_day_of_week", "text", "Rinse day of the week for the pump."),
    # good English as it is
    ("bearing_grade", "text", "Bearing grade of the pump."),
    ("pump_bearing_grade", "text", "Bearing grade of the pump."),
    ("pump", "text", ""),  # nothing but the table's own name
]


@pytest.mark.parametrize(("name", "sql_type", "text"), TEXTS)
def test_the_frame_that_the_words_make(name, sql_type, text):
    column = Column(name, sql_type)
    assert plain_text(Table("t", "pumps", columns=(column,)), column) == text


PREFIXED = [
    ("fm_fee_usd", "numeric(12,2)", "Fee of the franchise month, in US dollars."),
    ("fm_visits_missed", "integer", "Number of visits missed for the franchise month."),
    ("fm_closed", "boolean", "True when the franchise month is closed."),
    ("fm_audit_dt", "date", "Date of the audit of the franchise month."),
    ("fm_owner_id", "text", "Identifier of the owner of the franchise month."),
    ("franchise_month", "text", ""),
]


@pytest.mark.parametrize(("name", "sql_type", "text"), PREFIXED)
def test_without_the_prefix_of_the_table(name, sql_type, text):
    columns = tuple(Column(one, kind) for one, kind, _ in PREFIXED)
    table = Table("t", "franchise_month", columns=columns)
    assert plain_text(table, Column(name, sql_type)) == text


def test_the_thing_is_not_said_of_its_own_part():
    """ "Yard of the yard gate" says a word twice: the gate's yard is the yard."""
    table = Table("t", "yard_gates", columns=(Column("yard"),))
    assert plain_text(table, table.columns[0]) == "Yard to which the row refers."


def test_what_is_measured_stands_in_a_record_of_measures():
    column = Column("blade_pitch", "numeric")
    assert (
        plain_text(Table("t", "turbine_usage", columns=(column,)), column)
        == "Blade pitch in the turbine usage."
    )
    assert (
        plain_text(Table("t", "turbine_metrics", columns=(column,)), column) == "Blade pitch of the turbine."
    )
