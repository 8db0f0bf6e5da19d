"""A candidate beside the standing model: which tables are its, who wrote what, and how it begins and ends."""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docgen_plugin import canary, pipeline
from docgen_plugin.canary import Canary
from docgen_plugin.config import Config
from docgen_plugin.errors import ConfigError, ModelError
from docgen_plugin.files import digest
from docgen_plugin.generate import Answer
from docgen_plugin.llama import default_model
from docgen_plugin.model import Catalog, Column, ColumnRef, Table
from docgen_plugin.review.models import Models
from docgen_plugin.store import Decision, Ledger
from docgen_plugin.writers import Candidate
from tests.fakes import FakeGenerator, Shop, registered
from tests.registries import candidate, put
from tests.test_cli_model import as_json, docgen, error
from tests.tiny_models import bespoke_gguf

MODEL_WRITES = Config(dictionary="hint")
TABLES = tuple(
    Table(
        f"s.t{number}",
        f"t{number}",
        schema="s",
        columns=(Column("wobble_grade", "int"), Column("kiln_note", "text"), Column("x7", "text")),
    )
    for number in range(12)
)
OURS = {"s.t1", "s.t4", "s.t7"}  # the candidate's tables where a test draws them itself


def drawn(share, salt="salt"):
    return Canary("shop@2", "", "", share, salt, "", "", datetime.now(UTC))


# ---- which tables ----


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.5), st.text(max_size=20), st.integers(0, 10**9))
def test_about_the_share_is_drawn_and_a_wider_share_keeps_it(share, salt, start):
    tables = [f"shop.table_{number}" for number in range(start, start + 2000)]
    one = drawn(share, salt)
    found = {name for name in tables if one.draws(name)}
    # five standard deviations: one in a million is further off
    assert abs(len(found) - 2000 * share) <= 5 * (2000 * share * (1 - share)) ** 0.5
    assert found <= {name for name in tables if drawn(min(0.5, share * 1.5), salt).draws(name)}
    assert found == {name for name in reversed(tables) if one.draws(name)}


def test_another_candidate_draws_others():
    tables = [f"t{number}" for number in range(400)]
    first, second = ({name for name in tables if drawn(0.1, salt).draws(name)} for salt in ("a", "b"))
    assert len(first & second) < len(first) / 2


def test_a_name_that_is_no_text_is_drawn_too():
    assert drawn(0.5).draws("lone \udc80") in (True, False)


SHARES = {"10%": 0.1, "0.1": 0.1, " 12.5 % ": 0.125, "50%": 0.5, ".5": 0.5, "0.01": 0.01}


@pytest.mark.parametrize("text", SHARES)
def test_a_share_as_it_is_typed(text):
    assert canary.parse_share(text) == pytest.approx(SHARES[text])


@pytest.mark.parametrize(
    "text", ["", " ", "0", "0%", "51%", "0.51", "10", "100%", "-5%", "nan", "inf", "ten", "10,5%", "1e-1", "１０%", "%"]
)  # fmt: skip
def test_a_share_that_is_none(text):
    with pytest.raises(ConfigError, match="wants a share of the tables above 0 and at most 50 %"):
        canary.parse_share(text)


# ---- who writes what ----


class Named(FakeGenerator):
    """A model of its own name whose texts say it."""

    def __init__(self, name, **more):
        super().__init__(lambda request, column: (f"The {column or 'row'} as {name} has it", -0.2))
        self.name = f"{name}@1"
        for key, value in more.items():
            setattr(self, key, value)


@pytest.fixture
def shop():
    with registered(Shop(*TABLES)) as plugin:
        yield plugin


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.fixture
def models():
    return Named("standing"), Named("candidate")


def suggest(ledger, models, beside=True, config=MODEL_WRITES, **more):
    standing, other = models
    second = Candidate(lambda: other, OURS.__contains__) if beside else None
    return pipeline.suggest("shop", config, ledger, lambda: standing, candidate=second, **more)


def wrote(ledger):
    """Return which models wrote of each table."""
    found: dict[str, set[str]] = {}
    for row in ledger.rows("shop"):
        if row.suggestion.model:
            found.setdefault(row.suggestion.ref.table, set()).add(row.suggestion.model)
    return found


def whose(table):
    return {"candidate@1" if table.key in OURS else "standing@1"}


def test_a_table_has_one_model_and_every_row_names_it(shop, ledger, models):
    report = suggest(ledger, models)
    assert wrote(ledger) == {table.key: whose(table) for table in TABLES}
    assert report.answered == (("standing@1", 9), ("candidate@1", 3))
    assert (report.model, report.targets, report.by_origin) == (
        "standing@1",
        48,
        {"generated": 36, "unclear": 12},
    )
    for model in models:
        name = model.name.partition("@")[0]
        texts = [row.suggestion.text for row in ledger.rows("shop") if row.suggestion.model == model.name]
        assert all(name in text for text in texts)
        assert model.closed == 1
    opaque = [row.suggestion for row in ledger.rows("shop") if row.suggestion.ref.column == "x7"]
    assert {one.model for one in opaque} == {""}, "what no model wrote is no model's"


def test_what_else_is_in_the_run_changes_nothing(shop, ledger, models):
    for select in (("s.t7", "s.t2"), ("t1.kiln_note", "t9.*"), ()):
        suggest(ledger, models, select=select)
    assert wrote(ledger) == {table.key: whose(table) for table in TABLES}


def test_again_rewrites_the_candidates_share_and_then_gives_it_back(shop, ledger, models):
    assert suggest(ledger, models, beside=False).answered == ()
    assert suggest(ledger, models, again=True).turned == 9
    assert wrote(ledger) == {table.key: whose(table) for table in TABLES}
    assert suggest(ledger, models, again=True).turned == 0
    assert suggest(ledger, models, beside=False, again=True).turned == 9  # dropped
    assert set().union(*wrote(ledger).values()) == {"standing@1"}


def test_again_after_a_promotion_rewrites_the_rest_alone(shop, ledger, models):
    suggest(ledger, models)
    versions = {row.suggestion.ref: row.version for row in ledger.rows("shop")}
    assert suggest(ledger, (models[1], models[1]), beside=False, again=True).turned == 27
    assert set().union(*wrote(ledger).values()) == {"candidate@1"}
    same = {
        row.suggestion.ref.table for row in ledger.rows("shop") if row.version == versions[row.suggestion.ref]
    }
    assert same >= OURS


def test_decided_rows_stay_whoever_wrote_them(shop, ledger, models):
    suggest(ledger, models, beside=False)
    row = ledger.row("shop", ColumnRef("s.t1", "wobble_grade"))
    ledger.decide("shop", [Decision(row, "accepted", "ann")])
    assert suggest(ledger, models, again=True).turned == 8
    assert ledger.row("shop", row.suggestion.ref).suggestion.model == "standing@1"


def test_a_candidate_that_cannot_be_loaded_leaves_the_ledger_as_it_was(shop, ledger, models):
    def fails():
        raise ModelError("out of memory")

    for again in (False, True):
        with pytest.raises(ModelError, match="out of memory"):
            pipeline.suggest(
                "shop",
                MODEL_WRITES,
                ledger,
                lambda: models[0],
                again=again,
                candidate=Candidate(fails, OURS.__contains__),
            )
    assert not list(ledger.rows("shop"))
    assert (models[0].requests, models[0].closed) == ([], 2)


def test_ctrl_c_keeps_what_was_answered_and_a_rerun_goes_on(shop, ledger, models):
    def interrupted(request, column):
        if request.table.key == "s.t4":
            raise KeyboardInterrupt
        return "The thing as candidate has it", -0.2

    stopped = Named("candidate")
    stopped.answer = interrupted
    report = suggest(ledger, (models[0], stopped))
    assert report.interrupted
    assert wrote(ledger).get("s.t4") is None
    assert suggest(ledger, models).interrupted is False
    assert wrote(ledger) == {table.key: whose(table) for table in TABLES}


def test_again_asks_where_the_dictionary_stood_in_for_another_model(shop, ledger, models):
    unsure = Named("standing", bespoke=True)
    unsure.answer = lambda request, column: ("The wobble grade", -3.0)
    suggest(ledger, (unsure, models[1]), beside=False)
    stood_in = {ColumnRef(table.key, "wobble_grade") for table in TABLES}
    rows = [ledger.row("shop", ref).suggestion for ref in stood_in]
    assert {(one.model, one.asked) for one in rows} == {("docgen-frames", "standing@1")}
    suggest(ledger, (unsure, models[1]), again=True)
    found = {ref: ledger.row("shop", ref).suggestion.model for ref in stood_in}
    assert {ref.table for ref, model in found.items() if model == "candidate@1"} == OURS
    assert suggest(ledger, (unsure, models[1]), again=True).turned == 0
    suggest(ledger, (unsure, models[1]), beside=False, again=True)
    assert {ledger.row("shop", ref).suggestion.asked for ref in stood_in} == {"standing@1"}


def test_again_asks_a_tuned_candidate_where_the_dictionary_spoke(shop, ledger, models):
    dated = (Column("created_at", "timestamp"),)
    shop.tables = {table.key: replace(table, columns=dated) for table in TABLES}
    suggest(ledger, models, beside=False, config=Config())
    rows = [ledger.row("shop", ColumnRef(table.key, "created_at")).suggestion for table in TABLES]
    assert {(one.model, one.asked) for one in rows} == {("docgen-concepts", "")}
    beside = models[0], Named("candidate", tuned=True)
    assert suggest(ledger, beside, config=Config(), again=True).turned == 6
    asked = {row.suggestion.ref.table for row in ledger.rows("shop") if row.suggestion.asked == "candidate@1"}
    assert asked == OURS
    assert suggest(ledger, beside, config=Config(), again=True).turned == 0
    assert suggest(ledger, models, beside=False, config=Config(), again=True).turned == 6


class Silent(Named):
    """A model with nothing to say of a place."""

    def describe(self, requests):
        for request in requests:
            self.requests.append(request)
            yield from (Answer(ColumnRef(request.table.key, name), "", -9.0, 1) for name in request.columns)


def test_each_models_texts_are_held_to_what_it_is(shop, ledger):
    """The standing one is strict, the candidate tuned: only that is asked where the dictionary has a text, in its voice."""
    tables = [replace(table, columns=(Column("created_at", "timestamp"),)) for table in TABLES]
    shop.tables = {table.key: table for table in tables}
    tuned = Named("candidate", bespoke=True, tuned=True, words=("candidate", "has", "it"))
    standing = Named("standing", bespoke=True, tuned=True)
    for other, asked in ((tuned, OURS), (Named("candidate", bespoke=True), set())):
        other.requests.clear()
        pipeline.suggest(
            "shop",
            Config(),
            ledger,
            lambda: standing,
            candidate=Candidate(partial(lambda one: one, other), OURS.__contains__),
        )
        assert {one.table.key for one in other.requests if one.columns} == asked
        rows = list(ledger.rows("shop"))
        ledger.decide("shop", [Decision(row, "stale", why="asked again") for row in rows])
    # the package's own model is not asked for it, tuned or not: a person has to choose it
    assert not [one for one in standing.requests if one.columns]


def test_a_silent_candidate_was_asked_all_the_same(shop, ledger, models):
    report = suggest(ledger, (models[0], Silent("candidate")))
    assert dict(report.answered)["candidate@1"] == 3
    rows = [row.suggestion for row in ledger.rows("shop") if row.suggestion.asked == "candidate@1"]
    assert {one.ref.table for one in rows} == OURS
    assert {one.origin for one in rows} <= {"unclear", "composed"}


# ---- docgen model use --canary, promote, drop: with real llama.cpp ----


@pytest.fixture
def project(model_settings, monkeypatch):
    """Return the settings; the working folder is a project with the source `shop`, names are left to the model."""
    monkeypatch.setenv("DOCGEN_DICTIONARY", "hint")
    monkeypatch.setenv("DOCGEN_THREADS", "1")
    monkeypatch.setenv("DOCGEN_REVIEWER", "Ann")
    salts = (f"salt {number}" for number in range(9))
    monkeypatch.setattr(secrets, "token_hex", lambda size: next(salts))
    with registered(Shop(*TABLES)):
        yield model_settings


@pytest.fixture
def tiny(tiny_instruct_gguf, tmp_path):
    """Put a general model, whose texts stand whatever they say, into the registry; return its bytes."""
    content = tiny_instruct_gguf.read_bytes()
    put(tmp_path / "registry", content, "shop", "2")
    return content


def written(tmp_path):
    """Return the tables of each model that was asked."""
    found: dict[str, set[str]] = {}
    with Ledger(tmp_path / ".docgen" / "ledger.db", create=False) as ledger:
        for row in ledger.rows("shop"):
            if row.suggestion.asked:
                found.setdefault(row.suggestion.asked, set()).add(row.suggestion.ref.table)
    return found


def state(tmp_path):
    return json.loads((tmp_path / ".docgen" / "model.json").read_text())


@pytest.mark.slow
def test_a_candidate_from_its_beginning_to_its_promotion(project, tiny, tmp_path):
    done = docgen("model", "use", "shop@2", "--canary", "40%")
    assert "answers 40 % of the tables from now on; the model in the package the others" in done.stdout
    one = candidate(tmp_path)
    ours = {table.key for table in TABLES if one.draws(table.key)}
    assert 0 < len(ours) < 12
    done = docgen("suggest", "shop")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("answered: docgen-base@")
    assert last.endswith(f" {len(ours)} tables (the candidate)")
    assert f"candidate: {one.model} on CPU, 1 thread, for 40 % of the tables" in done.stderr
    found = written(tmp_path)
    assert found.pop(one.model) == ours
    (standing,) = found
    assert standing.startswith("docgen-base@")
    assert not found[standing] & ours
    listed = docgen("model", "list").stdout.splitlines()
    assert [line[:8] for line in listed if line[0] in "*+"] == ["* docgen", "+ shop@2"]
    assert listed[-1].startswith("candidate: shop@2, for 40 % of the tables (by Ann, ")
    assert "candidate shop@2, for 40 %" in docgen("model", "info").stdout
    assert as_json("model", "list")["candidate"]["share"] == 0.4
    told = docgen("model", "promote")
    assert f"candidate:  {one.model}: none yet; 0 tables, 0 its own text" in told.stdout
    assert "too few decisions, 0 and 0 one by one; 30 each are the least" in told.stdout
    assert "shop@2 (sha256 " in told.stdout
    assert "that it is better is not shown; docgen model rollback goes back" in told.stderr
    assert candidate(tmp_path) is None
    assert as_json("suggest", "shop", "--again")["answered"] == {}
    assert set(written(tmp_path)) == {one.model}
    assert "the model in the package is used again" in docgen("model", "rollback").stdout
    assert [(one["ended"], one["ended_by"]) for one in state(tmp_path)["canaries"]] == [("promoted", "Ann")]


@pytest.mark.slow
def test_a_dropped_candidates_open_texts_go_back(project, tiny, tmp_path):
    docgen("suggest", "shop")
    before = written(tmp_path)
    docgen("model", "use", "shop@2", "--canary", "0.4")
    name = candidate(tmp_path).model
    assert as_json("suggest", "shop", "--again")["answered"][name] > 0
    assert name in written(tmp_path)
    done = docgen("model", "drop")
    assert "the candidate shop@2 is dropped; the model in the package answers all tables again" in done.stdout
    docgen("suggest", "shop", "--again")
    assert written(tmp_path) == before
    assert "no candidate: docgen model use REF --canary 10% begins with one" in error("model", "drop")
    assert "no candidate" in error("model", "promote")


def test_rollback_ends_the_candidate_first(project, tiny, tmp_path):
    put(tmp_path / "registry", default_model().read_bytes(), "ours", "1", grammar="docgen-1")
    (tmp_path / "one").mkdir()
    other = bespoke_gguf(tmp_path / "one" / "other.gguf")
    docgen("model", "use", str(other))
    docgen("model", "use", "shop@2", "--canary", "10%")
    assert as_json("model", "rollback") == {
        "reference": "./one/other.gguf",
        "sha256": digest(other),
        "asked": str(other),
        "left": "shop@2",
    }
    assert candidate(tmp_path) is None
    assert (
        "the model in the package is used again; left: ./one/other.gguf" in docgen("model", "rollback").stdout
    )
    assert [one["ended"] for one in state(tmp_path)["canaries"]] == ["dropped"]


def test_a_second_candidate_replaces_the_first_and_says_so(project, tiny, tmp_path):
    other = bespoke_gguf(tmp_path / "other.gguf")
    docgen("model", "use", "shop@2", "--canary", "10%")
    first = candidate(tmp_path)
    assert (
        "shop@2 answers 10 % of the tables already"
        in docgen("model", "use", "shop", "--canary", "0.1").stdout
    )
    docgen("model", "use", "shop@2", "--canary", "20%")
    wider = candidate(tmp_path)
    assert (wider.salt, wider.began, wider.share) == (first.salt, first.began, 0.2)
    done = docgen("model", "use", str(other), "--canary", "20%").stdout
    assert "the candidate until now ends: shop@2, for 20 % of the tables (by Ann, " in done
    second = candidate(tmp_path)
    assert second.reference == "./other.gguf"
    assert second.salt != first.salt
    assert [one.get("ended") for one in state(tmp_path)["canaries"]] == ["replaced", "replaced", None]


def test_use_without_canary_beside_a_candidate(project, tiny, tmp_path):
    other = bespoke_gguf(tmp_path / "other.gguf")
    docgen("model", "use", "shop@2", "--canary", "10%")
    assert "the candidate goes on beside it: shop@2, for 10 %" in docgen("model", "use", str(other)).stderr
    assert candidate(tmp_path).reference == "shop@2"
    assert "it was the candidate, which is promoted so" in docgen("model", "use", "shop@2").stderr
    assert candidate(tmp_path) is None


def test_a_review_shows_what_the_tables_own_model_is_given(project, tiny, tmp_path):
    other = bespoke_gguf(tmp_path / "other.gguf")
    docgen("model", "use", str(other), "--canary", "50%")
    one = candidate(tmp_path)
    catalog = Catalog("shop", "fake", TABLES)

    def loaded(model):
        return canary.load(tmp_path, replace(project, threads=1, model=model))

    with closing(Models(loaded, project, owner=canary.owner(tmp_path, project))) as models:
        shown = {table.key: models.given(catalog, ColumnRef(table.key)).model for table in TABLES[:6]}
    assert {key for key, name in shown.items() if name == one.model} == {
        key for key in shown if one.draws(key)
    }
    assert len(set(shown.values())) == 2
    set_by_hand = canary.owner(tmp_path, replace(project, model="docgen-base@1"))
    assert {set_by_hand(table.key) for table in TABLES} == {""}


def test_a_model_named_by_hand_sets_the_candidate_aside(project, tiny, tmp_path, monkeypatch):
    docgen("model", "use", "shop@2", "--canary", "50%")
    done = docgen("suggest", "shop", "--model", "docgen-base@1", "--select", "t1")
    assert (
        "note: docgen-base@1 was named (--model or the setting `model`): the candidate shop@2 answers no"
        in done.stderr
    )
    assert "answered:" not in done.stdout
    assert candidate(tmp_path).model not in written(tmp_path)
    monkeypatch.setenv("DOCGEN_MODEL", "docgen-base@1")
    assert "answers no table in this run" in docgen("suggest", "shop").stderr
    assert "wins over this choice" in docgen("model", "use", "shop@2", "--canary", "20%").stderr


def test_mistakes_change_nothing(project, tiny, tmp_path):
    put(tmp_path / "registry", tiny, "old", grammar="docgen-0")
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(default_model().read_bytes()[:100_000])
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    stranger = bespoke_gguf(tmp_path / "stranger.gguf").read_bytes()
    (tmp_path / "stranger.gguf").write_bytes(stranger.replace(b"docgen-1", b"docgen-0"))
    for arguments, message in {
        ("docgen-base", "10%"): "docgen-base@1: is the model that the project uses already",
        (str(default_model()), "10%"): "is the model that the project uses already",
        ("old", "10%"): "old@1: made for the grammar docgen-0",
        ("stranger.gguf", "10%"): "stranger.gguf: made for the grammar docgen-0",
        ("cut.gguf", "10%"): "cut.gguf",
        ("notes.txt", "10%"): "not a GGUF file",
        ("nobody", "10%"): "nobody: no such model",
        ("gone.gguf", "10%"): "gone.gguf: no such model file",
        ("", "10%"): "no model is named",
        ("shop@2", "60%"): "--canary '60%': wants a share of the tables above 0 and at most 50 %",
        ("shop@2", ""): "--canary '': wants a share",
    }.items():
        assert message in error("model", "use", arguments[0], "--canary", arguments[1])
    assert not (tmp_path / ".docgen").exists()


@pytest.mark.parametrize("role", ["candidate", "standing"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_file_that_is_not_what_it_was_stops_the_run_before_anything_is_written(
    project, tiny, tmp_path, role, how
):
    files = {"standing": tmp_path / "first.gguf", "candidate": tmp_path / "second.gguf"}
    for number, path in enumerate(files.values()):
        bespoke_gguf(path, seed=number)
    docgen("model", "use", "first.gguf")
    docgen("model", "use", "second.gguf", "--canary", "50%")
    if how == "gone":
        files[role].unlink()
    else:
        files[role].write_bytes(files[role].read_bytes() + b"0")
    message = {"gone": "no such model file", "changed": "refused: its sha256 is"}[how]
    assert message in error("suggest", "shop")
    assert not (tmp_path / ".docgen" / "ledger.db").exists()
    results = {one["model"]: one["ok"] for one in as_json("model", "verify", code=1)}
    assert results["./second.gguf (candidate)"] is (role == "standing")
    docgen("metrics", "shop")  # what needs no model goes on
    if role == "candidate":
        assert message in error("model", "promote")
    docgen("model", "drop")


BROKEN = {
    "no list": 3,
    "no salt": [{"reference": "shop@2", "sha256": "", "share": 0.1, "began_at": "2026-01-01T00:00:00+00:00"}],
    "no share": [{"reference": "a", "sha256": "", "salt": "", "share": "10%", "began_at": "2026-01-01T00:00:00+00:00"}],
    "no time": [{"reference": "a", "sha256": "", "salt": "", "share": 0.1, "began_at": "soon"}],
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_record_that_cannot_be_read(project, tmp_path, name):
    path = tmp_path / ".docgen" / "model.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"format": 1, "choices": [], "canaries": BROKEN[name]}))
    content = path.read_bytes()
    for arguments in (("suggest", "shop"), ("model", "drop"), ("model", "promote"), ("model", "list")):
        assert "what it says of a candidate cannot be read: take `canaries` out of it" in error(*arguments)
    assert path.read_bytes() == content


def test_keys_of_a_later_docgen_stay_with_a_candidate(project, tiny, tmp_path):
    docgen("model", "use", "shop@2", "--canary", "10%")
    values = state(tmp_path)
    values["canaries"][0]["colour"] = "yellow"
    (tmp_path / ".docgen" / "model.json").write_text(json.dumps({**values, "note": "ours"}))
    docgen("model", "drop")
    assert (state(tmp_path)["note"], state(tmp_path)["canaries"][0]["colour"]) == ("ours", "yellow")


@pytest.mark.slow
def test_promote_tells_how_both_did(project, tiny, tmp_path):
    docgen("model", "use", "shop@2", "--canary", "50%")
    docgen("suggest", "shop")
    name = candidate(tmp_path).model
    standing = canary.standing_name(tmp_path, project)
    with Ledger(tmp_path / ".docgen" / "ledger.db") as ledger:
        rows = [row for row in ledger.rows("shop") if row.suggestion.origin in ("generated", "composed")]
        rows = [row for row in rows if row.suggestion.asked]
        number = Counter(row.suggestion.asked for row in rows)
        assert number.keys() == {name, standing}
        states = {name: "accepted", standing: "rejected"}
        ledger.decide("shop", [Decision(row, states[row.suggestion.asked]) for row in rows])
    trial = as_json("metrics", "shop")["trial"]
    assert (trial["name"], trial["standing_name"]) == (name, standing)
    assert (trial["candidate"]["count"], trial["candidate"]["of"]) == (number[name], number[name])
    assert trial["standing"]["of"] == number[standing]
    told = docgen("metrics", "shop").stdout
    assert f"candidate:  {name}: 100.0% of {number[name]} (" in told
    assert as_json("model", "promote")["trial"] == trial
    assert as_json("metrics", "shop")["trial"] is None


def test_a_candidate_whose_registry_is_gone_may_still_be_dropped(project, tiny, tmp_path):
    docgen("model", "use", "shop@2", "--canary", "10%")
    for folder in ("cache", "registry/shop"):
        shutil.rmtree(tmp_path / folder)
    assert "shop@2: chosen for this project, but neither the registry nor the cache has it" in error(
        "suggest", "shop"
    )
    assert as_json("model", "drop")["left"] == "shop@2"
