"""The base of a fine-tuning: a Hugging Face folder on the disk or on the hub, and its weights.

Everything is loaded from a local folder; what the hub holds is fetched into its own cache first. Code that comes with
a model is never run.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError, ModelError

__all__ = ["Base", "check_room", "find_base", "first_line", "load_weights", "quiet_transformers"]

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_OTHERS = ("*.json", "tokenizer.model", "*.tiktoken", "merges.txt", "vocab.txt", "*.jinja")


@dataclass(frozen=True, slots=True)
class Base:
    """One base in a local folder."""

    name: str  # as it was named, without the revision
    revision: str  # the hub's commit, "" for a folder
    folder: Path
    sha256: str  # of the weights' index, or of their one file
    weight_bytes: int


def find_base(named: str) -> Base:
    """Return the base that a folder's path or a name on the hub stands for, fetched if need be.

    Raises:
        ModelError: when there is no such folder or model, it may not be had, or it holds no model.
        DocgenError: when the disk has no room to fetch it.
    """
    path = Path(named).expanduser()
    if path.is_file():
        raise ModelError(
            f"{named}: is a file: a base is a Hugging Face folder (config.json, weights, tokenizer), or a name on the hub"
        )
    name, revision, folder = named, "", path
    if not path.is_dir():
        name, _, wanted = named.partition("@")
        if named.startswith((".", "/", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise ModelError(f"{named}: no such folder, and no name on the hub (owner/name): check --base")
        folder, revision = _fetch(name, wanted)
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{named}: has no config.json: a base is a Hugging Face folder with config, weights, tokenizer"
        )
    weights = _weight_files(folder)
    if not weights:
        raise ModelError(f"{named}: holds no weights (model.safetensors or its parts): name a whole model")
    index = next(iter(sorted(folder.glob("*.index.json"))), None) if len(weights) > 1 else weights[0]
    with (index or weights[0]).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Base(name, revision, folder, digest, sum(one.stat().st_size for one in weights))


def _weight_files(folder: Path) -> list[Path]:
    for pattern in _WEIGHTS:
        found = sorted(folder.glob(pattern))
        if found:
            return found
    return []


def _fetch(name: str, revision: str) -> tuple[Path, str]:
    """Bring a model of the hub into the hub's cache; return its folder and commit."""
    from huggingface_hub import errors as hub

    place = f"https://huggingface.co/{name}"
    # what carries its requests has changed from release to release: its own name for their base error has not
    unreachable: tuple[type[Exception], ...] = (getattr(hub, "HTTPError", OSError), OSError)
    try:
        return _downloaded(name, revision or None)
    except hub.GatedRepoError as err:
        raise ModelError(
            f"{name}: its owner asks who uses it: accept the terms at {place}, then log in with `hf auth login`"
        ) from err
    except hub.RevisionNotFoundError as err:
        raise ModelError(f"{name}: has no revision {revision!r}: see {place}/commits/main") from err
    except hub.RepositoryNotFoundError as err:
        raise ModelError(
            f"{name}: no such folder, and the hub shows no such model: check the name; for a private one log in "
            "with `hf auth login`"
        ) from err
    except hub.HFValidationError as err:
        raise ModelError(f"{name}: no such folder, and no name that the hub can have: check --base") from err
    except unreachable as err:
        kept = _cached(name, revision or None)
        if kept is not None:
            return kept
        raise ModelError(
            f"{name}: no such folder, and it cannot be fetched from the hub: {first_line(err)}; try again, or name a "
            "folder"
        ) from err


def _downloaded(name: str, revision: str | None) -> tuple[Path, str]:
    from huggingface_hub import HfApi, constants, snapshot_download

    known = HfApi().model_info(name, revision=revision, files_metadata=True)
    sizes = {one.rfilename: one.size or 0 for one in known.siblings or () if "/" not in one.rfilename}
    safe = any(file.endswith(".safetensors") for file in sizes)
    weights = _WEIGHTS[0 if safe else 1]
    wanted = sum(size for file, size in sizes.items() if Path(file).match(weights))
    cached = _cached(name, known.sha)
    if cached is None or not _weight_files(cached[0]):
        check_room(Path(constants.HF_HUB_CACHE), wanted, "the base's files")
    folder = Path(
        snapshot_download(
            name, revision=revision, allow_patterns=[weights, *_OTHERS], ignore_patterns=["*/*"]
        )
    )
    return folder, folder.name


def _cached(name: str, revision: str | None) -> tuple[Path, str] | None:
    """Return a model's folder in the hub's cache with its commit, None where it was never fetched."""
    from huggingface_hub import errors as hub
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (hub.LocalEntryNotFoundError, OSError, ValueError):
        return None
    return folder, folder.name


def first_line(err: Exception) -> str:
    """Return the first line of what an error says, its class where it says nothing."""
    return (str(err).strip().splitlines() or [type(err).__name__])[0][:200]


def check_room(folder: Path, wanted: int, what: str) -> None:
    """Check that the disk under a folder, which need not be there yet, has `wanted` bytes left.

    Raises:
        DocgenError: when it has not.
    """
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise DocgenError(
            f"{folder}: the disk has {_size(free)} left, {what} take {_size(wanted)}: make room or choose another place"
        )


def _size(count: int) -> str:
    """Return a number of bytes in words.

    >>> _size(12_400_000), _size(3_000_000_000)
    ('12 MB', '3.0 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def load_weights(base: Base) -> Any:
    """Return the base's causal language model on the CPU, in the type its weights are stored in.

    Raises:
        ModelError: when the architecture is unknown or needs code of its own, or weights are missing or damaged.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    quiet_transformers()
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            base.folder, dtype="auto", trust_remote_code=False, output_loading_info=True
        )
        model, told = loaded
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        ImportError,
        SafetensorError,
    ) as err:
        raise ModelError(f"{base.name}: {_loading_fault(str(err))}") from err
    missing = sorted(told["missing_keys"])
    if missing:
        raise ModelError(f"{base.name}: its files lack weights, first {missing[0]}: fetch the model again")
    if model.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise ModelError(
            f"{base.name}: its weights are {model.dtype}: fine-tune the model it was quantised from"
        )
    if getattr(model, "hf_quantizer", None) is not None:
        raise ModelError(f"{base.name}: is quantised: fine-tune the model it was made from")
    return model


def quiet_transformers() -> None:
    """Keep transformers from warning and from drawing bars of its own."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _loading_fault(said: str) -> str:
    if "trust_remote_code" in said or "custom code" in said:
        return "needs code of its own, which is not run: choose a model that transformers knows"
    if "Unrecognized configuration class" in said:
        return "is no model that continues a text: choose a causal language model (Llama, Qwen, MPT, ...)"
    lines = said.strip().splitlines() or ["no reason given"]
    return f"cannot be loaded: {lines[0][:200]}"
