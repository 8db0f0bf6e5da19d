"""The file that a team keeps of its own model: team.toml, read strictly, every key with a default but the sources."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from docgen_plugin.console import visible
from docgen_plugin.errors import ConfigError
from docgen_training.finetune_options import METHODS, PRECISIONS, PROMPTS, FinetuneOptions

__all__ = [
    "CleanOptions",
    "EvaluateOptions",
    "ExportOptions",
    "HarvestOptions",
    "PublishOptions",
    "RunConfig",
    "SplitOptions",
    "StudyOptions",
    "load_run_config",
]

EMBEDDED = "embedded"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][\w+.-]+://")
_LOCAL_DATABASES = ("sqlite", "duckdb")
# what the options of the fine-tuning may be; they stand in a module of their own, which is not read from a file
_FINETUNE: dict[str, dict[str, Any]] = {
    "method": {"one_of": METHODS},
    "prompt": {"one_of": PROMPTS},
    "precision": {"one_of": PRECISIONS},
    "device": {"one_of": ("", "cpu", "cuda")},
    "rank": {"between": (1, 1024)},
    "alpha": {"between": (0.001, 10_000)},
    "dropout": {"between": (0, 0.9)},
    "epochs": {"between": (0.001, 1000)},
    "minutes": {"between": (0, 100_000)},
    "rate": {"between": (0, 10)},
    "rows": {"between": (1, 4096)},
    "width": {"between": (64, 1_000_000)},
    "accumulate": {"between": (1, 4096)},
    "hints": {"between": (0, 1)},
    "threads": {"between": (1, 1024)},
    "save_minutes": {"between": (0, 100_000)},
}
_TAUGHT = FinetuneOptions()
_Section = TypeVar("_Section")


def _whole(default: int, least: int, most: int = 1_000_000) -> Any:
    return field(default=default, metadata={"between": (least, most)})


def _number(default: float, least: float, most: float) -> Any:
    return field(default=default, metadata={"between": (least, most)})


def _one_of(default: str, *others: str) -> Any:
    return field(default=default, metadata={"one_of": (default, *others)})


def _path(default: str = "") -> Any:
    return field(default=default, metadata={"path": True})


@dataclass(frozen=True, slots=True)
class HarvestOptions:
    """Where your documentation is read from."""

    # dbt projects' folders, database URLs, OpenAPI or JSON Schema files (.json, .yaml), record files (.jsonl, .jsonl.xz)
    sources: tuple[str, ...] = ()
    # the sources' licence, as an SPDX name or your own word for it; empty is what each source states
    license: str = ""
    # licences to accept beside the permissive ones, for instance "internal"
    allow_licenses: tuple[str, ...] = ()
    # described places that a table needs to be taken: itself and its columns
    min_described: int = _whole(1, 1)


@dataclass(frozen=True, slots=True)
class CleanOptions:
    """Which of your texts are learnt from."""

    # "own" keeps how your texts are worded and drops those that teach nothing or claim what the schema does not show;
    # "house" holds them to this project's rules as well, without a leading article
    voice: str = _one_of("own", "house")
    # how often one text for one name may come
    most_repeats: int = _whole(3, 1)


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """Which tables are kept from the training to judge it by."""

    # share of the documented tables that the model is scored on
    held_out: float = _number(0.2, 0.05, 0.5)
    # share that is watched while it trains, and not learnt from either
    valid: float = _number(0.1, 0.02, 0.3)
    # documented tables (four described columns or more) below which no run is worth its time
    least_tables: int = _whole(20, 8)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """The form of the file."""

    # how the weights are kept: Q8_0 is half of F16 and says the same; Q4_K_M is for bases of billions of parameters
    quantise: str = _one_of("Q8_0", "F16", "Q4_0", "Q4_K_M")


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """How the new model is scored."""

    # the GGUF that it has to stand against; empty is the embedded model
    before: str = _path()
    # held-out tables to score at most
    tables: int = _whole(150, 1)
    # CPU threads; 0 is the physical cores, at most 8
    threads: int = _whole(0, 0, 1024)


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """The sheet on which people compare the two without knowing which is which."""

    # held-out tables on it at most
    tables: int = _whole(62, 1)
    # columns of a table at most
    per_table: int = _whole(6, 1)


@dataclass(frozen=True, slots=True)
class PublishOptions:
    """Where a model goes that is good enough."""

    # the registry's folder, or hf://owner/name; empty is to publish nowhere
    registry: str = _path()
    # the version to register it as; empty is the next one
    version: str = ""
    # what the scores must say before it is registered: "not worse" than before, "better", or "nothing"
    require: str = _one_of("not worse", "better", "nothing")


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything a run is told; the file's keys have the same names, a stage's own under its name in brackets."""

    # the file it was read from; relative paths in it are relative to its folder
    path: Path
    # what the model is called in the registry
    name: str = ""
    # the run's folder: every stage's results and the state; empty is a folder of the file's name beside it
    folder: str = _path()
    # the model that is taught: "embedded", a folder of a Hugging Face model, or its name on the hub (owner/name)
    base: str = EMBEDDED
    # draws the split, the tables that are scored and the sheet, and seeds the training
    seed: int = _whole(1, 0)
    harvest: HarvestOptions = HarvestOptions()
    clean: CleanOptions = CleanOptions()
    split: SplitOptions = SplitOptions()
    finetune: FinetuneOptions = _TAUGHT
    export: ExportOptions = ExportOptions()
    evaluate: EvaluateOptions = EvaluateOptions()
    study: StudyOptions = StudyOptions()
    publish: PublishOptions = PublishOptions()


def load_run_config(path: Path) -> RunConfig:
    """Return what a team's file says, its relative paths made absolute.

    Raises:
        ConfigError: naming the file and the key, for a file that is missing or not TOML, an unknown key, a value that
            the key cannot take, and a file without sources.
    """
    path = path.absolute()
    read = _read(path)
    config = RunConfig(path)
    if read.get("base", config.base) == EMBEDDED:
        from docgen_training import finetune_embedded

        # a small model of ours wants other values than a large one
        config = replace(config, finetune=finetune_embedded.EMBEDDED)
    config = _section(config, read, str(path), "")
    config = replace(
        config,
        name=config.name or _named_after(path),
        folder=config.folder or str(path.with_suffix("")),
        base=_anchored_base(config.base, path.parent),
        harvest=replace(
            config.harvest,
            sources=tuple(_anchored_source(one, path.parent) for one in config.harvest.sources),
        ),
        finetune=replace(config.finetune, seed=config.seed),
    )
    _check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ConfigError(
            f"{path}: there is no such file; training/team.example.toml is one to copy"
        ) from err
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise ConfigError(f"{path}: cannot be read as TOML: {err}") from err


def _check(config: RunConfig) -> None:
    where = config.path
    for key, value in (("name", config.name), ("[publish] version", config.publish.version)):
        if value and not _NAME.fullmatch(value):
            raise ConfigError(
                f"{where}: {key} wants letters, digits, '.', '_' and '-' of ASCII, at most 64, found {value!r}"
            )
    if not config.harvest.sources:
        raise ConfigError(
            f"{where}: [harvest] sources names nothing to learn from; "
            'for instance sources = ["../warehouse", "postgresql://me@host/shop"]'
        )
    registry = config.publish.registry
    if "://" in registry and not registry.startswith("hf://"):
        raise ConfigError(
            f"{where}: [publish] registry wants a folder or hf://owner/name, found {registry!r}"
        )
    twice = [one for one in config.harvest.sources if config.harvest.sources.count(one) > 1]
    if twice:
        raise ConfigError(f"{where}: [harvest] sources names {visible(twice[0])} twice; leave one out")


def _named_after(path: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._") or "team"


def _section(values: _Section, read: Mapping[str, Any], where: str, inside: str) -> _Section:
    """Return a dataclass with the values of a table of the file in the places of its defaults."""
    types = get_type_hints(type(values))
    # the file's own path, and the seed of the fine-tuning, which is the run's
    known = {one.name: one for one in fields(values) if one.name != "path"}  # type: ignore[arg-type]
    if isinstance(values, FinetuneOptions):
        del known["seed"]
    for key, value in read.items():
        if key not in known:
            raise ConfigError(f"{where}: {inside}unknown key {key!r}; {_meant(key, known)}")
        old = getattr(values, key)
        if is_dataclass(old):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}: {key} is a table, written [{key}], found {value!r}")
            new = _section(old, value, where, f"[{key}] ")
        else:
            rules = _FINETUNE.get(key, {}) if isinstance(values, FinetuneOptions) else known[key].metadata
            new = _value(value, types[key], rules, Path(where).parent, f"{where}: {inside}{key}")
        values = replace(values, **{key: new})  # type: ignore[type-var]
    return values


def _meant(key: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"


def _value(value: Any, wanted: Any, rules: Mapping[str, Any], folder: Path, where: str) -> Any:
    if wanted is bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{where} wants true or false, found {value!r}")
        return value
    if wanted in (int, float):
        return _amount(value, wanted, rules, where)
    if wanted is str:
        if not isinstance(value, str):
            raise ConfigError(f"{where} wants a text, found {value!r}")
        choices = rules.get("one_of")
        if choices and value not in choices:
            raise ConfigError(f"{where} wants one of {', '.join(map(repr, choices))}, found {value!r}")
        return _anchored_path(value, folder) if rules.get("path") else value
    if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
        raise ConfigError(f'{where} wants a list of texts, ["..."], found {value!r}')
    return tuple(one.strip() for one in value)


def _amount(value: Any, wanted: type, rules: Mapping[str, Any], where: str) -> Any:
    kind = "a whole number" if wanted is int else "a number"
    if isinstance(value, bool) or not isinstance(value, int if wanted is int else (int, float)):
        raise ConfigError(f"{where} wants {kind}, found {value!r}")
    least, most = rules.get("between", (None, None))
    if least is not None and not least <= value <= most:  # what is no number at all is not between either
        raise ConfigError(f"{where} wants {kind} from {least} to {most}, found {value}")
    return wanted(value)


def _anchored_path(value: str, folder: Path) -> str:
    return str(folder / Path(value).expanduser()) if value and not _SCHEME.match(value) else value


def _anchored_base(base: str, folder: Path) -> str:
    """Return the base with a folder's path made absolute; a name on the hub stays, a folder of that name wins."""
    if base == EMBEDDED:
        return base
    path = folder / Path(base).expanduser()
    return str(path) if path.exists() or base.startswith((".", "/", "~")) else base


def _anchored_source(source: str, folder: Path) -> str:
    """Return a source with a relative path made absolute, that in the URL of a file database too."""
    if not _SCHEME.match(source):
        return str(folder / Path(source).expanduser())
    scheme, _, file = source.partition(":///")
    if scheme.partition("+")[0] in _LOCAL_DATABASES and file and not file.startswith(("/", ":", "file:")):
        return f"{scheme}:///{folder / file}"
    return source
