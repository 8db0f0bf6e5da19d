"""The engine's benchmark runs, and the memory it measures stays within its bound."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks import engine


@pytest.mark.slow
def test_the_engine_benchmark(tiny_bespoke_gguf, capsys):
    engine.main(
        [
            "--model",
            str(tiny_bespoke_gguf),
            "--rounds",
            "1",
            "--columns",
            "16",
            "--tables",
            "5",
            "100",
            "--json",
        ]
    )
    found = json.loads(capsys.readouterr().out)
    assert [one["columns"] for one in found["speed"]] == [4, 16, 64]
    assert all(one["engine"] > 0 and one["calls"] > 0 for one in found["speed"])
    few, many = found["memory"]
    assert (few["tables"], many["tables"]) == (5, 100)
    assert many["peak_mb"] < 500
    assert many["peak_mb"] - few["peak_mb"] < 30  # nothing piles up with the tables
    assert found["company"] == {
        "asked": 16,
        "changed": 0,
        "changed_without_margin": found["company"]["changed_without_margin"],
    }
