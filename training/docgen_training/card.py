"""The model card: what a model is made of, how, and how well it does, from the files of its run.

docgen-train card training/runs/base docgen-base.gguf --scores scores.json --out docgen-base.md
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_training.votes import report_lines

__all__ = ["score_table", "write_card"]

_DATA = """\
- The teacher's tables (`training/teacher`, 3,794 of them with 38,196 described columns; Apache-2.0): written for this
  project by a strong language model, seed by seed, see `training/teacher/README.md`. They set the voice.
- Tables composed by `docgen-train synthesize` from this project's own dictionary of column concepts, entities and
  abbreviations (`docgen_plugin/lexicon`, written for the project; Apache-2.0).
- Human descriptions from public repositories under permissive licences (Apache-2.0, MIT, BSD, MPL-2.0, CC0-1.0,
  CC-BY-4.0 as each repository states), cleaned by `docgen-train clean`: 55,815 tables of warehouses, databases and APIs,
  answered behind a mark of their own (`<raw>`) that is never asked for in use; and of those the 12,632 texts of
  warehouses that break no rule of the house, answered as its own. No text of them is in the package.
- No customer data, no pretrained weights."""

_LIMITS = """\
- It is small: it expands and combines names well and knows little of the world. Texts for rare domain terms can be
  wrong while they read well; review before you accept.
- English only. Names in other scripts are passed through.
- The confidence is a monotone map of the mean log-probability, not calibrated on decisions.
- Descriptions of tables list telling columns; they do not know why the table exists."""

_MEASURES = {
    "chrf": "chrF",
    "back_identification": "back-identification",
    "name_echo": "name echo",
    "claims_per_100": "claims per 100",
    "unclear": "unclear",
    "valid": "valid",
    "words": "words",
    "columns_per_second": "columns/s",
}


def write_card(
    checkpoint: Path, model: Path, scores: Path, out: Path, note: str = "", study: Path | None = None
) -> None:
    """Write the card of a model as Markdown; `note` tells what the run's files do not, `study` holds counted votes.

    Raises:
        DocgenError: when a file of the run is missing or not what it should be.
    """
    try:
        plan = json.loads((checkpoint / "plan.json").read_text("utf-8"))
        losses = json.loads((checkpoint / "losses.json").read_text("utf-8"))
        found = json.loads(scores.read_text("utf-8"))
        votes = json.loads(study.read_text("utf-8")) if study else None
        data = model.read_bytes()
    except (OSError, ValueError) as err:
        raise DocgenError(f"the card wants plan.json, losses.json, the scores and the model: {err}") from err
    lines = [
        f"# {model.stem}",
        "",
        f"A Llama of {plan['layers']} layers, {plan['hidden']} wide, vocabulary 8,192, trained from scratch; "
        f"{len(data) / 1e6:.1f} MB, SHA-256 `{hashlib.sha256(data).hexdigest()}`.",
        "Licence of the weights: Apache-2.0.",
        "",
        "## Data",
        "",
        _DATA,
        "",
        "## Training",
        "",
        f"The last run: {losses['tokens'] / 1e6:.1f} million tokens in {plan['minutes']:g} minutes on "
        f"{plan['threads']} CPU thread(s), bf16, Muon ({plan['learning_rate']:g}) and AdamW ({plan['embedding_rate']:g}), "
        f"{plan['rows']} rows of 512 tokens a step, seed {plan['seed']}; last mean loss "
        f"{losses['losses'][-1][1]:.3f} nats a token of the mixture.",
        *([note] if note else []),
        "",
        "## Scores",
        "",
        f"On {found['tables']} tables ({_columns(found):,} described columns) of repositories that it was not trained on, "
        "against their human texts; the human texts are in their own voice, so compare the rows, not the numbers with 100.",
        "",
        *score_table(found["systems"]),
        "",
        "chrF: 0 to 100, higher is better, rewards repeating the name. back-identification: share of texts that are closest "
        "to their own column's human text among its siblings'. name echo: share that says nothing beyond the name. claims: "
        "texts with a unit, number, table, uniqueness or kind of content that the schema does not give. "
        '`template` is "The <name> of the <table>."; `dictionary` is what the concept dictionary composes, else the template.',
        "",
        *_tests(found),
        "",
        *(["## Blind study", "", *report_lines(votes)[2:]] if votes else []),
        "## Limits",
        "",
        _LIMITS,
        "",
        f"## {len(found['outputs'])} random outputs, good and bad",
        "",
        "| table.column | type | suggested | origin | the model alone, without a hint |",
        "|---|---|---|---|---|",
        *(
            f"| `{one['table']}.{one['column']}` | {one['type']} | {_cell(one['suggested'])} "
            f"| {one['origin']} | {_cell(one['without_hint'])} |"
            for one in found["outputs"]
        ),
        "",
    ]
    out.write_text("\n".join(lines), encoding="utf-8")


def _columns(found: Mapping[str, Any]) -> int:
    return int(next(iter(found["systems"].values()))["columns"])


def _cell(text: str) -> str:
    return text.replace("|", "/")


def _tests(found: Mapping[str, Any]) -> list[str]:
    """Return the tests that are no scores of texts: abstention, abbreviations, loss, loading."""
    abstention, expansion = found["abstention"], found["expansion"]
    lines = [
        f"- Planted opaque columns ({abstention['planted']} among {abstention['columns']}): 'unclear' finds "
        f"{abstention['recall']:.1%} of them; {abstention['precision']:.1%} of all answers 'unclear' are planted ones.",
        f"- 300 abbreviated names, kept out of the training data: {expansion['docgen suggest']:.1%} are written out in the text "
        f"that is served, {expansion['model without hints']:.1%} by the model without hints. A paraphrase counts as wrong. Not a clean test: a few dozen of the items were read while "
        "the reading of shortenings was built, and about a dozen served as examples for its list.",
        "- The claims are counted by rules that the product partly applies itself before it suggests a text: an invented "
        "meaning in plain words is not counted. The planted names are mostly variants of usual ones (x7, attr_03).",
        f"- Loads in {found['load_s']:g} s.",
    ]
    for name, loss in found.get("loss", {}).items():
        lines.append(f"- Loss on {name}: {loss:.3f} nats a token.")
    return lines


def score_table(systems: Mapping[str, Mapping[str, float]]) -> Sequence[str]:
    """Return the lines of a Markdown table, a row a system, a column a measure."""
    lines = ["| system | " + " | ".join(_MEASURES.values()) + " |", "|---|" + "---|" * len(_MEASURES)]
    for name, scores in systems.items():
        cells = [
            f"{scores[key]:g}" if scores[key] or key != "columns_per_second" else "" for key in _MEASURES
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines
