"""The judgement of a model end to end: the embedded model on tables of the teacher that it was not trained on."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from docgen_training.records import read_records, write_records

from docgen_plugin.llama import default_model

ROOT = Path(__file__).parents[1]
HELDOUT = ROOT / "training" / "teacher" / "heldout.jsonl.xz"

pytestmark = pytest.mark.slow


def _train(*arguments):
    command = [str(Path(sys.executable).with_name("docgen-train")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The evaluation of the embedded model on eight tables, as the command writes it."""
    folder = tmp_path_factory.mktemp("evaluation")
    write_records(folder / "few.jsonl", islice(read_records(HELDOUT), 12))
    write_records(folder / "known.jsonl", islice(read_records(HELDOUT), 40, 80))
    few, known = folder / "few.jsonl", folder / "known.jsonl"
    ran = _train(
        "evaluate",
        default_model(),
        "--data",
        few,
        "--known",
        known,
        "--tables",
        8,
        "--threads",
        1,
        "--out",
        folder / "out",
    )
    assert ran.returncode == 0, ran.stderr
    return folder


def test_scores_of_every_system(folder):
    scores = json.loads((folder / "out" / "scores.json").read_text())
    systems = scores["systems"]
    assert list(systems) == [
        "template", "dictionary", "nearest neighbour", "model without hints", "model with hints", "docgen suggest", "human",
    ]  # fmt: skip
    assert scores["tables"] == 8
    assert systems["human"]["chrf"] == 100.0
    assert systems["human"]["back_identification"] == 1.0
    assert systems["template"]["name_echo"] > systems["docgen suggest"]["name_echo"]
    assert (
        systems["docgen suggest"]["back_identification"] > systems["nearest neighbour"]["back_identification"]
    )
    assert systems["docgen suggest"]["valid"] > 0.9
    assert 0 < scores["loss"]["human texts behind <desc>"] < 8
    assert sum(scores["origins"].values()) == systems["human"]["columns"]
    assert len(scores["outputs"]) == min(40, systems["human"]["columns"])


def test_planted_columns_are_found(folder):
    abstention = json.loads((folder / "out" / "scores.json").read_text())["abstention"]
    assert abstention["planted"] >= 16
    assert abstention["recall"] >= 0.8
    assert abstention["precision"] >= 0.8


def test_the_page_stands_alone(folder):
    page = (folder / "out" / "report.html").read_text()
    assert "docgen suggest" in page
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("https://", "http://").replace("http://www.w3.org", "")
    assert (folder / "out" / "report.png").read_bytes().startswith(b"\x89PNG")


def test_the_card_is_written_from_the_files_of_the_run(folder, tmp_path):
    (tmp_path / "plan.json").write_text(
        json.dumps(
            {
                "layers": 6,
                "hidden": 256,
                "minutes": 1.0,
                "threads": 1,
                "learning_rate": 0.01,
                "embedding_rate": 0.002,
                "rows": 16,
                "seed": 1,
            }
        )
    )
    (tmp_path / "losses.json").write_text(json.dumps({"tokens": 2_000_000, "losses": [[1_000_000, 2.5]]}))
    card = tmp_path / "card.md"
    ran = _train("card", tmp_path, default_model(), "--scores", folder / "out" / "scores.json", "--out", card)
    assert ran.returncode == 0, ran.stderr
    text = card.read_text()
    assert "2.0 million tokens" in text
    assert "| docgen suggest |" in text
    assert "Planted opaque columns (" in text
    assert text.count("\n| `") == len(json.loads((folder / "out" / "scores.json").read_text())["outputs"])


def test_a_card_without_its_files_is_refused(tmp_path):
    (tmp_path / "scores.json").write_text("{}")
    ran = _train(
        "card", tmp_path, default_model(), "--scores", tmp_path / "scores.json", "--out", tmp_path / "card.md"
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "wants plan.json" in ran.stderr
