"""Calibration: fitted on decisions of known odds, kept in the ledger, used for the suggestions that follow."""

from __future__ import annotations

import math
import random
import sqlite3
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from docgen_training.calibrate import Judged, fit, fit_all, judged
from docgen_training.cli import cli as train
from docgen_training.cli_calibrate import COMMANDS

from docgen_plugin import pipeline
from docgen_plugin.calibration import Calibration, Curve, read_points
from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError, LedgerError
from docgen_plugin.model import Column, ColumnRef, Suggestion, Table
from docgen_plugin.store import Decision, Ledger
from tests.fakes import FakeGenerator, Shop, registered

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def curve(*points, model="fake@1", origin="generated"):
    return Curve(model, origin, points, 50, "platt", NOW)


@pytest.mark.parametrize(
    ("logprob", "share"),
    [
        (-9.0, 0.2),
        (-2.0, 0.2),
        (-1.5, 0.35),
        (-1.0, 0.5),
        (-0.25, 0.8),
        (0.0, 0.9),
        (1.0, 0.9),
        (-math.inf, 0.2),
    ],
)
def test_a_curve_is_read_on_straight_lines(logprob, share):
    assert curve((-2.0, 0.2), (-1.0, 0.5), (0.0, 0.9)).at(logprob) == pytest.approx(share)


def test_a_level_curve():
    assert {curve((0.0, 0.4)).at(x) for x in (-3.0, 0.0, 2.0)} == {0.4}


@pytest.mark.parametrize(
    "text", ["", "[]", "[[0]]", "[[0, 2]]", "[[-1, 0.5], [0, 0.4]]", "[[0, 0.5], [0, 0.6]]", '{"a": 1}']
)
def test_broken_points_are_refused(text):
    with pytest.raises(LedgerError, match="docgen-train calibrate"):
        read_points(text)


def odds(logprob):
    return 1 / (1 + math.exp(-(2 + 4 * logprob)))


def cases(number, model="fake@1", chance=odds):
    dice = random.Random(7)
    for index in range(number):
        logprob = -1.5 * dice.random()
        right = dice.random() < chance(logprob)
        yield Judged(model, "generated", logprob, math.exp(logprob), right, f"p{index}")


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_known_odds_are_found_again(method):
    (fitted,), few = fit_all(list(cases(2000)), method)
    assert not few
    for logprob in (-1.2, -0.8, -0.5, -0.2):
        assert fitted.curve.at(logprob) == pytest.approx(odds(logprob), abs=0.08)
    assert fitted.brier_after < fitted.brier_before
    assert sum(share.of for _, share in fitted.bands) > 800
    for mean, share in fitted.bands:
        low, high = share.interval
        assert low - 0.05 <= mean <= high + 0.05


@pytest.mark.parametrize("method", ["platt", "isotonic"])
@pytest.mark.parametrize("chance", [0.0, 1.0], ids=["never", "always"])
def test_no_share_is_certain(method, chance):
    found = fit(list(cases(40, chance=lambda _: chance)), method)
    assert all(0 < share < 1 for _, share in found.points)
    assert found.at(-0.5) == pytest.approx((40 * chance + 1) / 42, abs=0.03)


def test_a_logprob_that_misleads_tells_nothing():
    found = fit(list(cases(300, chance=lambda logprob: -logprob / 1.5)), "platt")
    assert len(found.points) == 1
    assert found.points[0][1] == pytest.approx(0.5, abs=0.1)


# ---- in the ledger ----


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "l.db") as opened:
        yield opened


def decided(ledger, number=60, batch=""):
    names = [f"{batch}c{index}" for index in range(number)]
    ledger.add(
        "shop",
        [
            Suggestion(ColumnRef("t", name), "Words.", model="fake@1", logprob=-0.02 * index, confidence=0.9)
            for index, name in enumerate(names)
        ],
    )
    for index, name in enumerate(names):
        row = ledger.row("shop", ColumnRef("t", name))
        state, text = (
            ("accepted", None)
            if index < number / 2
            else ("edited", "Other.")
            if index % 2
            else ("rejected", None)
        )
        ledger.decide("shop", [Decision(row, state, "ann", text)], batch)


def test_only_what_somebody_looked_at_counts_and_an_edit_is_wrong(ledger):
    decided(ledger, 10)
    decided(ledger, 4, batch="bulk")
    found = judged(ledger, ["shop"])
    assert len(found) == 10
    assert sum(one.right for one in found) == 5


def run(*arguments):
    return CliRunner().invoke(train, ["calibrate", "--ledger", "l.db", *arguments])


def test_what_is_fitted_counts_for_the_suggestions_that_follow(ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    decided(ledger)
    done = run("--plot", "r.png")
    assert done.exit_code == 0, done.output
    assert "fake@1, generated: 60 decisions" in done.output
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    (kept,) = ledger.curves()
    answer = {"sure_thing": -0.1, "long_guess": -1.1}
    generator = FakeGenerator(lambda request, column: (f"The {column} that was told", answer[column]))
    table = Table("t2", "t2", columns=tuple(Column(name, "int") for name in answer), description="Told.")
    with registered(Shop(table)):
        pipeline.suggest("shop", Config(dictionary="hint"), ledger, lambda: generator)
    shown = {name: ledger.row("shop", ColumnRef("t2", name)).suggestion.confidence for name in answer}
    assert shown == pytest.approx({name: kept.at(logprob) for name, logprob in answer.items()})
    assert shown["sure_thing"] > 0.6
    assert shown["long_guess"] < 0.4
    assert ledger.row("shop", ColumnRef("t", "c0")).suggestion.confidence == 0.9  # as it was shown


def test_the_latest_curve_counts_and_others_are_left(ledger):
    ledger.keep_curves([curve((0.0, 0.2)), curve((0.0, 0.3), model="other@1")])
    ledger.keep_curves([curve((0.0, 0.6))])
    calibrated = Calibration(ledger.curves())
    one = Suggestion(ColumnRef("t", "c"), "x", model="fake@1", confidence=0.9)
    assert calibrated(one).confidence == 0.6
    composed = Suggestion(ColumnRef("t", "c"), "x", model="fake@1", origin="composed", confidence=0.85)
    assert calibrated(composed) is composed
    table = Suggestion(ColumnRef("t"), "x", model="fake@1", confidence=0.9)
    assert calibrated(table) is table, "a table's text is another task than its columns'"


def test_dry_run_keeps_nothing_and_too_few_are_told(ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    decided(ledger)
    assert run("--dry-run").exit_code == 0
    assert ledger.curves() == []
    with Ledger(tmp_path / "few.db") as few:
        decided(few, 29)
    done = run("--ledger", "few.db")
    assert done.exit_code == 0
    assert "29 decisions one by one are too few" in done.stderr
    assert "no curve: 30 decisions" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--ledger", "none.db"], "no ledger at"),
        (["--ledger", "l.db", "--source", "moon"], "moon: the ledger has nothing of it; it has: shop"),
        (["--ledger", "l.db", "--plot", "no/folder/r.png"], "the plot cannot be written"),
    ],
)
def test_user_mistakes(ledger, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    decided(ledger)
    with pytest.raises(DocgenError, match=told):
        CliRunner().invoke(COMMANDS[0], arguments, catch_exceptions=False)
    assert ledger.curves() == []


def test_a_ledger_of_before_gets_the_table(tmp_path):
    with Ledger(tmp_path / "old.db") as ledger:
        decided(ledger, 2)
    with sqlite3.connect(tmp_path / "old.db") as old:
        old.execute("drop table docgen_calibration")
        old.execute("delete from docgen_version where version > 3")
    old.close()
    with Ledger(tmp_path / "old.db") as ledger:
        assert ledger.curves() == []
        ledger.keep_curves([curve((0.0, 0.2))])
        assert len(list(ledger.rows("shop"))) == 2
