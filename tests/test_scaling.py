"""The benchmark of growth runs, counts every place, and its numbers are what they say."""

from __future__ import annotations

import math
import re

import pytest

from tests.benchmarks import dbt_scale, lineage, scaling


@pytest.mark.slow
def test_the_benchmark_runs(capsys):
    assert scaling.main(["--sizes", "5,50", "--model-sizes", "2"]) == 0
    shown = capsys.readouterr().out
    rows = re.findall(r"^(stand-in|embedded) +(\d+) +(\d+) +([\d.]+)", shown, re.M)
    assert [(model, int(tables), int(places)) for model, tables, places, _ in rows] == [
        ("stand-in", 5, 45),
        ("stand-in", 50, 450),
        ("embedded", 2, 18),
    ]
    assert all(0 < float(seconds) < 60 for *_, seconds in rows)
    found = re.search(r"most memory beyond the model: (\d+) MB, the limit is 500 MB", shown)
    assert found
    assert 20 < int(found[1]) < 500


def test_slopes():
    assert scaling.slope((10, 2.0), (1000, 200.0)) == 1.0
    assert scaling.slope((10, 2.0), (1000, 20_000.0)) == 2.0
    assert math.isnan(scaling.slope((10, -0.1), (100, 1.0)))


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_the_databases_are_what_they_should_be(dialect, tmp_path):
    from docgen_sqlalchemy.plugin import read_catalog

    from docgen_plugin.config import Config

    catalog = read_catalog(scaling.make_database(dialect, tmp_path, 30), Config())
    assert catalog is not None
    assert [len(table.columns) for table in catalog.tables] == [8] * 30


@pytest.mark.slow
def test_lineage_grows_with_the_models_and_is_a_small_part_of_reading(capsys):
    assert lineage.main(["--sizes", "40,160", "--compared", "8"]) in (0, 1)  # small sizes: the slope is noise
    shown = capsys.readouterr().out
    rows = re.findall(r"^ +(\d+) +([\d,]+) +[\d.]+ +[\d.]+ +(\d+)%", shown, re.M)
    assert [(models, columns) for models, columns, _ in rows] == [("40", "460"), ("160", "1,840")]
    assert all(int(share) < 60 for *_, share in rows)
    found = re.search(r"sqlglot.lineage: (\d+) times as long", shown)
    assert found
    assert int(found[1]) > 2


@pytest.mark.slow
def test_dbt_reads_the_project_of_the_benchmark_and_so_do_we(tmp_path, capsys):
    dbt_scale.main(["--sizes", "20"])  # so few models that dbt's start is most of it: the ratio says nothing
    shown = capsys.readouterr().out
    row = re.search(r"^ +20 +(\d+)((?: +[\d.]+){7})$", shown, re.M)
    assert row
    assert int(row[1]) == 188 + 86  # of 10 + 6 + 4 models with 8, 12 and 14 columns, and of 10 sources with 8
    assert all(float(seconds) > 0 for seconds in row[2].split())
