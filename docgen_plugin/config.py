"""All settings, flat: `[tool.docgen]` of pyproject.toml or docgen.toml, then DOCGEN_* variables."""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from docgen_plugin.errors import ConfigError

__all__ = ["Config", "load_config"]

_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:")
_YES_OR_NO = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting with its default; the file's keys and DOCGEN_<KEY> variables have the same names."""

    # the model to use: a GGUF's path, hf://owner/name@revision, name@version of the registry or a plugin's uri;
    # empty is what `docgen model use` chose for the project, else the model in the package
    model: str = ""
    # a shared folder of models, NAME/VERSION/docgen-model.json; empty is none
    registry: str = ""
    # where models pulled from the registry are kept; empty is ~/.cache/docgen (hf:// models: the hub's own cache)
    cache: str = ""
    # what the concept dictionary does for a name it knows exactly: "compose" suggests its own text,
    # "hint" shows it to the model, which writes the text
    dictionary: str = "compose"
    # your own glossary, a file of JSON lines {"names": [...], "text": "..."}: what it says of a name wins
    # over the concept dictionary; empty is none
    glossary: str = ""
    # words that a suggestion may have; longer ones are cut back to whole sentences or clauses; 0 is no limit
    style_max_words: int = 0
    # how a suggestion begins: "upper", "lower", or "keep" what most of the texts that stand there do
    style_capital: str = "keep"
    # whether a suggestion ends with a full stop: "always", "never", or "keep" what most texts do
    style_final_stop: str = "keep"
    # words and phrases that no suggestion may hold, whatever their case
    style_forbidden: tuple[str, ...] = ()
    # language of the texts, two letters; empty is that of the texts which stand there: none are generated in English
    # where those are in another language
    style_language: str = ""
    # layers to run on the GPU when the build has one: -1 is all, 0 is none
    n_gpu_layers: int = -1
    # CPU threads for the model; 0 is the physical cores this process may use, at most 8
    threads: int = 0
    # the ledger: empty is .docgen/ledger.db beside the project, else a SQLAlchemy URL
    ledger: str = ""
    # tables to take, as globs over name, schema.name and key; empty is all
    include: tuple[str, ...] = ()
    # tables to leave out, same globs
    exclude: tuple[str, ...] = ()
    # database schemas to read, as globs; empty is all but the system's own
    schemas: tuple[str, ...] = ()
    # dbt: folder of profiles.yml; empty is dbt's own search
    profiles_dir: str = ""
    # dbt: name of the properties file for models without an entry; {dir} is the folder's name
    properties_file: str = "_{dir}__models.yml"
    # dbt: say beside each text where it comes from, `meta: {docgen: {origin, model, confidence, hash}}`; dropped again
    # once a person words the text anew
    provenance: bool = False
    # dbt: markdown file of the project, such as models/docs.md, for texts that three or more columns of one name share;
    # these columns then say {{ doc('name') }}; empty is none
    doc_blocks: str = ""
    # docgen sync: where the texts that hold stand: "yaml" in the dbt project, "database" in the warehouse; empty: say
    # it with --truth
    truth: str = ""
    # docgen sync: SQLAlchemy URL of the warehouse that the dbt project builds
    database: str = ""
    # name written as the reviewer; empty is the system's user name
    reviewer: str = ""


def load_config(folder: Path, overrides: dict[str, Any] | None = None) -> Config:
    """Return the settings for a folder: defaults, then the nearest file upwards, environment, overrides.

    A relative path in the file is relative to the file, anywhere else to the working folder.

    Raises:
        ConfigError: for a file that is not TOML, an unknown key or a value of the wrong type.
    """
    config = Config()
    path, values = _find_file(folder.resolve())
    config = _anchored(_merge(config, values, str(path)), path.parent)
    for spec in fields(Config):
        name = f"DOCGEN_{spec.name.upper()}"
        if name in os.environ:
            config = _merge(config, {spec.name: os.environ[name]}, f"environment variable {name}")
    config = _merge(config, overrides or {}, "command line")
    if config.dictionary not in ("compose", "hint"):
        raise ConfigError(f"setting dictionary: wants compose or hint, found {config.dictionary!r}")
    _one_of("style_capital", config.style_capital, ("keep", "upper", "lower"))
    _one_of("style_final_stop", config.style_final_stop, ("keep", "always", "never"))
    _one_of("style_language", config.style_language, ("", "en", "de", "fr", "es", "pt", "it", "nl"))
    if config.style_max_words < 0:
        raise ConfigError(f"setting style_max_words: wants 0 or more, found {config.style_max_words}")
    if config.truth not in ("", "yaml", "database"):
        raise ConfigError(f"setting truth: wants yaml or database, found {config.truth!r}")
    return config


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        listed = ", ".join(filter(None, allowed))
        raise ConfigError(f"setting {key}: wants one of {listed}, found {value!r}")


def _find_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    for parent in (folder, *folder.parents):
        own = parent / "docgen.toml"
        if own.is_file():
            return own, _read_toml(own)
        project = parent / "pyproject.toml"
        if project.is_file():
            tools = _table(_read_toml(project).get("tool", {}), f"{project}: tool")
            return project, _table(tools.get("docgen", {}), f"{project}: tool.docgen")
    return folder, {}


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} wants a table of settings, found {value!r}")
    return value


def _anchored(config: Config, folder: Path) -> Config:
    """Return the settings of a file in `folder` with its relative paths made absolute."""
    return replace(
        config,
        ledger=_anchored_ledger(config.ledger, folder),
        profiles_dir=_anchored_path(config.profiles_dir, folder),
        glossary=_anchored_path(config.glossary, folder),
        registry=_anchored_path(config.registry, folder),
        cache=_anchored_path(config.cache, folder),
        # any other word is the name that a plugin knows its model by
        model=_anchored_path(config.model, folder)
        if config.model.endswith(".gguf") or (folder / config.model).is_file()
        else config.model,
    )


def _anchored_path(value: str, folder: Path) -> str:
    if not value or value.startswith("~") or _SCHEME.match(value):
        return value
    return str(folder / value)


def _anchored_ledger(value: str, folder: Path) -> str:
    """Return a ledger's address with the relative file of a SQLite URL made absolute, too."""
    scheme, mark, file = value.partition(":///")
    if not (mark and scheme.startswith("sqlite")):
        return _anchored_path(value, folder)
    if not file or file.startswith(("/", ":memory:", "file:")):
        return value
    # a plain file where that says the same: the folder's own name may hold what a URL reads otherwise
    return f"{scheme}:///{folder / file}" if "?" in file else str(folder / file)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as err:
        raise ConfigError(f"{path}: cannot be read as TOML: {err}") from err


def _merge(config: Config, values: dict[str, Any], where: str) -> Config:
    types = get_type_hints(Config)
    for key, value in values.items():
        if key not in types:
            raise ConfigError(f"{where}: unknown setting {key!r}; known: {', '.join(sorted(types))}")
        config = replace(config, **{key: _coerce(key, value, types[key], where)})
    return config


def _coerce(key: str, value: Any, wanted: Any, where: str) -> Any:
    if wanted is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in _YES_OR_NO:
            return _YES_OR_NO[value.strip().lower()]
        raise ConfigError(f"{where}: {key} wants true or false, found {value!r}")
    if wanted is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()):
            return int(value)
        raise ConfigError(f"{where}: {key} wants a whole number, found {value!r}")
    if wanted is str:
        if isinstance(value, str):
            return value
        raise ConfigError(f"{where}: {key} wants a text, found {value!r}")
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ConfigError(f"{where}: {key} wants a list of texts, found {value!r}")
