"""An adapter of a fine-tuning run and its base -> one plain checkpoint, as `docgen-train finetune` leaves in merged/."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ModelError
from docgen_training.checkpoint import Checkpoint, open_checkpoint

__all__ = ["find_base", "merge_adapter"]

# what belongs to a model beside config and weights; of the base also its card, for the licence
_BESIDE = ("*token*", "vocab.*", "merges.txt", "chat_template*")


def find_base(checkpoint: Checkpoint, named: Path | None = None) -> Path:
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


def merge_adapter(checkpoint: Checkpoint, base: Path, out: Path) -> Checkpoint:
    """Write base and adapter as one plain checkpoint to `out`, tokenizer included; return it.

    Raises:
        ModelError: when base and adapter do not fit.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    assert checkpoint.adapter is not None
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    open_checkpoint(base)  # what is wrong with the base is told in our words
    try:
        plain: Any = AutoModelForCausalLM.from_pretrained(base, dtype="auto")
        with torch.no_grad(), warnings.catch_warnings():
            # peft asks transformers by a name that is going out of use
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            merged = PeftModel.from_pretrained(plain, checkpoint.adapter).merge_and_unload()
        merged.save_pretrained(out)
    except (ValueError, OSError, RuntimeError, KeyError) as err:
        raise ModelError(
            f"{checkpoint.adapter}: does not fit the base {base}: {str(err).splitlines()[0][:200]}"
        ) from err
    # copied as they are: saved anew they may come out otherwise, and the converter prefers tokenizer.model
    for source, patterns in ((base, (*_BESIDE, "README.md")), (checkpoint.adapter, _BESIDE)):
        for path in (path for pattern in patterns for path in source.glob(pattern)):
            (out / path.name).write_bytes(path.read_bytes())
    found = open_checkpoint(out)
    return replace(found, folder=checkpoint.folder, run=checkpoint.run)
