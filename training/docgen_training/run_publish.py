"""The last step of a run: the gate, and the registry for a model that passes it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_training.run_config import RunConfig
from docgen_training.run_judge import SERVED, shortfalls

__all__ = ["publish_model", "read_publication"]


def read_publication(path: Path) -> dict[str, Any]:
    """Return what a run has registered, empty when it has nothing."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def publish_model(config: RunConfig, gguf: Path, run: Path, scores: Path, out: Path) -> Mapping[str, Any]:
    """Register the model of a run and write what was registered to `out`; return it.

    A model that the registry already has, to the byte, keeps its version: a run that was killed after registering
    registers nothing twice.

    Raises:
        DocgenError: when the scores do not meet what the file requires, or the registry cannot be written.
    """
    from docgen_training.publish import describe, next_version, publish, read_object

    found = read_object(scores)
    _hold_to(found, config.publish.require)
    told: dict[str, Any] = {}
    registry = config.publish.registry
    if registry:
        made = describe(gguf, read_object(run), found["after"], config.name, config.publish.version or "1")
        version = _registered(registry, config, made.sha256)
        if not version:
            made = replace(made, version=config.publish.version or next_version(registry, config.name))
            publish(gguf, made, registry)
            version = made.version
        told = _told(registry, config.name, version)
    out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def _hold_to(scores: Mapping[str, Any], require: str) -> None:
    before, after = (scores[name]["systems"][SERVED] for name in ("before", "after"))
    short = shortfalls(before, after, require)
    if short:
        raise DocgenError(
            f"not registered: [publish] require is {require!r}, and after the training {'; '.join(short)}: "
            "give it more or better texts, other [finetune] settings, or require less"
        )


def _registered(registry: str, config: RunConfig, sha256: str) -> str:
    """Return the version under which a registry's folder has the very model, "" for none."""
    from docgen_plugin.model_folders import versions

    if "://" in registry or not Path(registry, config.name).is_dir():
        return ""
    for one in versions(Path(registry), config.name)[0]:
        wanted = config.publish.version in ("", one.manifest.version)
        if wanted and one.manifest.sha256 == sha256:
            return one.manifest.version
    return ""


def _told(registry: str, name: str, version: str) -> dict[str, Any]:
    if "://" in registry:
        return {"reference": registry, "registry": registry, "use": f"docgen model use {registry}"}
    return {
        "reference": f"{name}@{version}",
        "registry": registry,
        "folder": str(Path(registry, name, version)),
        "use": f"DOCGEN_REGISTRY={shlex.quote(registry)} docgen model use {name}@{version}",
    }
