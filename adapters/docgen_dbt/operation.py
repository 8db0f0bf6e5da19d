"""The operations inside dbt: what the macros document_models, docgen_apply, docgen_status and docgen_report call.

    dbt run-operation document_models --args '{select: "orders+", write: true}'

Columns are read through dbt's adapter, and texts made with no connection held; see `arguments` for what may be given.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from docgen_dbt.arguments import Arguments, read_arguments
from docgen_dbt.chosen import Chosen, read_chosen
from docgen_dbt.inside import Inside, enter, told
from docgen_dbt.told import progress, tell_states, tell_suggested, tell_table, tell_texts
from docgen_dbt.writing import tell_written, with_texts, write
from docgen_plugin import canary, model_choice, pipeline, targets
from docgen_plugin.cli_ledger import counted, reviewer
from docgen_plugin.cli_options import Session
from docgen_plugin.config import Config
from docgen_plugin.console import count, visible
from docgen_plugin.coverage import measure
from docgen_plugin.errors import ConfigError, LedgerError
from docgen_plugin.generate import Generator
from docgen_plugin.interrupts import remembered
from docgen_plugin.selection import chosen_tables
from docgen_plugin.store import Decision, Ledger, Row

__all__ = ["apply", "document_models", "report", "status"]

_CHOICE = ["select", "exclude", "selector"]
_WHY = "dbt run-operation"
_BATCH_SHOWN = 8  # as `docgen accept` shows it
_BUILT = ("model.", "seed.", "snapshot.")


def document_models(context: Any, **given: Any) -> None:
    """Suggest a text for every undocumented place of the chosen nodes; with `write`, accept and write them."""
    known = [*_CHOICE, "write", "accept", "min_confidence", "again", "model", "to", "dry_run"]
    with told(), remembered():
        arguments = read_arguments("document_models", known, given)
        if arguments.accept and arguments.dry_run:
            raise ConfigError("document_models: accept and dry_run exclude each other")
        inside = enter(context, arguments.model)
        candidate = canary.candidate(
            inside.project.root, inside.config, lambda line: inside.log(visible(line))
        )
        with Ledger(inside.ledger) as ledger:
            chosen = read_chosen(inside, arguments, ask=True)
            began = {row.suggestion.ref: row.version for row in _open(chosen, ledger)}
            report = pipeline.suggest(
                str(inside.project.root),
                chosen.config,
                ledger,
                lambda: _loaded(inside, chosen.config),
                progress=progress(inside.log),
                catalog=chosen.catalog,
                again=arguments.again,
                chosen=model_choice.is_chosen(inside.project.root, chosen.config),
                candidate=candidate,
            )
            tell_suggested(inside.log, report)
            if report.interrupted:
                raise KeyboardInterrupt
            fresh = [row for row in _open(chosen, ledger) if began.get(row.suggestion.ref) != row.version]
            tell_texts(inside.log, chosen.catalog, [row.suggestion for row in fresh])
            _finish(inside, chosen, ledger, arguments)


def _finish(inside: Inside, chosen: Chosen, ledger: Ledger, arguments: Arguments) -> None:
    """Accept and write as far as that was asked for, and say what to do next."""
    wants = arguments.write if arguments.accept is None else arguments.accept
    clear = [row for row in _open(chosen, ledger) if row.suggestion.origin != "unclear"]
    sure = [row for row in clear if row.suggestion.confidence >= arguments.min_confidence]
    if wants and not arguments.dry_run:
        who, batch = reviewer(_session(inside)), uuid.uuid4().hex
        decisions = (Decision(row, "accepted", who, why=_WHY) for row in sure)
        done = ledger.decide(chosen.catalog.source, decisions, batch)
        below = (
            f"; {len(clear) - len(sure):,} below min_confidence are left" if len(clear) > len(sure) else ""
        )
        inside.log(f"accepted {count(len(done), 'suggestion')} as {visible(who)}{below}")
        if done and not arguments.write:
            inside.log(f"to take it back: docgen undo --batch {batch[:_BATCH_SHOWN]}")
    if arguments.write:
        extra = sure if wants and arguments.dry_run else []
        chosen = _write(inside, chosen, ledger, arguments, extra)
    _tell_next(inside, chosen, ledger)


def apply(context: Any, **given: Any) -> None:
    """Write the accepted and edited texts of the chosen nodes."""
    with told(), remembered():
        arguments = read_arguments("docgen_apply", [*_CHOICE, "to", "dry_run"], given)
        inside = enter(context)
        with _existing(inside) as ledger:
            chosen = read_chosen(inside, arguments, ask=False)
            chosen = _write(inside, chosen, ledger, arguments, [])
            _tell_next(inside, chosen, ledger)


def status(context: Any, **given: Any) -> None:
    """Log what waits, by table, and what to do next."""
    with told():
        arguments = read_arguments("docgen_status", _CHOICE, given)
        inside = enter(context)
        with Ledger(inside.ledger, create=False) as ledger:
            chosen = read_chosen(inside, arguments, ask=False)
            found = counted(chosen.config, chosen.catalog, ledger)
            rows = [(state, f"{number:,}") for state, number in found["states"].items()]
            tell_table(inside.log, ("state", "places"), rows)
            tell_states(inside.log, found["tables"])
            inside.log(f"ledger: {ledger.name}")
            _tell_next(inside, chosen, ledger)


def report(context: Any, **given: Any) -> None:
    """Log which of the nodes that dbt just built have undocumented columns; of all nodes outside of a hook.

    Nothing is raised: a hook's failure would be the run's.
    """
    try:
        arguments = read_arguments("docgen_report", _CHOICE, given)
        inside = enter(context)
        results = context.get("results")
        built = frozenset(str(one.node.unique_id) for one in results or ())
        if results is not None and not any(key.startswith(_BUILT) for key in built):
            return  # dbt test, say
        chosen = read_chosen(inside, arguments, ask=False, only=built)
    except Exception as err:  # noqa: BLE001 - a report must not fail the run that it reports on
        context["log"](f"docgen: no report: {visible(' '.join(str(err).split()))}", True)
        return
    _tell_lacking(inside, chosen)


def _tell_lacking(inside: Inside, chosen: Chosen) -> None:
    tables = list(chosen_tables(chosen.catalog.tables, chosen.config))
    lacking = [table for table in measure(tables).tables if table.missing]
    if not lacking:
        inside.log(f"{count(len(tables), 'table')}: every column has a description")
        return
    missing = sum(table.missing for table in lacking)
    inside.log(
        f"{count(missing, 'description')} missing in {len(lacking):,} of {count(len(tables), 'table')}"
    )
    rows = [
        (
            one.key,
            "no" if not one.documented else "yes",
            f"{one.columns - one.documented_columns:,} of {one.columns:,}",
        )
        for one in sorted(lacking, key=lambda one: (-one.missing, one.key))
    ]
    tell_table(inside.log, ("table", "described", "columns without"), rows)
    inside.log("next: dbt run-operation document_models")


def _session(inside: Inside) -> Session:
    return Session(str(inside.project.root), inside.config, inside.project.root)


def _existing(inside: Inside) -> Ledger:
    ledger = Ledger(inside.ledger, create=False)
    if ledger.missing:
        ledger.close()
        raise LedgerError(f"no ledger at {ledger.name}: run dbt run-operation document_models first")
    return ledger


def _loaded(inside: Inside, config: Config) -> Generator:
    generator = model_choice.load(inside.project.root, config)
    inside.log(f"model: {generator.name} on {generator.device}")
    return generator


def _open(chosen: Chosen, ledger: Ledger) -> list[Row]:
    return targets.ordered(chosen.catalog, ledger, chosen.config, ("suggested",))


def _write(
    inside: Inside, chosen: Chosen, ledger: Ledger, arguments: Arguments, extra: Sequence[Row]
) -> Chosen:
    """Write, and return the project as it is then."""
    outcome = write(inside, chosen, ledger, arguments, extra)
    tell_written(inside.log, outcome, arguments.dry_run)
    return chosen if arguments.dry_run else with_texts(chosen, outcome)


def _tell_next(inside: Inside, chosen: Chosen, ledger: Ledger) -> None:
    totals = counted(chosen.config, chosen.catalog, ledger)["states"]
    waiting = totals["accepted"] + totals["edited"]
    if waiting:
        what = f"dbt run-operation docgen_apply ({count(waiting, 'accepted text')} not in the YAML yet)"
    elif totals["suggested"]:
        what = f"docgen review ({count(totals['suggested'], 'open suggestion')}), or document_models with write: true"
    elif totals["undocumented"]:
        what = f"dbt run-operation document_models ({count(totals['undocumented'], 'place')} without a text)"
    else:
        what = "nothing to do"
    inside.log(f"next: {what}")
