"""The report of a run: what went in, what fell, how the new model stands against the one before, where it is, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_plugin.console import count, visible
from docgen_plugin.files import replace_file
from docgen_training.run_config import RunConfig
from docgen_training.run_judge import MEASURES
from docgen_training.run_state import Kept, State

if TYPE_CHECKING:
    from docgen_training.run import Outcome

__all__ = ["outcome_text", "report_lines", "write_run_report"]

_OUTPUTS_SHOWN = 12
_SCORED = (
    *((one.key, one.name, one.better) for one in MEASURES),
    ("unclear", "unclear", 0),
    ("words", "words", 0),
)
_ARROWS = {1: "higher is better", -1: "lower is better", 0: ""}


def write_run_report(config: RunConfig, state: State, outcomes: Sequence[Outcome]) -> Path:
    """Write report.md into the run's folder; return its path.

    Raises:
        OSError: when it cannot be written.
    """
    path = Path(config.folder, "report.md")
    replace_file(path, ("\n".join(report_lines(config, state, outcomes)) + "\n").encode())
    return path


def report_lines(config: RunConfig, state: State, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the lines of the report; a part whose stage is not done yet is left out."""
    facts = {name: kept.facts for name, kept in state.stages.items()}
    yield from (f"# {config.name}", "")
    yield from _verdict(facts, outcomes)
    yield from ("", "## Stages", "", "| stage | state | seconds | what came out |", "|---|---|--:|---|")
    for one in outcomes:
        kept = state.stages.get(one.stage)
        seconds = f"{kept.seconds:g}" if kept else ""
        yield f"| {one.stage} | {outcome_text(one)} | {seconds} | {_told(one.stage, kept)} |"
    if "harvest" in facts:
        yield from _sources(facts)
    if "evaluate" in facts:
        yield from _scores(facts["evaluate"])
        yield from _outputs(Path(config.folder, "evaluate", "scores.json"))
    if "study" in facts:
        yield from _study(config, facts["study"])


def _verdict(facts: Mapping[str, Mapping[str, Any]], outcomes: Sequence[Outcome]) -> Iterator[str]:
    failed = next((one for one in outcomes if one.state == "failed"), None)
    published = facts.get("publish", {})
    if failed:
        yield f"**Failed in {failed.stage}:** {visible(failed.why)}"
        yield ""
        yield "Nothing was registered by this run; the same command goes on from here."
    elif published.get("reference"):
        yield f"Registered as `{published['reference']}` in `{published['registry']}`. To use it, in a project's folder:"
        yield from ("", "```console", f"$ {published['use']}", "```")
    else:
        yield "Nothing was registered: the file names no registry, or the stage `publish` was left out."


def outcome_text(outcome: Outcome) -> str:
    """Return the state of a stage as the run's table shows it."""
    match outcome.state:
        case "done":
            return f"done in {outcome.seconds:.0f} s" if outcome.seconds >= 1 else "done"
        case "skipped" | "to do":
            return f"{outcome.state}: {visible(outcome.why)}"
    return outcome.state


def _told(stage: str, kept: Kept | None) -> str:
    """Return the few words in which a stage's facts are told."""
    if kept is None:
        return ""
    facts = kept.facts
    match stage:
        case "harvest":
            return f"{count(facts['tables'], 'table')}, {count(facts['columns'], 'described column')}"
        case "clean":
            return f"{facts['columns']:,} of {count(facts['columns_before'], 'text')} kept"
        case "split":
            parts = (
                f"{facts[part]['tables']} {part.replace('_', ' ')}" for part in ("train", "valid", "held_out")
            )
            return f"{', '.join(parts)}, {facts['groups']} groups of like tables"
        case "finetune":
            return _learnt(facts)
        case "export":
            return f"{facts['bytes'] / 1e6:.1f} MB, {facts['quantisation']}, SHA-256 `{facts['sha256'][:12]}`"
        case "evaluate":
            return f"{count(facts['tables'], 'table')}, {count(facts['columns'], 'column')}"
        case "study":
            return f"{count(facts['rows'], 'row')} to judge, {facts['same']} the same"
        case "publish":
            return str(facts.get("reference", ""))
    return ""


def _learnt(facts: Mapping[str, Any]) -> str:
    """Return how far the training came, by what its run.json tells."""
    parts = (
        [f"{facts['tokens'] / 1e6:.2f}M tokens in {count(facts['steps'], 'step')}"]
        if "tokens" in facts
        else []
    )
    losses = facts.get("losses")
    if isinstance(losses, Mapping) and losses.get("valid"):
        before = f"{losses['valid_before']:.2f}, then " if losses.get("valid_before") else ""
        parts.append(f"loss on the valid tables {before}{losses['valid']:.2f} nats a token")
    return "; ".join(parts)


def _sources(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from ("", "## Data", "", "| source | licence | tables | described columns |", "|---|---|--:|--:|")
    for one in facts["harvest"]["sources"]:
        yield f"| {_cell(one['source'])} | {_cell(one['license'])} | {one['tables']:,} | {one['columns']:,} |"
    fallen = facts.get("clean", {}).get("fallen")
    if fallen:
        yield from ("", "| texts not learnt from | |", "|---|--:|")
        yield from (f"| {rule} | {number:,} |" for rule, number in fallen.items())


def _scores(facts: Mapping[str, Any]) -> Iterator[str]:
    yield from ("", "## Scores", "")
    yield (
        f"On {count(facts['tables'], 'table')} with {count(facts['columns'], 'described column')} that neither model learnt "
        "from, against your own texts, as `docgen suggest` serves them (dictionary and checks included)."
    )
    yield from ("", "| measure | before | after | |", "|---|--:|--:|---|")
    for key, name, better in _SCORED:
        before, after = facts["before"][key], facts["after"][key]
        yield f"| {name} | {before:g} | {after:g} | {_ARROWS[better]} |"


def _outputs(path: Path) -> Iterator[str]:
    """Yield a few random texts of both models beside the human one."""
    found = json.loads(path.read_text("utf-8"))
    before = {(one["table"], one["column"]): one for one in found["before"]["outputs"]}
    shown = found["after"]["outputs"][:_OUTPUTS_SHOWN]
    yield from ("", f"## {len(shown)} random outputs, good and bad", "")
    yield from ("| column | your text | before | after |", "|---|---|---|---|")
    for one in shown:
        place = one["table"], one["column"]
        cells = (one["human"], before[place]["suggested"], one["suggested"])
        yield f"| `{_cell('.'.join(place))}` | {' | '.join(map(_cell, cells))} |"


def _study(config: RunConfig, facts: Mapping[str, Any]) -> Iterator[str]:
    folder = Path(config.folder, "study")
    yield from ("", "## Study", "")
    yield (
        f"Give `{folder / 'sheet'}` to the raters ({count(facts['rows'], 'row')} of {count(facts['tables'], 'table')}; "
        f"on {facts['same']} more both say the same), keep the key, and count their votes:"
    )
    yield from ("", "```console")
    yield f"$ docgen-train study count {folder / 'key.json'} VOTES.csv... --out {folder.with_name('votes')}"
    yield "```"


def _cell(text: str) -> str:
    return visible(text).replace("|", "/")
