"""`docgen model`: which models there are, which one a project uses, and whether they are what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from docgen_plugin import cli_canary
from docgen_plugin.cli_canary import PACKAGED, canary_json, choice_json, tell_shadowed
from docgen_plugin.cli_ledger import reviewer
from docgen_plugin.cli_options import Session, as_json, for_source, settings
from docgen_plugin.console import count, emit, say, show, table_lines, visible, working
from docgen_plugin.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from docgen_plugin.manifest import Manifest
    from docgen_plugin.registry import Listed, Located

__all__ = ["COMMANDS"]


@click.group()
def model() -> None:
    """Choose the model that writes the descriptions, and look after models.

    REF is a path, hf://owner/name@revision, or name@version of the folder that the setting `registry` names.
    A candidate answers some of the tables until it is promoted or dropped: use --canary.
    """


for one in cli_canary.COMMANDS:
    model.add_command(one)


@model.command("list")
@for_source
@as_json
def list_(source: str, machine: bool) -> None:
    """List the models of the package, the registry and the caches."""
    from docgen_plugin import canary, registry

    session = settings(source)
    found, problems = registry.listed(session.config)
    for problem in problems:
        say(f"left out: {visible(problem)}")
    used, sha256 = _in_use(session)
    candidate = canary.running(session.folder)
    by_name = any(one.reference == used for one in found)

    def is_used(one: Listed) -> bool:
        return one.reference == used if by_name else one.manifest.sha256 == sha256

    if machine:
        listed = [_listed_json(one, is_used(one)) for one in found]
        emit({"in_use": used, "candidate": canary_json(candidate), "models": listed})
        return

    def mark(one: Listed) -> str:
        if is_used(one):
            return "* "
        return "+ " if candidate and candidate.sha256 == one.manifest.sha256 else "  "

    rows = [
        (
            mark(one) + one.reference,
            one.manifest.kind,
            _megabytes(one.manifest.size),
            one.manifest.license,
            _headline(one.manifest),
            " ".join(one.places),
        )
        for one in found
    ]
    for line in table_lines(("  model", "kind", "size", "licence", "scores", "where"), rows):
        show(line)
    show(f"in use: {visible(used)}")
    if candidate is not None:
        show(f"candidate: {cli_canary.told(candidate)}")


def _in_use(session: Session) -> tuple[str, str]:
    """Return the reference that counts and its sha256, "" for what cannot be said without asking others."""
    from docgen_plugin import model_choice, registry

    if session.config.model:
        try:
            found = registry.look(session.config.model, session.config)
        except ModelError as err:
            say(f"note: {visible(str(err))}")
            found = None
        return session.config.model, found.sha256 if found else ""
    chosen = model_choice.current(session.folder)
    if chosen:
        return chosen.reference, chosen.sha256
    found = registry.look("", session.config)
    return (found.reference, found.sha256) if found else ("", "")


def _listed_json(one: Listed, used: bool) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "places": list(one.places),
        "path": str(one.path),
        "in_use": used,
        "manifest": _manifest_json(one.manifest),
    }


def _manifest_json(stated: Manifest) -> dict[str, Any]:
    import json

    from docgen_plugin.manifest import render

    values: dict[str, Any] = json.loads(render(stated))
    return values


def _headline(stated: Manifest) -> str:
    from docgen_plugin.manifest import headline

    return headline(stated)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@model.command()
@click.argument("reference", metavar="REF")
@for_source
@as_json
def pull(reference: str, source: str, machine: bool) -> None:
    """Bring a model onto this machine and check its hash; afterwards it needs no network."""
    from docgen_plugin import registry

    session = settings(source)
    with working("pulling"):
        found = _known(registry.locate(reference, session.config, fresh=True), reference, session)
    if machine:
        emit(_located_json(found))
        return
    size = found.path.stat().st_size if found.path else 0
    show(
        f"{visible(found.reference)}: {_megabytes(size)}, sha256 {found.sha256[:12]}, in {visible(str(found.path))}"
    )
    show(f"next: docgen model use {visible(found.reference)}")


def _known(found: Located | None, reference: str, session: Session) -> Located:
    from docgen_plugin import registry

    if found is None:
        raise registry.unknown(reference, session.config)
    if not reference:
        raise ModelError("no model is named: give a path, hf://owner/name@revision or name@version")
    return found


def _located_json(found: Located) -> dict[str, Any]:
    return {
        "reference": found.reference,
        "sha256": found.sha256,
        "place": found.place,
        "path": str(found.path) if found.path else None,
        "manifest": _manifest_json(found.manifest) if found.manifest else None,
    }


@model.command()
@click.argument("reference", metavar="REF")
@for_source
@click.option(
    "--canary",
    "share",
    metavar="SHARE",
    help="Only a candidate, for this share of the tables: 10% or 0.1, at most 50%. Which tables does not change "
    "from run to run; docgen metrics compares, promote or drop ends it.",
)
@as_json
def use(reference: str, source: str, share: str | None, machine: bool) -> None:
    """Let a project use a model from now on; pulled and checked first, and pinned to the byte."""
    from docgen_plugin import canary, model_choice, registry

    session = settings(source)
    wanted = None if share is None else canary.parse_share(share)
    candidate = canary.running(session.folder)
    before = model_choice.current(session.folder)
    with working("pulling"):
        found = _known(registry.locate(reference, session.config), reference, session)
    if wanted is not None:
        cli_canary.begin(session, reference, found, wanted, machine)
        return
    chosen = model_choice.use(session.folder, reference, found, reviewer(session))
    if machine:
        emit({**choice_json(chosen), "before": before.reference if before else None})
    elif chosen == before:
        show(f"{visible(chosen.reference)} is used already")
    else:
        was = visible(before.reference) if before else PACKAGED
        show(f"{visible(chosen.reference)} (sha256 {chosen.sha256[:12]}) is used from now on; before: {was}")
        show("next: docgen suggest, with --again for suggestions that are still open")
    if candidate is not None:
        ends = canary.running(session.folder) is None
        say(
            "note: it was the candidate, which is promoted so"
            if ends
            else f"note: the candidate goes on beside it: {cli_canary.told(candidate)}"
        )
    tell_shadowed(session)


@model.command()
@for_source
@as_json
def rollback(source: str, machine: bool) -> None:
    """Go back by one step: end the candidate, or without one use the model before; may be repeated."""
    from docgen_plugin import canary, model_choice

    session = settings(source)
    if canary.running(session.folder) is not None:
        cli_canary.end(session, machine)
        return
    left = model_choice.current(session.folder)
    chosen = model_choice.rollback(session.folder, reviewer(session))
    if machine:
        emit({**choice_json(chosen), "left": left.reference if left else None})
    else:
        now = f"{visible(chosen.reference)} (sha256 {chosen.sha256[:12]})" if chosen else PACKAGED
        show(f"{now} is used again; left: {visible(left.reference) if left else ''}")
    tell_shadowed(session)


@model.command()
@click.argument("reference", metavar="[REF]", default="")
@for_source
@as_json
def verify(reference: str, source: str, machine: bool) -> None:
    """Hash models again, one or all that this machine and the registry hold; 1 when one is not what it should be."""
    from docgen_plugin import canary, model_choice, registry

    session = settings(source)
    with working("hashing"):
        results = registry.verify(session.config, reference)
        if not reference:
            used = session.config.model or getattr(model_choice.current(session.folder), "reference", "")
            if used:
                results.append(
                    (
                        f"{used} (in use)",
                        _trouble(lambda: model_choice.located(session.folder, session.config)),
                    )
                )
            candidate = canary.running(session.folder)
            if candidate is not None:
                trouble = _trouble(lambda: canary.located(candidate, session.folder, session.config))
                results.append((f"{candidate.reference} (candidate)", trouble))
    if machine:
        emit([{"model": name, "ok": not wrong, "problem": wrong} for name, wrong in results])
    else:
        for name, wrong in results:
            show(
                f"{'wrong' if wrong else 'ok':5}  {visible(name)}" + (f": {visible(wrong)}" if wrong else "")
            )
    failed = sum(bool(wrong) for _, wrong in results)
    if failed:
        say(f"docgen: {count(failed, 'model')} of {len(results):,} not as stated")
        click.get_current_context().exit(1)


def _trouble(check: Callable[[], object]) -> str:
    try:
        check()
    except ModelError as err:
        return str(err)
    return ""


@model.command()
@click.argument("reference", metavar="[REF]", default="")
@for_source
@as_json
def info(reference: str, source: str, machine: bool) -> None:
    """Show a model, where it comes from, its scores, and what it runs on: REF, or the one in use."""
    from docgen_plugin import canary

    session = settings(source, reference)
    located, found = _loaded(session, reference)
    stated = located.manifest if located else None
    candidate = None if reference else canary.running(session.folder)
    if machine:
        manifest = _manifest_json(stated) if stated else None
        emit({**found, "candidate": canary_json(candidate), "manifest": manifest})
        return
    for name, value in found.items():
        show(f"{name:10}{visible(value)}")
    for name, value in _lineage(stated) if stated else ():
        show(f"{name:10}{visible(value)}")
    if candidate is not None:
        show(f"{'candidate':10}{cli_canary.told(candidate)}")


def _loaded(session: Session, reference: str) -> tuple[Located | None, dict[str, str]]:
    """Return what is known of a model without pulling it, and what loading it tells when it is on this machine."""
    from docgen_plugin import model_choice, registry

    config = session.config
    if reference and not registry.is_here(reference, config):
        away = _known(registry.look(reference, config), reference, session)
        note = f"not on this machine: docgen model pull {reference}"
        return away, {"model": away.reference, "device": note, "uri": reference}
    chosen = None if config.model else model_choice.current(session.folder)
    with working("loading the model"):
        generator = model_choice.load(session.folder, config)
    try:
        uri = config.model or (chosen.reference if chosen else "the default")
        found = {"model": generator.name, "device": generator.device, "uri": uri}
    finally:
        generator.close()
    located = model_choice.located(session.folder, config)
    # a plugin's own model is not the file that we would have taken
    same = located is not None and generator.name.endswith(f"@{located.sha256[:12]}")
    return (located if same else None), found


def _lineage(stated: Manifest) -> list[tuple[str, str]]:
    base = stated.base
    lines = [
        ("version", f"{stated.name}@{stated.version}"),
        ("kind", stated.kind),
        ("created", stated.created_at),
        ("licence", stated.license),
        ("size", _megabytes(stated.size)),
        ("sha256", stated.sha256),
        (
            "base",
            " ".join(part for part in (base.name, base.revision, base.sha256[:12]) if part) if base else "",
        ),
        ("code", stated.code_commit),
        ("scores", _headline(stated)),
    ]
    for one in stated.data:
        tables = count(one.tables, "table") if one.tables else ""
        parts = (one.name, tables, ", ".join(one.licenses), one.sha256 and f"sha256 {one.sha256[:12]}")
        lines.append(("data", "; ".join(part for part in parts if part)))
    return [(name, value) for name, value in lines if value]


COMMANDS: tuple[click.Command, ...] = (model,)
