"""A finished model -> a registry's folder or a hub, with its manifest and card.

docgen-train publish shop.gguf --to /mnt/models --run run.json --scores scores.json
docgen-train publish shop.gguf --to hf://acme/docgen-shop --private
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docgen_plugin import hub, manifest
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.files import digest, replace_file
from docgen_plugin.manifest import Base, DataSet, Manifest, headline
from docgen_plugin.model_folders import check_space, copy_checked, place
from docgen_plugin.registry import CARD

__all__ = [
    "describe",
    "next_version",
    "publish",
    "read_object",
    "render_card",
    "trained_on",
    "write_manifest",
]

_LEFT_OUT = (
    "outputs",
    "seed",
    "model",
)  # of the scores: what a card shows, and what the manifest says elsewhere


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of a run.

    Raises:
        DocgenError: when it cannot be read or is none.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise DocgenError(f"{path}: cannot be read as JSON: {err}") from err
    if not isinstance(values, dict):
        raise DocgenError(f"{path}: wants a JSON object")
    return values


def trained_on(text: str) -> dict[str, Any]:
    """Return a set of a run's `data` for a file of records and its licences, FILE=LICENCES.

    Raises:
        DocgenError: when the file cannot be read, or no licence is named.
    """
    from docgen_training.records import read_records

    name, _, licenses = text.rpartition("=")
    path = Path(name)
    if not name or not licenses.strip() or not path.is_file():
        raise DocgenError(f"--data {text}: wants FILE=LICENCES, for instance ours.jsonl.xz=MIT,CC0-1.0")
    return {
        "path": name,
        "sha256": digest(path),
        "records": sum(1 for _ in read_records(path)),
        "licenses": [one.strip() for one in licenses.split(",")],
    }


def describe(
    gguf: Path, run: Mapping[str, Any], scores: Mapping[str, Any], name: str = "", version: str = "1"
) -> Manifest:
    """Return the manifest of a GGUF: what its own metadata says, and what the run and its scores add.

    Raises:
        DocgenError: when the file is no GGUF, or the run is not what it should be.
    """
    told = _metadata(gguf)
    adapter = told.get("general.type") == "adapter"
    made = Manifest(
        name=name or told.get("general.name") or gguf.stem,
        version=version,
        file=gguf.name,
        sha256=digest(gguf),
        size=gguf.stat().st_size,
        kind="adapter" if adapter else "model",
        grammar=told.get("docgen.grammar", ""),
        license=told.get("general.license", ""),
        base=_base(told, run, adapter),
        data=_data(told, run),
        code_commit=str(run.get("code_commit") or told.get("docgen.code_commit", "")),
        configuration=_configuration(told, run),
        scores={key: value for key, value in scores.items() if key not in _LEFT_OUT},
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return manifest.parse(manifest.render(made), str(gguf))


def _metadata(gguf: Path) -> dict[str, str]:
    """Return the text metadata of a GGUF."""
    from gguf import GGUFReader, GGUFValueType

    try:
        fields = GGUFReader(gguf).fields.values()
        return {one.name: str(one.contents()) for one in fields if one.types[:1] == [GGUFValueType.STRING]}
    except (OSError, ValueError, KeyError, IndexError) as err:
        raise DocgenError(f"{gguf}: cannot be read as GGUF: {err}") from err


def _base(told: Mapping[str, str], run: Mapping[str, Any], adapter: bool) -> Base | None:
    given = run.get("base")
    values = given if isinstance(given, dict) else {"name": given} if given else {}
    name = str(values.get("name") or told.get("docgen.base") or told.get("general.base_model.0.name", ""))
    sha256 = str(values.get("sha256") or told.get("docgen.base_sha256", ""))
    if not name and not sha256:
        return None
    if Path(name).is_file() and (adapter or not sha256):
        sha256 = sha256 or digest(Path(name))
    # a folder of somebody's machine means nothing elsewhere
    named = name if name.startswith(hub.SCHEME) or not Path(name).is_absolute() else Path(name).name
    return Base(
        named or sha256[:12], str(values.get("revision") or told.get("docgen.base_revision", "")), sha256
    )


def _data(told: Mapping[str, str], run: Mapping[str, Any]) -> tuple[DataSet, ...]:
    given = run.get("data")
    if given is None:
        hashes = [one.strip() for one in told.get("docgen.data_sha256", "").split(",") if one.strip()]
        licenses = tuple(one.strip() for one in told.get("docgen.data_license", "").split(",") if one.strip())
        return tuple(DataSet(f"data {number}", one, licenses) for number, one in enumerate(hashes, 1))
    if not isinstance(given, list) or not all(isinstance(one, dict) and one.get("path") for one in given):
        raise DocgenError("the run's `data` wants a list of objects with path, sha256, records and licenses")
    return tuple(
        DataSet(
            Path(str(one["path"])).name,
            str(one.get("sha256", "")),
            tuple(str(license) for license in one.get("licenses", ())),
            int(one.get("records", 0)),
        )
        for one in given
    )


def _configuration(told: Mapping[str, str], run: Mapping[str, Any]) -> dict[str, Any]:
    if run:
        own = {key: value for key, value in run.items() if key not in ("base", "data", "code_commit")}
        if own:
            return own
    try:
        # files exported before the key had its present name tell the plan alone
        plan = json.loads(told.get("docgen.run") or told.get("docgen.plan") or "{}")
    except ValueError:
        return {}
    return plan if isinstance(plan, dict) else {}


def write_manifest(gguf: Path, made: Manifest) -> Path:
    """Write the manifest beside its GGUF and return its path.

    Raises:
        DocgenError: when it cannot be written.
    """
    path = gguf.parent / manifest.FILE
    try:
        replace_file(path, manifest.render(made))
    except OSError as err:
        raise DocgenError(f"{path}: cannot be written: {err.strerror or err}") from err
    return path


def next_version(to: str, name: str) -> str:
    """Return the whole number after the versions that a registry's folder or a hub's repository has of a model."""
    if to.startswith(hub.SCHEME):
        try:
            last = hub.look(hub.parse(to)).manifest
        except ModelError:
            last = None  # no such repository yet; what else is wrong the upload will say
        taken = [last.version] if last else []
    else:
        own = Path(to).expanduser() / name
        taken = [one.name for one in own.iterdir()] if own.is_dir() else []
    numbers = [int(found[0]) for found in (re.match(r"\d+", one) for one in taken) if found]
    return str(max(numbers, default=0) + 1)


def publish(gguf: Path, made: Manifest, to: str, private: bool = False) -> str:
    """Publish a model with manifest and card; return the reference that `docgen model use` takes.

    In a folder a version is never replaced. On a hub every publication is one commit.

    Raises:
        DocgenError: when it cannot be written or the hub refuses; nothing half-published is left.
    """
    if to.startswith(hub.SCHEME):
        target = hub.parse(to)
        if target.revision or target.file:
            raise DocgenError(f"{to}: wants hf://owner/name: a revision or a file is not published to")
        files: dict[str, Path | bytes] = {
            made.file: gguf,
            manifest.FILE: manifest.render(made),
            "README.md": render_card(made).encode(),
        }
        return str(hub.upload(target.repository, files, f"{made.name} {made.version}", private))
    root = Path(to).expanduser()
    if "://" in to or (root.exists() and not root.is_dir()):
        raise DocgenError(f"{to}: wants a folder or hf://owner/name")
    check_space(root, made.size)

    def fill(folder: Path) -> None:
        copy_checked(gguf, folder / made.file, made.sha256)
        (folder / CARD).write_text(render_card(made), encoding="utf-8")

    place(root, made, fill)
    return f"{made.name}@{made.version}"


def render_card(made: Manifest) -> str:
    """Return a model's card: Markdown with the front matter that hubs read (license, base_model, tags)."""
    import yaml

    front: dict[str, Any] = {"tags": ["docgen", "gguf", *(["lora"] if made.kind == "adapter" else [])]}
    if made.license:
        front["license"] = made.license
    if made.base and made.base.name.removeprefix(hub.SCHEME).count("/") == 1:
        front["base_model"] = made.base.name.removeprefix(hub.SCHEME).partition("@")[0]
        front["base_model_relation"] = "adapter" if made.kind == "adapter" else "finetune"
    lines = [
        "---",
        yaml.safe_dump(front, sort_keys=True, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {made.name} {made.version}",
        "",
        "Writes descriptions of undocumented tables and columns; made for "
        "`docgen model use`, see docgen-plugin.",
        "",
        f"- File: `{made.file}`, {made.size / 1e6:,.1f} MB, SHA-256 `{made.sha256}`",
        f"- Kind: {made.kind}" + (f", grammar `{made.grammar}`" if made.grammar else ""),
        f"- Licence of the weights: {made.license or 'not stated'}",
        f"- Base: {_named(made.base)}",
        f"- Code: {f'commit `{made.code_commit}`' if made.code_commit else 'not stated'}",
        f"- Made: {made.created_at}",
        "",
        "## Data",
        "",
        *(_data_lines(made) or ["Not stated."]),
        "",
        "## Scores",
        "",
        *_score_lines(made),
        "",
        "## Configuration",
        "",
        "```json",
        json.dumps(made.configuration, indent=1, ensure_ascii=False),
        "```",
        "",
    ]
    return "\n".join(lines)


def _named(base: Base | None) -> str:
    if base is None:
        return "none: trained from scratch, or not stated"
    revision, sha256 = (
        base.revision and f" at `{base.revision}`",
        base.sha256 and f", SHA-256 `{base.sha256}`",
    )
    return f"{base.name}{revision}{sha256}"


def _data_lines(made: Manifest) -> list[str]:
    if not made.data:
        return []
    rows = [
        f"| {one.name} | {one.tables or ''} | {', '.join(one.licenses)} | {one.sha256 and f'`{one.sha256}`'} |"
        for one in made.data
    ]
    return ["| set | tables | licences | SHA-256 |", "|---|---|---|---|", *rows]


def _score_lines(made: Manifest) -> list[str]:
    systems = made.scores.get("systems")
    if not isinstance(systems, dict) or not systems:
        return ["Not measured."]
    from docgen_training.card import score_table

    return [f"`docgen suggest`: {headline(made)}.", "", *score_table(systems)]
