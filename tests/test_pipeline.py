"""Suggest and apply through fake adapters: what is a target, what is kept, what is never overwritten."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import pytest

from docgen_plugin import inherit, pipeline, targets
from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError, SourceError, WriteError
from docgen_plugin.freshness import fingerprint, same_evidence
from docgen_plugin.generate import Answer, TableRequest
from docgen_plugin.grounding import UNCLEAR
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model import Catalog, Column, ColumnRef, ForeignKey, Suggestion, Table
from docgen_plugin.store import Decision, Ledger
from tests.fakes import FakeGenerator, Shop, plain_answer, registered

# names of these tables are in the dictionary: here the model is to write its own text
MODEL_WRITES = Config(dictionary="hint")


ORDERS = Table(
    "s.orders",
    "orders",
    schema="s",
    columns=(
        Column("order_ref", "int"),
        Column("total", "numeric"),
        Column("x7", "text"),
        Column("note", description="Free words."),
    ),
)
LINES = Table(
    "s.lines", "lines", schema="s", description="One row per line.", columns=(Column("qty", "int"),)
)
TABLE, REF, TOTAL, OPAQUE, NOTE = (
    ColumnRef("s.orders", name) for name in ("", "order_ref", "total", "x7", "note")
)
QTY = ColumnRef("s.lines", "qty")


@pytest.fixture
def shop():
    with registered(Shop(ORDERS, LINES)) as plugin:
        yield plugin


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def suggest(ledger, generator=None, **more):
    generator = generator or FakeGenerator()
    return pipeline.suggest("shop", more.pop("config", MODEL_WRITES), ledger, lambda: generator, **more)


def states(ledger):
    return {row.suggestion.ref: row.suggestion.state for row in ledger.rows("shop")}


def decide(ledger, state, *refs, text=None):
    rows = [ledger.row("shop", ref) for ref in refs]
    assert len(ledger.decide("shop", [Decision(row, state, "ann", text) for row in rows])) == len(refs)


def apply(ledger, **more):
    return pipeline.apply("shop", MODEL_WRITES, ledger, **more)


def test_every_undocumented_place_gets_a_row_and_only_once(shop, ledger):
    generator = FakeGenerator()
    report = suggest(ledger, generator)
    assert states(ledger) == dict.fromkeys((TABLE, REF, TOTAL, OPAQUE, QTY), "suggested")
    assert (report.targets, report.suggested, report.by_origin) == (5, 5, {"generated": 4, "unclear": 1})
    assert (report.model, report.device, generator.closed) == ("fake@1", "no device", 1)
    asked = {request.table.key: (request.with_table, request.columns) for request in generator.requests}
    assert asked == {"s.orders": (True, ("order_ref", "total")), "s.lines": (False, ("qty",))}
    again = pipeline.suggest("shop", MODEL_WRITES, ledger, never)
    assert (again.targets, again.suggested) == (0, 0)


def never():
    pytest.fail("the model must not be loaded when there is nothing to ask")


def test_a_suggestion_records_what_it_rests_on(shop, ledger):
    suggest(ledger)
    total = ledger.row("shop", TOTAL).suggestion
    assert total.text == "The total as recorded for the order."
    assert (total.model, total.before, total.logprob) == (
        "fake@1",
        "",
        plain_answer(TableRequest(ORDERS, ()), "total")[1],
    )
    assert total.fingerprint == fingerprint(ORDERS, ORDERS.column("total"))
    assert 0 < total.confidence < 1
    opaque = ledger.row("shop", OPAQUE).suggestion
    assert (opaque.text, opaque.origin, opaque.model) == (UNCLEAR, "unclear", "")


def test_only_accepted_and_edited_are_written_and_then_nothing_is_left(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", TABLE, REF)
    decide(ledger, "edited", TOTAL, text="Sum of the lines.")
    decide(ledger, "rejected", QTY)
    report = apply(ledger)
    assert set(report.written) == {TABLE, REF, TOTAL}
    assert shop.tables["s.orders"].column("total").description == "Sum of the lines."
    assert shop.tables["s.lines"].column("qty").description == ""
    assert states(ledger) == {
        TABLE: "applied",
        REF: "applied",
        TOTAL: "applied",
        QTY: "rejected",
        OPAQUE: "suggested",
    }
    assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 0
    assert apply(ledger).written == ()
    assert states(ledger)[TOTAL] == "applied"


def test_a_dry_run_changes_nothing_anywhere(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", TABLE, REF, TOTAL)
    shop.set(REF, "A person's words.")
    before, tables = states(ledger), dict(shop.tables)
    report = apply(ledger, dry_run=True)
    assert set(report.written) == {TABLE, TOTAL}
    assert report.preview == "2 texts"
    assert [ref for ref, _ in report.stale] == [REF]
    assert (states(ledger), shop.tables) == (before, tables)


@pytest.mark.parametrize("state", ["suggested", "accepted", "edited"])
def test_a_persons_text_is_never_overwritten(shop, ledger, state):
    suggest(ledger)
    if state != "suggested":
        decide(ledger, state, TOTAL, text="Mine." if state == "edited" else None)
    shop.set(TOTAL, "A person's words.")
    report = apply(ledger)
    assert TOTAL not in report.written
    assert states(ledger)[TOTAL] == "stale"
    assert suggest(ledger).targets == 0
    assert shop.tables["s.orders"].column("total").description == "A person's words."


def test_an_applied_text_that_a_person_edited_is_theirs(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", TOTAL)
    apply(ledger)
    shop.set(TOTAL, "Better words.")
    assert suggest(ledger).targets == 0
    assert states(ledger)[TOTAL] == "stale"
    assert apply(ledger).written == ()
    assert shop.tables["s.orders"].column("total").description == "Better words."


def test_an_approved_text_that_vanished_is_suggested_again_word_by_word(shop, ledger):
    suggest(ledger)
    decide(ledger, "edited", TOTAL, text="Sum of the lines.")
    apply(ledger)
    shop.set(TOTAL, "")  # the table was made anew by a tool that forgets comments
    pipeline.suggest("shop", MODEL_WRITES, ledger, never)
    again = ledger.row("shop", TOTAL).suggestion
    assert (again.state, again.text, again.origin) == ("suggested", "Sum of the lines.", "reused")


CHANGES = {
    "type": {"type": "text"},
    "key": {"foreign_key": ForeignKey("totals", "id")},
    "values": {"values": ("1", "2")},
}


@pytest.mark.parametrize("state", ["suggested", "rejected"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_column_is_suggested_anew(shop, ledger, change, state):
    suggest(ledger)
    if state == "rejected":
        decide(ledger, state, TOTAL)
    shop.column(TOTAL, **CHANGES[change])
    report = suggest(ledger)
    assert (report.turned, report.targets) == (1, 1)
    assert states(ledger)[TOTAL] == "suggested"
    assert ledger.row("shop", TOTAL).version > 1


@pytest.mark.parametrize("change", [{"type": "decimal(18, 4)"}, {"not_null": True}, {"type": ""}])
def test_what_says_nothing_new_keeps_a_rejection(shop, ledger, change):
    suggest(ledger)
    decide(ledger, "rejected", TOTAL)
    shop.column(TOTAL, **change)
    assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 0
    assert states(ledger)[TOTAL] == "rejected"


def test_a_new_column_changes_the_table_not_its_columns():
    more = replace(ORDERS, columns=(*ORDERS.columns, Column("paid_at")))
    assert not same_evidence(fingerprint(ORDERS, None), fingerprint(more, None))
    assert fingerprint(ORDERS, ORDERS.columns[0]) == fingerprint(more, more.columns[0])
    empty = replace(ORDERS, columns=())
    assert same_evidence(fingerprint(empty, None), fingerprint(ORDERS, None))


def applied(ledger, ref, text=None):
    suggest(ledger)
    decide(ledger, "edited" if text else "accepted", ref, text=text)
    apply(ledger)


def test_our_applied_text_on_a_changed_column_is_suggested_anew(shop, ledger):
    applied(ledger, TOTAL)
    standing = shop.tables["s.orders"].column("total").description
    shop.column(TOTAL, type="text")
    generator = FakeGenerator(lambda request, column: ("The total as the shop now writes it.", -0.1))
    report = suggest(ledger, generator)
    assert (report.turned, report.targets) == (1, 1)
    anew = ledger.row("shop", TOTAL).suggestion
    assert (anew.state, anew.before, anew.text) == (
        "suggested",
        standing,
        "The total as the shop now writes it.",
    )
    assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 0
    assert shop.tables["s.orders"].column("total").description == standing  # until a person accepts
    decide(ledger, "accepted", TOTAL)
    assert apply(ledger).written == (TOTAL,)
    assert shop.tables["s.orders"].column("total").description == anew.text
    assert states(ledger)[TOTAL] == "applied"


def test_a_persons_wording_on_a_changed_column_is_shown_again_not_replaced(shop, ledger):
    applied(ledger, TOTAL, "Sum of the lines.")
    shop.column(TOTAL, type="text")
    assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 1
    again = ledger.row("shop", TOTAL).suggestion
    assert (again.text, again.before, again.origin) == ("Sum of the lines.", "Sum of the lines.", "reused")
    decide(ledger, "accepted", TOTAL)
    assert apply(ledger).present == (TOTAL,)
    assert states(ledger)[TOTAL] == "applied"


@pytest.mark.parametrize("state", ["suggested", "rejected"])
def test_a_replacement_is_itself_replaced_when_the_column_changes_once_more(shop, ledger, state):
    applied(ledger, TOTAL)
    shop.column(TOTAL, type="text")
    suggest(ledger)
    if state == "rejected":
        decide(ledger, state, TOTAL)
        assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 0
    shop.column(TOTAL, type="date")
    assert suggest(ledger).targets == 1
    assert states(ledger)[TOTAL] == "suggested"
    shop.set(TOTAL, "A person's words.")
    shop.column(TOTAL, type="int")
    assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 0


def test_a_column_that_comes_back_with_our_text_is_applied_still(shop, ledger):
    applied(ledger, TOTAL)
    decide(ledger, "accepted", TABLE)
    full = shop.tables["s.orders"]
    shop.tables["s.orders"] = replace(
        full, columns=tuple(column for column in full.columns if column.name != "total")
    )
    suggest(ledger)
    assert states(ledger)[TOTAL] == "stale"
    shop.tables["s.orders"] = full
    assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 0
    assert states(ledger)[TOTAL] == "applied"


@pytest.mark.parametrize("state", ["accepted", "applied"])
def test_an_approved_table_description_outlives_its_columns(shop, ledger, state):
    suggest(ledger)
    decide(ledger, "accepted", TABLE)
    if state == "applied":
        apply(ledger)
    table = shop.tables["s.orders"]
    for columns in ((*table.columns, Column("paid", description="Paid.")), table.columns[1:]):
        shop.tables["s.orders"] = replace(table, columns=columns)
        suggest(ledger)
        assert states(ledger)[TABLE] == state


def test_keys_that_dbt_infers_from_tests_are_no_change():
    keyed = Column("total", "int", primary_key=True, foreign_key=ForeignKey("totals", "id"))
    for kind, same in (("model", True), ("seed", True), ("table", False)):
        table = Table("t", "t", kind=kind)
        prints = [fingerprint(table, column) for column in (Column("total", "int"), keyed)]
        assert same_evidence(*prints) is same
    assert same_evidence(
        fingerprint(Table("t", "t"), keyed), fingerprint(Table("t", "t", kind="model"), keyed)
    )


def test_rows_that_the_ledger_refused_are_not_counted(shop, ledger):
    def answer(request, column):
        if column == "order_ref":  # another process is quicker by one place
            ledger.add("shop", [Suggestion(REF, "Theirs.")])
        return plain_answer(request, column)

    report = suggest(ledger, FakeGenerator(answer))
    assert (report.targets, report.suggested) == (5, 4)
    assert sum(report.by_origin.values()) == 4
    assert ledger.row("shop", REF).suggestion.text == "Theirs."


def test_tables_out_of_sight_keep_their_rows(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", QTY)
    hidden = shop.tables.pop("s.lines")
    suggest(ledger)
    assert states(ledger)[QTY] == "accepted"
    shop.tables["s.lines"] = hidden
    assert apply(ledger).written == (QTY,)


def test_a_column_that_is_gone_is_stale(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", TOTAL)
    shop.tables["s.orders"] = replace(ORDERS, columns=ORDERS.columns[:1])
    report = apply(ledger)
    assert (TOTAL, "the column is gone") in report.stale
    assert report.written == ()


def test_ctrl_c_in_suggest_keeps_what_is_done_and_a_rerun_goes_on(shop, ledger):
    asked = []

    def interrupted(request, column):
        asked.append(column)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return plain_answer(request, column)

    generator = FakeGenerator(interrupted)
    report = suggest(ledger, generator)
    assert report.interrupted
    assert report.suggested == len(states(ledger)) == 3  # two answers and the opaque one
    assert generator.closed == 1
    rest = FakeGenerator()
    assert suggest(ledger, rest).suggested == 2
    assert sum(len(request.columns) + request.with_table for request in rest.requests) == 2


def test_a_model_that_fails_halfway_loses_nothing(shop, ledger):
    def failing(request, column):
        if column == "total":
            raise ModelError("out of memory")
        return plain_answer(request, column)

    with pytest.raises(ModelError, match="out of memory"):
        suggest(ledger, FakeGenerator(failing))
    assert set(states(ledger)) == {TABLE, REF, OPAQUE}


def test_ctrl_c_in_apply_is_made_up_for_by_the_next_run(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", TABLE, REF, TOTAL)
    shop.stop_after = 2
    with pytest.raises(KeyboardInterrupt):
        apply(ledger)
    assert states(ledger)[TABLE] == "accepted"
    shop.stop_after = None
    report = apply(ledger)
    assert (report.present, report.written) == ((TABLE, REF), (TOTAL,))
    assert {states(ledger)[ref] for ref in (TABLE, REF, TOTAL)} == {"applied"}


def test_a_writeback_that_stops_early_records_what_it_did(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", TABLE, REF, TOTAL)
    shop.stop_after, shop.error = 1, "connection lost"
    report = apply(ledger)
    assert (report.error, report.written) == ("connection lost", (TABLE,))
    assert states(ledger)[TABLE] == "applied"
    assert states(ledger)[TOTAL] == "accepted"


def test_a_text_that_the_database_cut_is_recorded_as_it_stands(shop, ledger):
    suggest(ledger)
    decide(ledger, "edited", TOTAL, text="Sum of the lines, taxes included.")
    shop.longest = 16
    report = apply(ledger)
    assert report.altered == ((TOTAL, "Sum of the lines"),)
    applied = ledger.row("shop", TOTAL).suggestion
    assert (applied.state, applied.text) == ("applied", "Sum of the lines")
    assert apply(ledger).stale == ()
    assert states(ledger)[TOTAL] == "applied"


def test_a_skipped_place_keeps_its_state(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", REF, TOTAL)
    shop.refuse = {TOTAL: "no right to comment"}
    report = apply(ledger)
    assert (report.written, report.skipped) == ((REF,), ((TOTAL, "no right to comment"),))
    assert states(ledger)[TOTAL] == "accepted"


def test_answers_out_of_order_unasked_or_missing(shop, ledger):
    class Odd(FakeGenerator):
        def describe(self, requests):
            answers = list(super().describe(requests))
            yield Answer(ColumnRef("s.ghost", "x"), "Nobody asked.", -0.1, 1)
            yield Answer(NOTE, "A person's text stands here.", -0.1, 1)
            yield from (one for one in reversed(answers) if one.ref != TOTAL)
            yield next(one for one in answers if one.ref == REF)

    suggest(ledger, Odd())
    assert set(states(ledger)) == {TABLE, REF, TOTAL, OPAQUE, QTY}
    assert ledger.row("shop", REF).version == 1


def test_select_include_and_exclude_narrow_the_targets(shop, ledger):
    def wanted(config=None, select=()):
        config = config or MODEL_WRITES
        catalog = pipeline.read_catalog("shop", config)
        return {
            ColumnRef(target.table.key, name)
            for target in targets.find(catalog, ledger, config, select)
            for name in (*([""] if target.with_table else []), *(one.name for one in target.columns))
        }

    assert wanted(select=("orders.t*",)) == {TOTAL}
    assert wanted(select=("*.qty", "s.orders.order_ref")) == {QTY, REF}
    assert wanted(select=("ORDERS",)) == set()
    assert wanted(Config(include=("s.l*",), dictionary="hint")) == {QTY}
    assert wanted(Config(exclude=("orders",), dictionary="hint")) == {QTY}
    assert wanted(select=("orders",)) == {TABLE, REF, TOTAL, OPAQUE}


def test_a_source_that_nobody_knows_and_one_that_nobody_writes(tmp_path, ledger):
    with pytest.raises(SourceError, match="neither a dbt project"):
        pipeline.read_catalog(str(tmp_path / "nothing"), MODEL_WRITES)

    class ReadOnly:
        @hookimpl(tryfirst=True)
        def read_catalog(self, source, config):
            return Catalog("shop", "fake", (LINES,)) if source == "fake:" else None

    with registered(ReadOnly()):
        pipeline.suggest("fake:", MODEL_WRITES, ledger, FakeGenerator)
        decide(ledger, "accepted", QTY)
        with pytest.raises(WriteError, match=r"--to FILE\.yml"):
            pipeline.apply("fake:", MODEL_WRITES, ledger)
    assert states(ledger)[QTY] == "accepted"


def documented(key, upstream=(), sql="", **texts):
    columns = tuple(Column(name, "int", text or "") for name, text in texts.items())
    return Table(key, key, columns=columns, upstream=upstream, sql=sql)


INHERIT = {
    "one parent": ([documented("a", total="Sum.")], "select total from a", "Sum."),
    "another case": ([documented("a", TOTAL="Sum.")], "select total from a", "Sum."),
    "two agree": (
        [documented("a", total="Sum."), documented("b", total="Sum.")],
        "select total from a",
        "Sum.",
    ),
    "two differ": (
        [documented("a", total="Sum."), documented("b", total="Tax.")],
        "select total from a",
        None,
    ),
    "one is silent": (
        [documented("a", total="Sum."), documented("b", total="")],
        "select total from a",
        None,
    ),
    "one lacks it": (
        [documented("a", total="Sum."), documented("b", tax="Tax.")],
        "select total from a",
        "Sum.",
    ),
    "placeholder": ([documented("a", total="TODO")], "select total from a", None),
    "name echo": ([documented("a", total="Total")], "select total from a", None),
    "passed through": ([documented("a", total="Sum.")], "select o.total as total, b from a o", "Sum."),
    "computed": ([documented("a", total="Sum in cents.")], "select total / 100 as total from a", None),
    "renamed": ([documented("a", total="Sum.")], "select tax as total from a", None),
    "aggregated": ([documented("a", total="Sum.")], "select sum(total) as total from a", None),
}


@pytest.mark.parametrize("case", INHERIT)
def test_inheriting_from_upstream(case):
    parents, sql, wanted = INHERIT[case]
    child = documented("child", tuple(parent.key for parent in parents), sql, total="")
    catalog = Catalog("shop", "dbt", (*parents, child))
    found = inherit.inherited(catalog, child, child.columns[0])
    assert (found.text if found else None) == wanted


def test_a_key_inherits_from_what_it_points_to_only_under_the_same_name():
    parent = documented("s.customers", customer_id="Number of the customer.")
    for name, wanted in (("customer_id", "Number of the customer."), ("buyer_id", None)):
        column = Column(name, "int", foreign_key=ForeignKey("s.customers", "customer_id"))
        child = Table("s.orders", "orders", columns=(column,))
        found = inherit.inherited(Catalog("shop", "x", (parent, child)), child, column)
        assert (found.text if found else None) == wanted


def like(name, number=4, kind="int"):
    return [Table(f"t{index}", f"t{index}", columns=(Column(name, kind),)) for index in range(number)]


REUSE = {
    "two agree": ("region_code", ["Region.", "Region."], True),
    "one is not enough": ("region_code", ["Region."], False),
    "they differ": ("region_code", ["Region.", "Region.", "Area."], False),
    "generic": ("status", ["Region.", "Region."], False),
}


@pytest.mark.parametrize("case", REUSE)
def test_reusing_what_the_team_accepted_for_like_columns(case, ledger):
    name, texts, reused = REUSE[case]
    tables = [*like(name), *like(name, 1, "text")]
    tables[-1] = replace(tables[-1], key="other", name="other")
    with registered(Shop(*tables)):
        suggest(ledger, select=tuple(f"t{index}.{name}" for index in range(len(texts))))
        for index, text in enumerate(texts):
            decide(ledger, "edited", ColumnRef(f"t{index}", name), text=text)
        suggest(ledger, select=(f"*.{name}",))
    found = ledger.row("shop", ColumnRef("t3", name)).suggestion
    assert (found.origin == "reused") is reused
    assert (found.text == "Region.") is reused
    assert ledger.row("shop", ColumnRef("other", name)).suggestion.origin == "generated"


def test_the_dictionary_speaks_where_the_models_text_cannot_stand(ledger):
    table = Table(
        "customers", "customers", columns=(Column("created_at", "timestamp"), Column("zorbness", "int"))
    )
    with registered(Shop(table)):
        suggest(ledger, FakeGenerator(lambda request, column: ("", 0.0)))
    known = ledger.row("shop", ColumnRef("customers", "created_at")).suggestion
    assert (known.origin, known.model) == ("composed", "docgen-concepts")
    assert known.logprob == -0.16
    assert known.text not in ("", UNCLEAR)
    assert ledger.row("shop", ColumnRef("customers", "zorbness")).suggestion.origin == "unclear"


ODD_TABLES = [
    Table("empty", "empty"),
    Table(
        "we\"ird '%s'\n🙂", "we\"ird '%s'\n🙂", columns=(Column('a"b\n%d\x1b[31m', "int"), Column("", "text"))
    ),
    Table("wide", "wide", columns=tuple(Column(f"measure_name_{number}a", "int") for number in range(2000))),
]


@pytest.mark.parametrize("table", ODD_TABLES, ids=["no columns", "odd names", "2,000 columns"])
def test_tables_of_odd_shapes(table, ledger):
    with registered(Shop(table)):
        report = suggest(ledger)
        named = sum(bool(column.name) for column in table.columns)
        assert report.suggested == named + 1
        ledger.decide("shop", [Decision(row, "accepted") for row in ledger.rows("shop")])
        assert len(apply(ledger).written) == named + 1
        assert pipeline.suggest("shop", MODEL_WRITES, ledger, never).targets == 0


@pytest.mark.slow
def test_memory_stays_flat_while_tables_are_answered(ledger):
    class Quiet(FakeGenerator):
        def describe(self, requests):
            for request in requests:
                for column in (*([""] if request.with_table else []), *request.columns):
                    yield Answer(ColumnRef(request.table.key, column), "What was measured there.", -0.1, 4)

    def peak(number):
        names = [f"measured_{index}a" for index in range(8)]
        shop = Shop(
            *(Table(f"t{index}", f"t{index}", columns=tuple(map(Column, names))) for index in range(number))
        )
        with registered(shop):
            catalog = pipeline.read_catalog("shop", MODEL_WRITES)
            gc.collect()
            tracemalloc.start()
            pipeline.suggest(
                "shop", MODEL_WRITES, ledger, Quiet, catalog=replace(catalog, source=f"of {number}")
            )
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return most

    peak(50)  # dictionaries and caches are loaded
    small, large = peak(100), peak(400)
    assert large < small + 300 * 4096  # a target and its bookkeeping, not the texts of a table


def test_the_dictionary_writes_what_it_knows_exactly(ledger):
    table = Table(
        "shipments", "shipments", columns=(Column("created_at", "timestamp"), Column("gauge_drift", "text"))
    )
    with registered(Shop(table)):
        pipeline.suggest("shop", Config(), ledger, FakeGenerator)
    known = ledger.row("shop", ColumnRef("shipments", "created_at")).suggestion
    assert (known.origin, known.model) == ("composed", "docgen-concepts")
    assert known.text == "Date and time when the shipment was created."
    assert ledger.row("shop", ColumnRef("shipments", "gauge_drift")).suggestion.origin == "generated"


class Tuned(FakeGenerator):
    """A small model of ours, tuned to a team."""

    bespoke = True
    tuned = True
    words = frozenset({"Glaze"})


SHOP_KILNS = Table(
    "kilns", "kilns", columns=(Column("created_at", "timestamp"), Column("wobble_grade", "numeric"))
)


def tuned_texts(ledger, generator, **settings):
    catalog = Catalog("shop", "fake", (SHOP_KILNS,))
    pipeline.suggest("shop", Config(**settings), ledger, lambda: generator, catalog=catalog, chosen=True)
    return {row.suggestion.ref.column: row.suggestion for row in ledger.rows("shop")}


def test_a_tuned_model_writes_what_the_dictionary_knows_and_may_say_the_teams_words(ledger):
    texts = {
        "created_at": "Date when the kiln was created.",
        "wobble_grade": "Glaze wobble grade of the kiln.",
    }
    found = tuned_texts(ledger, Tuned(lambda _, column: (texts.get(column, ""), -0.1)))
    assert {name: found[name].text for name in texts} == texts
    assert found["created_at"].origin == "generated"
    assert found["created_at"].model == "fake@1"


def test_a_tuned_model_that_is_unsure_leaves_what_is_known(ledger):
    texts = {
        "created_at": "Date when the kiln was created.",
        "wobble_grade": "Glaze wobble grade of the kiln.",
    }
    found = tuned_texts(ledger, Tuned(lambda _, column: (texts.get(column, ""), -0.3)))
    assert (found["created_at"].origin, found["created_at"].model) == ("composed", "docgen-concepts")
    assert (found["wobble_grade"].origin, found["wobble_grade"].model) == ("composed", "docgen-frames")


def test_a_word_that_is_not_the_teams_is_not_said(ledger):
    generator = Tuned(lambda _, column: ("Porcelain wobble grade of the kiln.", -0.1))
    assert tuned_texts(ledger, generator)["wobble_grade"].origin == "composed"


def test_a_team_may_not_invent_units(ledger):
    generator = Tuned(lambda _, column: ("Glaze wobble grade of the kiln, in kg.", -0.1))
    generator.words = frozenset({"Glaze", "kg"})
    assert tuned_texts(ledger, generator)["wobble_grade"].text == "Glaze wobble grade of the kiln."
