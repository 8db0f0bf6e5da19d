"""What the tests of registry and hub share: small files that stand for models, their manifests, and a hub of one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docgen_plugin import canary, manifest, registry
from docgen_plugin.config import Config
from docgen_plugin.manifest import Manifest
from docgen_plugin.model_folders import Kept, place
from tests.hub_server import TOKEN, Hub, hub_server

__all__ = ["candidate", "hub", "hub_files", "located", "made", "model_settings", "put"]


def made(content: bytes, name: str = "shop", version: str = "1", **more: Any) -> Manifest:
    """Return the manifest of a model with this content."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Manifest(name, version, f"{name}.gguf", sha256, len(content), **more)


def put(root: Path, content: bytes, name: str = "shop", version: str = "1", **more: Any) -> Kept:
    """Put a model into a registry's folder."""
    stated = made(content, name, version, **more)

    def fill(folder: Path) -> None:
        (folder / stated.file).write_bytes(content)

    return place(root, stated, fill)


def hub_files(content: bytes, name: str = "shop", **more: Any) -> dict[str, bytes]:
    """Return the files of a hub's repository that holds a model."""
    return {f"{name}.gguf": content, manifest.FILE: manifest.render(made(content, name, **more))}


def candidate(folder: Path) -> Any:
    """Return what `canary.running` finds; a test knows whether there is one."""
    return canary.running(folder)


def located(reference: str, config: Config, fresh: bool = False) -> Any:
    """Return what `registry.locate` finds; a test knows whether that has a path and a manifest."""
    return registry.locate(reference, config, fresh)


@pytest.fixture
def model_settings(tmp_path, monkeypatch) -> Config:
    """Return settings with a registry and a cache of one's own, the registry's folder made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "registry").mkdir()
    monkeypatch.setenv("DOCGEN_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("DOCGEN_CACHE", str(tmp_path / "cache"))
    _own_hub_cache(tmp_path, monkeypatch)
    return Config(registry=str(tmp_path / "registry"), cache=str(tmp_path / "cache"))


def _own_hub_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))


@pytest.fixture
def hub(tmp_path, monkeypatch, model_settings) -> Iterator[Hub]:
    """Run a hub and point the client at it: the process reads its environment only once."""
    from huggingface_hub import close_session, constants

    with hub_server() as server:
        values = {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
            "AGENT_HARNESSES_PATH": str(tmp_path / "harnesses.json"),
        }
        for name, value in values.items():
            monkeypatch.setattr(constants, name, value, raising=False)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        try:
            yield server
        finally:
            close_session()
