"""An adapter of a fine-tuning run and its base -> one plain checkpoint, as `docgen-train finetune` leaves in merged/."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ModelError
from docgen_training.base_tokens import BaseTokens, context_length
from docgen_training.bases import find_base, first_line, load_weights
from docgen_training.checkpoint import Checkpoint, open_checkpoint

__all__ = ["base_folder", "merge_adapter"]


def base_folder(checkpoint: Checkpoint, named: Path | None = None) -> Path:
    """Return the folder of the base that an adapter stands on: the one named, else the one its run names.

    A base of the hub is taken from the local cache alone: an export downloads no gigabytes unasked.

    Raises:
        ModelError: when it is nowhere on this machine.
    """
    assert checkpoint.adapter is not None
    if named is not None:
        return named
    base: Mapping[str, Any] = checkpoint.run.get("base") or {}
    name = str(base.get("name") or _adapter_base(checkpoint.adapter))
    for folder in (Path(name), checkpoint.folder / name):
        if name and (folder / "config.json").is_file():
            return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=base.get("revision") or None, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError, ValueError) as err:
        raise ModelError(
            f"{checkpoint.adapter}: the base {name or '(none named)'} of this adapter is not on this machine: name its "
            "folder with --base"
        ) from err


def _adapter_base(adapter: Path) -> str:
    try:
        return str(
            json.loads((adapter / "adapter_config.json").read_text("utf-8"))["base_model_name_or_path"]
        )
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{adapter / 'adapter_config.json'}: is no adapter of peft: {err!r}") from err


def merge_adapter(checkpoint: Checkpoint, folder: Path, out: Path) -> Checkpoint:
    """Write base and adapter as one plain checkpoint to `out`, tokenizer included; return it.

    Raises:
        ModelError: when the base is not the one that the adapter was trained on, or the two do not fit.
    """
    from peft import PeftModel

    assert checkpoint.adapter is not None
    open_checkpoint(folder)  # a shard that is missing or cut short is told before anything is loaded
    base = find_base(str(folder))
    trained_on = (checkpoint.run.get("base") or {}).get("sha256")
    if trained_on and trained_on != base.sha256:
        raise ModelError(
            f"{checkpoint.adapter}: was trained on other weights than {folder} has (SHA-256 {trained_on[:12]}, here "
            f"{base.sha256[:12]}): name its own base with --base"
        )
    plain = load_weights(base)
    tokens = BaseTokens(base, context_length(plain.config))
    try:
        with warnings.catch_warnings():
            # peft asks transformers by a name that is going out of use
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            adapted: Any = PeftModel.from_pretrained(plain, checkpoint.adapter)
        adapted.merge_and_unload().save_pretrained(out)
    except (ValueError, OSError, RuntimeError, KeyError) as err:
        raise ModelError(f"{checkpoint.adapter}: does not fit the base {folder}: {first_line(err)}") from err
    tokens.copy_files(out)
    if (folder / "README.md").is_file():  # the converter reads the licence in it
        (out / "README.md").write_bytes((folder / "README.md").read_bytes())
    return replace(open_checkpoint(out), folder=checkpoint.folder, run=checkpoint.run)
