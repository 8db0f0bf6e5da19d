"""The rating sheet: what is drawn, what raters see, what is made of their verdicts."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner
from docgen_training.cli import cli as train
from docgen_training.ratings import Rating, draw_rows, judged_rows, rating_report, read_ratings, write_sheet
from docgen_training.records import write_records
from docgen_training.synthesize import synthesize

from docgen_plugin.calibration import Calibration, shipped_curves
from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, ColumnRef, Suggestion, Table

COLUMNS = tuple(Column(f"c{number}", "text", f"What {number} is.") for number in range(100))
TABLES = (
    Table("shop/orders", "orders", description="All orders.", columns=COLUMNS),
    Table("shop/bare", "bare", columns=(Column("x"),)),
)


def served():
    """100 columns: ninety composed and sure, ten generated of any confidence, one of them unclear."""
    for number, column in enumerate(COLUMNS):
        origin = "composed" if number < 90 else "unclear" if number == 99 else "generated"
        yield Suggestion(
            ColumnRef("shop/orders", column.name),
            f"Text {number}.",
            origin=origin,
            model="m@1",
            logprob=-number / 100,
            confidence=0.85 if number < 90 else 0.5,
            position=number + 1,
        )
    yield Suggestion(ColumnRef("shop/orders", ""), "One row per order.", origin="composed", confidence=0.85)
    yield Suggestion(ColumnRef("shop/bare", "x"), "The x.", origin="composed", confidence=0.85)


def test_rows_are_drawn_evenly_over_origins_and_confidences():
    rows = draw_rows(TABLES, served(), 21, seed=1)
    assert Counter((row.origin, bool(row.column)) for row in rows) == {
        ("composed", True): 11,
        ("generated", True): 9,  # all there are
        ("composed", False): 1,
    }
    assert [row.row for row in rows] == list(range(1, 22))
    assert rows[0].column == ""  # the table's own text stands before its columns
    assert "bare" not in {row.table for row in rows}, "its owner left it without a text"
    assert {round(row.weight, 2) for row in rows if row.origin == "composed" and row.column} == {8.18}
    assert draw_rows(TABLES, served(), 21, seed=1) == rows
    assert draw_rows(TABLES, served(), 21, seed=2) != rows


def test_raters_see_the_owners_text_and_no_origin(tmp_path):
    rows = draw_rows(TABLES, served(), 21, seed=1)
    write_sheet(tmp_path / "sheet", tmp_path / "key.json", TABLES, rows)
    with (tmp_path / "sheet" / "ratings.csv").open() as file:
        shown = list(csv.DictReader(file))
    assert shown[0] == {
        "row": "1",
        "table": "orders",
        "column": "",
        "type": "",
        "owner": "All orders.",
        "text": "One row per order.",
        "verdict": "",
        "reason": "",
    }
    told = "".join(path.read_text() for path in (tmp_path / "sheet").iterdir())
    assert not [word for word in ("composed", "generated", "m@1", "0.85") if word in told]
    with pytest.raises(DocgenError, match="raters' folder"):
        write_sheet(tmp_path / "sheet", tmp_path / "sheet" / "key.json", TABLES, rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("row,verdict\n99,accept\n", r"alder\.csv:2: the sheet has no row '99'"),
        ("row,verdict\nx,accept\n", r"alder\.csv:2: the sheet has no row 'x'"),
        ("row,verdict\n1,good\n", r"alder\.csv:2: 'good' is no verdict: write accept, edit, reject"),
        ("row,verdict\n1,accept\n1,edit\n", r"alder\.csv:3: row 1 has a verdict already"),
        ("row,verdict\n1,\n", "holds no verdict"),
        ("row,vote\n1,A\n", "wants the columns row and verdict"),
        ("", "wants the columns row and verdict"),
    ],
)
def test_a_sheet_that_is_filled_wrongly_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "alder.csv"
    path.write_text(text)
    with pytest.raises(DocgenError, match=message) as caught:
        read_ratings(path, draw_rows(TABLES, served(), 21, seed=1))
    assert "\n" not in str(caught.value)


def test_right_is_what_more_than_half_accept():
    rows = draw_rows(TABLES, served(), 21, seed=1)
    said = [
        Rating(rater, row, verdict)
        for row, verdicts in ((1, "aae"), (2, "aer"), (3, "ae"), (4, "a"))
        for rater, letter in zip(("alder", "birch", "cedar"), verdicts, strict=False)
        for verdict in ("accept", "edit", "reject")
        if verdict[0] == letter
    ]
    assert [(row.row, one.right) for row, one in judged_rows(rows, said)] == [
        (1, True),
        (2, False),
        (3, False),
        (4, True),
    ]
    report = rating_report(rows, said)
    assert report["groups"]["all"]["rows"] == 4
    assert report["groups"]["all"]["accepted"] == 0.5
    assert report["groups"]["composed, tables"]["accepted"] == 1.0
    assert report["raters"]["birch"] == {"accept": 1, "edit": 2, "reject": 0}
    with pytest.raises(DocgenError, match="alder: two sheets of this name rate row 1"):
        judged_rows(rows, [*said, said[0]])


@pytest.mark.slow
def test_from_served_texts_to_curves(tmp_path):
    """The whole way on the embedded model: a sheet, two raters who dislike what the model was unsure of, curves."""
    data = tmp_path / "data.jsonl"
    write_records(data, synthesize(40, seed=5))
    key, sheet, out = tmp_path / "key.json", tmp_path / "sheet", tmp_path / "report"
    made = CliRunner().invoke(
        train,
        ["rate", "make", "--data", str(data), "--rows", "160", "--key", str(key), "--out", str(sheet)],
        catch_exceptions=False,
    )
    assert made.exit_code == 0, made.output
    rows = json.loads(key.read_text())
    assert {
        row["weighed_by"].split("@")[0] for row in rows if row["model"] == "docgen-frames" and row["column"]
    } == {"docgen-base"}
    again, other = tmp_path / "again", tmp_path / "again.json"
    more = [
        "rate",
        "make",
        "--data",
        str(data),
        "--without",
        str(key),
        "--key",
        str(other),
        "--out",
        str(again),
    ]
    assert CliRunner().invoke(train, more, catch_exceptions=False).exit_code == 0
    seen, fresh = (
        {row["table"].split("#")[0] for row in told} for told in (rows, json.loads(other.read_text()))
    )
    assert not seen & fresh
    for rater in ("alder", "birch"):
        lines = [f"{row['row']},{'accept' if row['confidence'] > 0.4 else 'edit'}" for row in rows]
        (tmp_path / f"{rater}.csv").write_text("\n".join(["row,verdict", *lines]))
    curves = tmp_path / "curves.json"
    counted = CliRunner().invoke(
        train,
        [
            *("rate", "count", str(key), str(tmp_path / "alder.csv"), str(tmp_path / "birch.csv")),
            *("--curves", str(curves), "--out", str(out)),
        ],
        catch_exceptions=False,
    )
    assert counted.exit_code == 0, counted.output
    report = json.loads((out / "ratings.json").read_text())
    assert report["fleiss_kappa"]["accept or not"] == 1.0
    assert (out / "reliability.png").stat().st_size > 1000
    found = json.loads(curves.read_text())["curves"]
    assert "composed" in {one["origin"] for one in found}


def test_the_package_ships_curves_for_what_it_serves():
    """Of the embedded model exactly: another model's log-probabilities are worth something else."""
    from docgen_plugin.config import Config
    from docgen_plugin.generate import load

    generator = load("", Config())
    name = generator.name
    generator.close()
    curves = {(one.model, one.origin): one for one in shipped_curves()}
    near, plain = f"docgen-concepts, {name}", f"docgen-frames, {name}"
    assert {
        (name, "generated"),
        ("docgen-concepts", "composed"),
        (near, "composed"),
        (plain, "composed"),
    } <= set(curves)
    assert {model for model, _ in curves} <= {name, near, plain, "docgen-concepts", "docgen-frames"}
    weighed = Suggestion(ColumnRef("t", "c"), "x", origin="composed", model="docgen-frames", weighed_by=name)
    calibrated = Calibration(shipped_curves())
    unlikely, likely = (calibrated(replace(weighed, logprob=logprob)).confidence for logprob in (-4.0, -0.1))
    assert 0.0 < unlikely < 0.3 < likely < 1.0
