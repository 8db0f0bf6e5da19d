"""The measures: what became of suggestions, counted by hand and by `docgen metrics`, in all its formats."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from docgen_plugin import cli_metrics, ledger_rows
from docgen_plugin.cli import cli
from docgen_plugin.config import Config
from docgen_plugin.measures import fates, measure
from docgen_plugin.measures_page import as_page
from docgen_plugin.measures_report import as_json, as_openmetrics
from docgen_plugin.model import ColumnRef, Suggestion
from docgen_plugin.proportions import Share, newcombe, wilson
from docgen_plugin.sources import read_catalog
from docgen_plugin.store import Decision, Ledger

SOURCE = "shop"
START = datetime(2026, 1, 5, 9, tzinfo=UTC)  # a Monday


class Clock(datetime):
    """A clock that the tests set."""

    at = START

    @classmethod
    def now(cls, tz=None):
        return cls.at


@pytest.fixture
def clock(monkeypatch):
    Clock.at = START
    monkeypatch.setattr(ledger_rows, "datetime", Clock)
    return Clock


@pytest.fixture
def ledger(tmp_path, clock):
    with Ledger(tmp_path / "l.db") as opened:
        yield opened


def add(ledger, *columns, source=SOURCE, table="t", text="Number of boxes.", **more):
    found = [Suggestion(ColumnRef(table, name), text, **{"model": "m@1", **more}) for name in columns]
    ledger.add(source, found)


def decide(ledger, column, state, text=None, why="", batch="", source=SOURCE, table="t"):
    row = ledger.row(source, ColumnRef(table, column))
    assert ledger.decide(source, [Decision(row, state, "ann", text, why)], batch)


def undo(ledger, column):
    assert ledger.undo(SOURCE, [ledger.row(SOURCE, ColumnRef("t", column))], "ann")


def measured(ledger, since=None, source=SOURCE):
    found = [fate for place, events in ledger.histories(source) for fate in fates(place, events)]
    return measure(found, Clock.at, since)


def story(ledger, clock):
    """Eight suggestions: 3 accepted (1 in bulk), 1 edited, 1 rejected, 1 taken back, 1 open, 1 unclear."""
    add(ledger, "a", "b", confidence=0.95, path="models/marts/core/_m.yml")
    add(ledger, "c", "d", "e", "f", "g", confidence=0.6, origin="composed")
    add(ledger, "h", origin="unclear", confidence=0.05)
    clock.at = START + timedelta(hours=1)
    decide(ledger, "a", "accepted")
    decide(ledger, "b", "edited", "Number of bottles.")
    decide(ledger, "c", "accepted", batch="b1")
    decide(ledger, "d", "rejected", why="wrong")
    decide(ledger, "e", "accepted")
    decide(ledger, "f", "accepted", batch="b2")
    clock.at = START + timedelta(days=2)
    undo(ledger, "f")
    decide(ledger, "a", "applied")


def test_shares_counted_by_hand(ledger, clock):
    story(ledger, clock)
    total = measured(ledger).total
    assert (total.suggested, total.unclear, total.open) == (8, 1, 2)
    assert total.individual == Share(3, 4)  # a, b, e of a, b, d, e
    assert total.bulk == Share(1, 1)
    assert total.unchanged == Share(2, 4)
    assert total.edits == 1
    assert total.edit_distance == pytest.approx(3 / 18)  # the x replaced, two letters put in
    assert total.rejections == (("wrong", 1),)
    assert total.seconds == (3600.0, 3600.0)
    assert total.reversals == Share(1, 6)
    assert total.confidence == pytest.approx((0.95 * 2 + 0.6 * 2) / 4)


def test_groups(ledger, clock):
    story(ledger, clock)
    groups = measured(ledger).groups
    assert {one.name: one.suggested for one in groups["origin"]} == {
        "generated": 2,
        "composed": 5,
        "unclear": 1,
    }
    assert {one.name: one.individual for one in groups["folder"]} == {
        "models/marts": Share(2, 2),
        "(none)": Share(1, 2),
    }
    assert {one.name: one.suggested for one in groups["confidence"]} == {
        "0.9-1.0": 2,
        "0.6-0.7": 5,
        "0.0-0.5": 1,
    }
    assert [one.name for one in groups["model"]] == ["m@1"]


@pytest.mark.parametrize(
    ("days", "reversed_in_time"), [(0, 1), (30, 1), (31, 0)], ids=["at once", "the last day", "too late"]
)
@pytest.mark.parametrize("how", ["undo", "reject", "someone writes over it"])
def test_a_reversal_counts_for_thirty_days(ledger, clock, days, reversed_in_time, how):
    add(ledger, "a")
    decide(ledger, "a", "accepted")
    clock.at = START + timedelta(days=days)
    if how == "undo":
        undo(ledger, "a")
    elif how == "reject":
        decide(ledger, "a", "rejected")
    else:
        decide(ledger, "a", "applied")
        decide(ledger, "a", "stale", why="the text was changed or removed there")
    assert measured(ledger).total.reversals.count == reversed_in_time


def test_what_is_no_reversal(ledger, clock):
    add(ledger, "a", "b")
    decide(ledger, "a", "edited", "One.")
    decide(ledger, "a", "edited", "Two.")
    ledger.file(SOURCE, [ledger.row(SOURCE, ColumnRef("t", "a"))], "x.yml")
    decide(ledger, "b", "accepted")
    decide(ledger, "b", "stale", why="the column changed")
    total = measured(ledger).total
    assert total.reversals == Share(0, 3)
    assert total.individual == Share(2, 2)  # a column that changed later was accepted all the same


def test_an_edit_that_is_the_text_again_is_unchanged(ledger):
    add(ledger, "a")
    decide(ledger, "a", "edited", "Other.")
    decide(ledger, "a", "edited", "Number of boxes.")
    assert measured(ledger).total.unchanged == Share(1, 1)


def test_a_suggestion_made_anew_is_counted_beside_the_first(ledger, clock):
    add(ledger, "a")
    decide(ledger, "a", "rejected")
    decide(ledger, "a", "stale", why="asked again")
    add(ledger, "a", text="Boxes sold.", model="m@2")
    decide(ledger, "a", "accepted")
    groups = {one.name: one.individual for one in measured(ledger).groups["model"]}
    assert groups == {"m@1": Share(0, 1), "m@2": Share(1, 1)}


def test_since_leaves_out_what_was_decided_before(ledger, clock):
    story(ledger, clock)
    clock.at = START + timedelta(days=9)
    decide(ledger, "g", "accepted")
    assert measured(ledger, START + timedelta(days=8)).total.individual == Share(1, 1)
    weeks = {one.name: one.individual.of for one in measured(ledger).weeks}
    assert weeks == {"2026-01-05": 4, "2026-01-12": 1}


def decided(ledger, prefix, accepted, rejected, **more):
    names = [f"{prefix}{number}" for number in range(accepted + rejected)]
    add(ledger, *names, **more)
    for number, name in enumerate(names):
        decide(ledger, name, "accepted" if number < accepted else "rejected")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [((36, 4), (20, 20), True), ((36, 4), (33, 7), False), ((20, 20), (36, 4), False), ((29, 0), (0, 40), False)],
    ids=["fell", "by chance", "rose", "too few"],
)  # fmt: skip
def test_a_drop_between_models_is_told(ledger, clock, old, new, told):
    decided(ledger, "a", *old)
    clock.at = START + timedelta(minutes=1)
    decided(ledger, "b", *new, model="m@2")
    found = measured(ledger)
    drops = found.drops
    (compared,) = found.versions
    verdict = "worse" if told else "better" if sum(old) >= 30 and old[0] < new[0] else "cannot tell yet"
    assert (compared.name, compared.verdict) == ("m@2", verdict)
    assert [(one.name, one.before_name) for one in drops] == ([("m@2", "m@1")] if told else [])


def test_a_drop_over_time_is_told(ledger, clock):
    decided(ledger, "a", 38, 2)
    clock.at = START + timedelta(days=40)
    decided(ledger, "b", 22, 18)
    (drop,) = measured(ledger).drops
    assert (drop.kind, drop.now, drop.before) == ("time", Share(22, 40), Share(38, 40))


def test_wilson_by_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    for count, of, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(count, of) == pytest.approx((low, high), abs=0.0001)


def test_newcombe_by_published_values():
    # Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10
    for one, other, low, high in (
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ):
        assert newcombe(Share(*one), Share(*other)) == pytest.approx((low, high), abs=0.0001)
    assert newcombe(Share(0, 0), Share(1, 2)) == (-1.0, 1.0)


OLD, NEW = ("m@1", "m@2")


def trial_of(ledger, since=START, names=(NEW, OLD)):
    found = [fate for row, events in ledger.histories(SOURCE) for fate in fates(row, events)]
    return measure(found, Clock.at, None, (names, since))


@pytest.mark.parametrize(
    ("old", "new", "verdict", "told"),
    [
        ((60, 60), (36, 4), "better", "the candidate is better, by more than chance"),
        ((110, 10), (20, 20), "worse", "the candidate is worse, by more than chance"),
        ((80, 40), (30, 10), "cannot tell yet", "a difference like this comes by chance"),
        (
            (0, 200),
            (29, 0),
            "cannot tell yet",
            "too few decisions, 29 and 200 one by one; 30 each are the least",
        ),
        ((0, 0), (40, 0), "cannot tell yet", "too few decisions, 40 and 0 one by one"),
    ],
)
def test_a_candidate_beside_the_standing_model(ledger, old, new, verdict, told):
    decided(ledger, "a", *old, asked=OLD)
    decided(ledger, "b", *new, model=NEW, asked=NEW)
    one = trial_of(ledger).trial
    assert (one.candidate, one.standing) == (Share(new[0], sum(new)), Share(old[0], sum(old)))
    assert one.verdict == verdict
    assert told in one.told
    low, high = one.interval
    assert one.difference is None or low <= one.difference <= high


def test_what_counts_beside_each_other(ledger, clock):
    decided(ledger, "before", 5, 0, model=NEW, asked=NEW)
    clock.at = START + timedelta(days=1)
    decided(ledger, "own", 3, 1, model=NEW, asked=NEW)
    decided(ledger, "stood", 2, 0, model="docgen-concepts", origin="composed", asked=NEW)
    decided(ledger, "alone", 7, 0, model="docgen-concepts", origin="composed")
    decided(ledger, "nothing", 2, 0, model=NEW, asked=NEW, origin="unclear")
    add(ledger, "bulk", "open", model=NEW, asked=NEW)
    decide(ledger, "bulk", "accepted", batch="b1")
    decided(ledger, "older", 4, 4)  # of a ledger that did not record who was asked
    one = trial_of(ledger, START + timedelta(hours=1)).trial
    assert (one.candidate, one.own, one.standing) == (Share(5, 6), (4, 8), Share(4, 8))
    assert one.tables == (1, 1)
    assert (one.name, one.standing_name) == (NEW, OLD)


def test_a_name_that_only_ends_as_in_the_ledger(ledger):
    decided(ledger, "a", 1, 1, model="docgen-base+team@0abc", asked="docgen-base+team@0abc")
    one = trial_of(ledger, names=("x@1", "team@0abc")).trial
    assert (one.name, one.standing_name, one.standing) == ("x@1", "docgen-base+team@0abc", Share(1, 2))


def test_a_candidate_in_every_format(ledger):
    decided(ledger, "a", 60, 60, asked=OLD)
    decided(ledger, "b", 36, 4, model=NEW, asked=NEW)
    found = trial_of(ledger)
    told = as_json(SOURCE, found)["trial"]
    assert told["difference"] == pytest.approx(0.4)
    assert (told["candidate"]["own"], told["verdict"]) == (40, "better")
    families = {one.name: one for one in text_string_to_metric_families(as_openmetrics(SOURCE, found))}
    samples = families["docgen_candidate_difference"].samples
    values = {one.labels["bound"]: one.value for one in samples}
    assert values == pytest.approx({"value": 0.4, "low": told["low"], "high": told["high"]}, abs=1e-5)
    page = as_page(SOURCE, found, "Made now.")
    told_range = f"+40 ({told['low'] * 100:+.0f} to {told['high'] * 100:+.0f})"
    assert f"Difference in points: {told_range}. The candidate is better, by more than chance." in page
    # neither is the one before the other: no drop is told of what answered in the same time
    assert (found.versions, found.drops) == ((), ())
    assert as_json(SOURCE, measured(ledger))["trial"] is None


def test_openmetrics_reads_as_such(ledger, clock):
    story(ledger, clock)
    decide(ledger, "d", "accepted")
    decide(ledger, "d", "rejected", why='says "all"\nof a \\ too much')
    text = as_openmetrics('a "shop"', measured(ledger))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert text.endswith("# EOF\n")
    (reason,) = (one for one in families["docgen_rejections"].samples if one.labels["by"] == "all")
    assert reason.labels["reason"] == 'says "all"\nof a \\ too much'
    assert reason.labels["source"] == 'a "shop"'
    ratio = {
        one.labels["bound"]: one.value
        for one in families["docgen_acceptance_ratio"].samples
        if one.labels["by"] == "all" and one.labels["kind"] == "individual"
    }
    assert ratio == pytest.approx(
        {"value": 0.75, **dict(zip(("low", "high"), wilson(3, 4), strict=True))}, abs=1e-5
    )


def test_page_shows_the_shares_and_escapes_names(ledger, clock):
    story(ledger, clock)
    decided(ledger, "x", 36, 4, model="<script>@1")
    clock.at = START + timedelta(days=3)
    decided(ledger, "y", 0, 40, model="<script>@2")
    page = as_page("<b>", measured(ledger), "Made now.")
    assert "<script" not in page
    assert "&lt;script&gt;@2" in page
    assert "Acceptance fell" in page
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http-equiv", "")


# ---- docgen metrics ----


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect(tmp_path / "shop.db") as made:
        made.execute("create table t (a text, b text)")
    made.close()
    url = f"sqlite:///{tmp_path}/shop.db"
    catalog = read_catalog(url, Config())
    where = {"source": catalog.source, "table": catalog.tables[0].key}
    with Ledger(tmp_path / "l.db") as ledger:
        add(ledger, "a", "b", **where)
        add(ledger, "a", source=catalog.source, table="gone")
        decide(ledger, "a", "accepted", **where)
    return url


def run(*arguments):
    return CliRunner().invoke(cli, ["metrics", *arguments, "--ledger", "l.db"])


def test_text(shop):
    done = run(shop)
    assert done.exit_code == 0, done.output
    assert "3 suggestions: 2 open" in done.output
    assert "accepted, one by one:   100.0% of 1 (20.7% to 100.0%)" in done.output


def test_json_equals_the_measures(shop):
    done = run(shop, "--json")
    found = json.loads(done.stdout)
    assert found["total"]["individual"] == {
        "count": 1,
        "of": 1,
        "share": 1.0,
        "low": pytest.approx(0.2065, abs=1e-4),
        "high": 1.0,
    }
    with Ledger("l.db") as ledger:
        listed = [
            fate for place, events in ledger.histories(found["source"]) for fate in fates(place, events)
        ]
    assert found == as_json(found["source"], measure(listed, datetime.now(UTC)))


def test_openmetrics_and_page_in_one_call(shop, tmp_path):
    done = run(shop, "--openmetrics", "--html", "m.html")
    assert done.exit_code == 0, done.output
    assert list(text_string_to_metric_families(done.stdout))
    assert (tmp_path / "m.html").read_text("utf-8").startswith("<!doctype html>")


def test_no_ledger_and_no_decision_are_said(shop, tmp_path):
    (tmp_path / "l.db").unlink()
    done = run(shop)
    assert (done.exit_code, done.stdout) == (0, "no suggestion yet: docgen suggest makes them\n")
    assert not (tmp_path / "l.db").exists()
    with Ledger(tmp_path / "l.db") as ledger:
        add(ledger, "a", source=read_catalog(shop, Config()).source)
    done = run(shop)
    assert done.exit_code == 0
    assert "no decision yet" in done.stdout


@pytest.mark.parametrize("when", ["soon", "30", "-3d", "99999w", "2026-13-01", ""])
def test_since_nonsense_is_refused(shop, when):
    done = run(shop, "--since", when)
    assert done.exit_code == 2
    assert "2026-01-31" in done.stderr


@pytest.mark.parametrize("when", ["30d", "2w", "6m", "1y", "2026-01-31", "2026-01-31T10:00+02:00"])
def test_since_takes(shop, when):
    assert run(shop, "--since", when).exit_code == 0
    moment = cli_metrics._moment(when)
    assert moment is not None
    assert moment.tzinfo is not None


def test_user_mistakes(shop, tmp_path):
    done = run(shop, "--html", "no/such/folder/m.html")
    assert done.exit_code == 1
    assert "no/such/folder/m.html: the page cannot be written" in done.stderr
    assert run("nowhere").exit_code == 1
    assert "dbt_project.yml" in run("nowhere").stderr
    assert run(shop, "--json", "--openmetrics").exit_code == 2
    assert run(shop, "--by", "moon").exit_code == 2


def test_include_narrows(shop):
    assert json.loads(run(shop, "--json", "--include", "t").stdout)["total"]["suggested"] == 2
    assert run(shop, "--include", "nothing_*").exit_code == 1
