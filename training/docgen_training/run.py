"""The loop closed: from a team's documentation to a registered model, stage by stage, each done only when it has to be.

docgen-train run --config team.toml
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from docgen_plugin.errors import DocgenError
from docgen_training.run_checks import check_run
from docgen_training.run_config import RunConfig
from docgen_training.run_report import write_run_report
from docgen_training.run_stages import STAGES, Stage
from docgen_training.run_state import Kept, State, changes

__all__ = ["Choice", "Outcome", "plan_run", "run"]

_LOCK = ".lock"
_MARK = "stage.json"  # in a stage's folder: what went in, so that a killed stage knows whether it may go on


@dataclass(frozen=True, slots=True)
class Choice:
    """Which stages a command asks for."""

    start: str = ""  # the first one to be done, whether it has to be or not; those before it are left alone
    only: str = ""  # the single one to be done
    force: bool = False  # do all that are chosen

    def takes(self, stage: Stage) -> bool:
        """Return whether the stage is among the chosen."""
        names = [one.name for one in STAGES]
        if self.only:
            return stage.name == self.only
        return not self.start or names.index(stage.name) >= names.index(self.start)

    def forces(self, stage: Stage) -> bool:
        """Return whether the stage is done although nothing changed."""
        return self.force or stage.name in (self.start, self.only)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one stage, or would become of it."""

    stage: str
    state: str  # done, skipped, failed, to do, not reached, left alone
    why: str = ""
    seconds: float = 0.0


Tell = Callable[[Outcome], None]


def _silent(outcome: Outcome) -> None:
    """Tell nothing."""


def plan_run(config: RunConfig, choice: Choice = Choice()) -> list[Outcome]:
    """Return what `run` would do, without doing or writing anything.

    Raises:
        DocgenError: for what can be told to be wrong before the start.
    """
    check_run(config)
    state = State.read(Path(config.folder))
    found: list[Outcome] = []
    changed: list[str] = []  # stages that will be done: what they leave may be the same as before, or not
    for stage in STAGES:
        if not choice.takes(stage):
            found.append(Outcome(stage.name, "left alone"))
            continue
        why = _why(stage, config, state) or ("asked for" if choice.forces(stage) else "")
        sources = [one for one in changed if any(name.startswith(f"{one}/") for name in stage.inputs(config))]
        if why:
            found.append(Outcome(stage.name, "to do", why))
            changed.append(stage.name)
        elif sources:
            found.append(Outcome(stage.name, "to do", f"if {' or '.join(sources)} gives something else"))
            changed.append(stage.name)
        else:
            found.append(Outcome(stage.name, "skipped", "unchanged"))
    return found


def run(
    config: RunConfig, choice: Choice = Choice(), begin: Tell = _silent, end: Tell = _silent
) -> list[Outcome]:
    """Do the stages that have to be done, in order, and write the report; return what became of each.

    A stage that fails ends the run: those after it are not reached, what was done stays, and the same command goes on.
    Its error is the last outcome's `why`. `begin` and `end` are told each stage as it is begun and ended.

    Raises:
        DocgenError: for what can be told to be wrong before the start, or when another process runs in the folder.
    """
    check_run(config)
    folder = Path(config.folder)
    with _alone(folder):
        state = State.read(folder)
        outcomes: list[Outcome] = []
        failed = False
        for stage in STAGES:
            if not choice.takes(stage):
                outcomes.append(Outcome(stage.name, "left alone"))
            elif failed:
                outcomes.append(Outcome(stage.name, "not reached"))
            else:
                outcomes.append(_outcome(stage, config, state, choice.forces(stage), begin))
                failed = outcomes[-1].state == "failed"
            end(outcomes[-1])
        state.write()
        write_run_report(config, state, outcomes)
    return outcomes


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the run's folder: a killed process gives it back, the system sees to that."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / _LOCK, timeout=0):
            yield
    except Timeout as err:
        raise DocgenError(
            f"{folder}: another docgen-train run works in this folder; wait until it ends"
        ) from err
    except OSError as err:
        raise DocgenError(f"{folder}: cannot be written: {err.strerror or err}") from err


def _why(stage: Stage, config: RunConfig, state: State) -> str:
    """Return why a stage has to be done, "" when it has not."""
    kept = state.stages.get(stage.name)
    if kept is None:
        return "not done yet"
    found = changes(kept, _going_in(stage, config, state))
    if found:
        return "; ".join(found)
    for name in stage.outputs:
        if state.hashes.of(_home(config, stage) / name) != kept.outputs.get(name):
            return f"{stage.name}/{name} is not what the stage left"
    return stage.anew(config)


def _home(config: RunConfig, stage: Stage) -> Path:
    return Path(config.folder, stage.name)


def _going_in(stage: Stage, config: RunConfig, state: State) -> Kept:
    options = json.loads(json.dumps(stage.options(config)))  # as the state's file gives them back
    inputs = {**stage.inputs(config), **stage.refreshes(config)}
    return Kept(stage.version, options, {name: state.hashes.of(path) for name, path in inputs.items()})


def _outcome(stage: Stage, config: RunConfig, state: State, forced: bool, begin: Tell) -> Outcome:
    """Do a stage if it has to be done; what goes wrong in it is its outcome."""
    began = time.monotonic()
    try:
        why = _why(stage, config, state) or ("asked for" if forced else "")
        if not why:
            return Outcome(stage.name, "skipped", "unchanged")
        begin(Outcome(stage.name, "to do", why))
        _do(stage, config, state, began)
    except DocgenError as err:
        return Outcome(stage.name, "failed", str(err), time.monotonic() - began)
    except OSError as err:
        where = f"{err.filename}: " if err.filename else ""
        return Outcome(stage.name, "failed", f"{where}{err.strerror or err}", time.monotonic() - began)
    return Outcome(stage.name, "done", why, time.monotonic() - began)


def _do(stage: Stage, config: RunConfig, state: State, began: float) -> None:
    """Do a stage in a folder beside its own, then put that in place and remember it.

    Killed before the folder is in place, the stage is done again, and goes on from the folder where it can; killed after
    that and before it is remembered, it is done again as well.
    """
    goes_in = _going_in(stage, config, state)
    lacking = [name for name, value in goes_in.inputs.items() if not value and name in stage.inputs(config)]
    if lacking:
        raise DocgenError(f"{lacking[0]} is not there: {_advice(lacking[0])}")
    part, home = _part(config, stage, goes_in), _home(config, stage)
    facts = stage.make(config, part)
    missing = [name for name in stage.outputs if not (part / name).exists()]
    assert not missing, f"{stage.name} did not leave {missing}"
    old = home.with_name(f".old-{stage.name}")
    shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    part.rename(home)
    refreshed = {name: state.hashes.of(path) for name, path in stage.refreshes(config).items()}
    kept = replace(
        goes_in,
        inputs={**goes_in.inputs, **refreshed},
        outputs={name: state.hashes.of(home / name) for name in stage.outputs},
        facts=facts,
        seconds=round(time.monotonic() - began, 1),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    state.keep(stage.name, kept)
    shutil.rmtree(old, ignore_errors=True)


def _advice(name: str) -> str:
    made = next((one.name for one in STAGES if name.startswith(f"{one.name}/")), "")
    return (
        f"run without --only and --from, or with --from {made}"
        if made
        else "put it back, or take it out of the file"
    )


def _part(config: RunConfig, stage: Stage, goes_in: Kept) -> Path:
    """Return the folder that a stage is made in: what a killed one left when it can go on with the same input, else empty."""
    part = Path(config.folder, f".part-{stage.name}")
    mark = json.dumps({"version": goes_in.version, "options": goes_in.options, "inputs": goes_in.inputs})
    if stage.resumes and (part / _MARK).exists() and (part / _MARK).read_text("utf-8") == mark:
        return part
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    (part / _MARK).write_text(mark, "utf-8")
    return part
