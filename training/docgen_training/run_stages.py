"""The stages of a run, in their order: what each reads, which settings matter to it, what it leaves, what it does.

A stage writes into a folder of its own, named like it, which the run puts in place when the stage is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docgen_plugin.config import Config, load_config
from docgen_plugin.model_files import default_model
from docgen_training.run_config import EMBEDDED, RunConfig
from docgen_training.run_data import is_record_file

__all__ = ["STAGES", "Stage", "model_before", "stage_file"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the run."""

    name: str
    does: str  # in a few words
    version: int  # raised when the stage gives something else for what it was given before
    inputs: Callable[
        [RunConfig], Mapping[str, Path]
    ]  # what messages call a file or folder that is read -> where it is
    options: Callable[[RunConfig], Mapping[str, Any]]  # the settings that matter to it
    outputs: tuple[str, ...]  # files in its folder without which it is not done
    make: Callable[
        [RunConfig, Path], Mapping[str, Any]
    ]  # writes into the folder, returns what it has to tell
    resumes: bool = False  # whether it goes on from what it left in its folder when it was killed
    # inputs that the stage itself brings up to date: what they are afterwards is what was read
    refreshes: Callable[[RunConfig], Mapping[str, Path]] = lambda config: {}
    # why it has to be done although nothing changed that can be seen from outside; "" is no reason
    anew: Callable[[RunConfig], str] = lambda config: ""


def stage_file(config: RunConfig, name: str) -> Path:
    """Return the path of a stage's file, "split/train.jsonl.xz" for instance."""
    return Path(config.folder, *name.split("/"))


def model_before(config: RunConfig) -> Path:
    """Return the GGUF that the new model has to stand against.

    Raises:
        ModelError: when it is the embedded one, and this installation lacks it.
    """
    return Path(config.evaluate.before) if config.evaluate.before else default_model()


def _made(*names: str) -> Callable[[RunConfig], Mapping[str, Path]]:
    """Return an `inputs` that reads files of earlier stages."""
    return lambda config: {name: stage_file(config, name) for name in names}


# harvest


def _sources(config: RunConfig) -> Mapping[str, Path]:
    return {source: Path(source) for source in config.harvest.sources if "://" not in source}


def _artifacts(config: RunConfig) -> Mapping[str, Path]:
    """Return what dbt makes of a project: the reading makes it anew where it is older than the project's files."""
    return {
        f"{source}/target/{name}": path / "target" / name
        for source, path in _sources(config).items()
        if path.is_dir()
        for name in ("manifest.json", "catalog.json")
    }


def _harvest_options(config: RunConfig) -> Mapping[str, Any]:
    """Return the section, and what the settings of docgen itself say for each source of which tables to take."""
    found: dict[str, Any] = asdict(config.harvest)
    for source in config.harvest.sources:
        if not is_record_file(source):
            path = Path(source)
            own = load_config(Path.cwd() if "://" in source else path if path.is_dir() else path.parent)
            found[f"tables of {_without_password(source)}"] = [
                own.include,
                own.exclude,
                own.schemas,
                own.profiles_dir,
            ]
    return {**found, "sources": [_without_password(one) for one in config.harvest.sources]}


def _without_password(source: str) -> str:
    if "://" not in source:
        return source
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return make_url(source).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return source.rpartition("@")[2]


def _databases(config: RunConfig) -> str:
    live = [_without_password(one) for one in config.harvest.sources if "://" in one]
    return f"{live[0]} tells only when it is read whether it changed" if live else ""


def _harvest(config: RunConfig, out: Path) -> Mapping[str, Any]:
    from docgen_training.records import write_records
    from docgen_training.run_data import gather

    records, facts = gather(config.harvest)
    write_records(out / "records.jsonl.xz", records)
    return facts


# clean


def _clean(config: RunConfig, out: Path) -> Mapping[str, Any]:
    from docgen_training.records import read_records, write_records
    from docgen_training.run_data import clean_texts

    records, facts = clean_texts(
        list(read_records(stage_file(config, "harvest/records.jsonl.xz"))), config.clean
    )
    write_records(out / "records.jsonl.xz", records)
    return facts


# split


def _split(config: RunConfig, out: Path) -> Mapping[str, Any]:
    from docgen_training.records import read_records, write_records
    from docgen_training.run_data import split_records

    records = list(read_records(stage_file(config, "clean/records.jsonl.xz")))
    split, facts = split_records(records, config.split, config.seed)
    write_records(out / "train.jsonl.xz", split.train)
    write_records(out / "valid.jsonl.xz", split.valid)
    write_records(out / "held_out.jsonl.xz", split.held_out)
    return facts


# finetune


def _base(config: RunConfig) -> Mapping[str, Path]:
    data = _made("split/train.jsonl.xz", "split/valid.jsonl.xz")(config)
    if config.base == EMBEDDED:
        return {**data, "the embedded model": default_model()}
    return {**data, config.base: Path(config.base)} if Path(config.base).exists() else data


def _finetune_options(config: RunConfig) -> Mapping[str, Any]:
    """Return the settings without those that change how long it takes and not what comes out."""
    found = asdict(config.finetune)
    for key in ("checkpointing", "save_minutes"):
        del found[key]
    return {**found, "base": config.base}


def _finetune(config: RunConfig, out: Path) -> Mapping[str, Any]:
    train, valid = stage_file(config, "split/train.jsonl.xz"), stage_file(config, "split/valid.jsonl.xz")
    if config.base == EMBEDDED:
        from docgen_training.finetune_embedded import finetune_embedded

        finetune_embedded((train,), valid, out, config.finetune)
    else:
        from docgen_training.finetune import finetune

        finetune(config.base, (train,), valid, out, config.finetune)
    told = json.loads((out / "run.json").read_text("utf-8"))
    return {key: told[key] for key in ("tokens", "steps", "device", "losses") if key in told}


# export


def _export(config: RunConfig, out: Path) -> Mapping[str, Any]:
    from docgen_training.export import Order, export

    order = Order(config.name, config.export.quantise)
    return export(Path(config.folder, "finetune"), out / "model.gguf", order)


# evaluate, study


def _judged(config: RunConfig) -> Mapping[str, Path]:
    made = _made("export/model.gguf", "split/held_out.jsonl.xz", "split/train.jsonl.xz")(config)
    return {**made, "the model before": model_before(config)}


def _both(config: RunConfig) -> dict[str, str]:
    return {"after": str(stage_file(config, "export/model.gguf")), "before": str(model_before(config))}


def _evaluate(config: RunConfig, out: Path) -> Mapping[str, Any]:
    from docgen_training.run_judge import compare

    held_out, train = (
        stage_file(config, "split/held_out.jsonl.xz"),
        stage_file(config, "split/train.jsonl.xz"),
    )
    settings = Config(threads=config.evaluate.threads)
    return compare(_both(config), held_out, train, config.evaluate.tables, config.seed, settings, out)


def _study(config: RunConfig, out: Path) -> Mapping[str, Any]:
    from docgen_training.run_judge import compare_blind

    held_out = stage_file(config, "split/held_out.jsonl.xz")
    settings = Config(threads=config.evaluate.threads)
    wanted = config.study
    return compare_blind(_both(config), held_out, wanted.tables, wanted.per_table, config.seed, settings, out)


# publish


def _published(config: RunConfig) -> Mapping[str, Path]:
    return _made("export/model.gguf", "finetune/run.json", "evaluate/scores.json")(config)


def _gone(config: RunConfig) -> str:
    """Return why a model that was registered has to be registered again: somebody took it out."""
    from docgen_training.run_publish import read_publication

    folder = read_publication(stage_file(config, "publish/published.json")).get("folder")
    return f"{folder} is no longer there" if folder and not Path(folder).is_dir() else ""


def _publish(config: RunConfig, out: Path) -> Mapping[str, Any]:
    from docgen_training.run_publish import publish_model

    gguf, told, scores = _published(config).values()
    return publish_model(config, gguf, told, scores, out / "published.json")


STAGES: tuple[Stage, ...] = (
    Stage(
        name="harvest",
        does="read the documentation of all sources",
        version=1,
        inputs=_sources,
        options=_harvest_options,
        outputs=("records.jsonl.xz",),
        make=_harvest,
        refreshes=_artifacts,
        anew=_databases,
    ),
    Stage(
        name="clean",
        does="drop texts that break a rule",
        version=1,
        inputs=_made("harvest/records.jsonl.xz"),
        options=lambda config: asdict(config.clean),
        outputs=("records.jsonl.xz",),
        make=_clean,
    ),
    Stage(
        name="split",
        does="keep some tables from the training",
        version=1,
        inputs=_made("clean/records.jsonl.xz"),
        options=lambda config: {**asdict(config.split), "seed": config.seed},
        outputs=("train.jsonl.xz", "valid.jsonl.xz", "held_out.jsonl.xz"),
        make=_split,
    ),
    Stage(
        name="finetune",
        does="teach the base your way of describing",
        version=1,
        inputs=_base,
        options=_finetune_options,
        outputs=("merged", "run.json"),
        make=_finetune,
        resumes=True,
    ),
    Stage(
        name="export",
        does="write it as a GGUF",
        version=1,
        inputs=_made("finetune/merged", "finetune/run.json"),
        options=lambda config: {**asdict(config.export), "name": config.name},
        outputs=("model.gguf",),
        make=_export,
    ),
    Stage(
        name="evaluate",
        does="score it on the tables kept, beside the model before",
        version=1,
        inputs=_judged,
        options=lambda config: {"tables": config.evaluate.tables, "seed": config.seed},
        outputs=("scores.json", "before/scores.json", "after/scores.json"),
        make=_evaluate,
    ),
    Stage(
        name="study",
        does="write the sheet on which people compare the two",
        version=1,
        inputs=_judged,
        options=lambda config: {**asdict(config.study), "seed": config.seed},
        outputs=("key.json", "sheet/sheet.csv", "sheet/sheet.html", "sheet/tables.md"),
        make=_study,
    ),
    Stage(
        name="publish",
        does="register it, if it is good enough",
        version=1,
        inputs=_published,
        options=lambda config: {**asdict(config.publish), "name": config.name},
        outputs=("published.json",),
        make=_publish,
        anew=_gone,
    ),
)
