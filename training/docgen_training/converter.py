"""llama.cpp's own converter, of the very version that the installed llama-cpp-python was built from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from docgen_plugin.errors import ModelError
from docgen_training.checkpoint import Checkpoint
from docgen_training.converter_process import FAILED, NAMED
from docgen_training.own_process import run_module

__all__ = ["convert", "find_converter"]

_FULL = re.compile(r"No space left|File too large|quota|requested and \d+ written")  # the last is numpy's
_EXCEPTION = re.compile(r"[\w.]+(Error|Exception|Interrupt)\b")


def find_converter(cache: Path | None = None) -> Path:
    """Return convert_hf_to_gguf.py of the llama.cpp that the installed llama-cpp-python was built from.

    It is taken from that package's source distribution, once per version.

    Raises:
        ModelError: when the source distribution cannot be had.
    """
    release = version("llama-cpp-python")
    folder = (cache or Path.home() / ".cache" / "docgen-plugin") / f"llama.cpp-{release}"
    script = folder / "convert_hf_to_gguf.py"
    if script.exists():
        return script
    with tempfile.TemporaryDirectory() as scratch:
        wanted = f"llama-cpp-python=={release}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        run = subprocess.run(
            [*command, "--no-binary", "llama-cpp-python", "-d", scratch, wanted],
            capture_output=True,
            text=True,
        )
        found = sorted(Path(scratch).glob("*.tar.gz"))
        if run.returncode or not found:
            raise ModelError(
                f"the source of {wanted}, which holds llama.cpp's converter, cannot be had: {run.stderr[-200:]}"
            )
        folder.mkdir(parents=True, exist_ok=True)
        _unpack(found[0], folder)
    return script


def _unpack(archive: Path, folder: Path) -> None:
    """Copy the converter with the two packages it imports out of the archive; the script itself last."""
    kept: list[tuple[str, bytes]] = []
    with tarfile.open(archive) as members:
        for member in members:
            _, _, name = member.name.partition("/vendor/llama.cpp/")
            if member.isfile() and name.startswith(("conversion/", "gguf-py/gguf/", "convert_hf_to_gguf.py")):
                stream = members.extractfile(member)
                assert stream is not None
                kept.append((name, stream.read()))
    for name, data in sorted(kept, key=lambda pair: pair[0].startswith("convert_hf")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def convert(checkpoint: Checkpoint, out: Path, metadata: Mapping[str, str], split: str = "") -> str:
    """Convert a checkpoint to an F16 GGUF with texts of ours in its metadata.

    `split` names the tokenizer's split where the converter does not know it; empty is by its definition. Return the
    name when it was needed, empty when the converter knew the tokenizer itself.

    Raises:
        ModelError: when the disk is full, or the architecture or the split is unknown to it; else with the exception it ended with.
    """
    _require_kept(checkpoint)
    script = find_converter()
    settings = out.with_suffix(".json")
    settings.write_text(json.dumps({"split": split, "metadata": dict(metadata)}), "utf-8")
    run = run_module("docgen_training.converter_process", script, checkpoint.model, out, settings)
    lines = run.stderr.strip().splitlines() or ["no output"]
    if run.returncode == FAILED:
        raise ModelError(_refusal(checkpoint, lines[-1]))
    if run.returncode or not out.exists():
        # a bar of progress may be the last that it wrote
        telling = [line for line in lines if _EXCEPTION.match(line)] or lines
        if _FULL.search(telling[-1]):
            raise ModelError(
                f"{out.parent}: no room was left on the disk while converting: {telling[-1][:200]}"
            )
        raise ModelError(f"{checkpoint.folder}: llama.cpp's converter failed: {telling[-1][:300]}")
    return next((line.removeprefix(NAMED) for line in lines if line.startswith(NAMED)), "")


def _require_kept(checkpoint: Checkpoint) -> None:
    """Refuse an MPT with what its converter does not write and llama.cpp computes as every published MPT has it.

    conversion/mpt.py writes a norm's epsilon of 1e-5 whatever the model has, and no scale of the attention.

    Raises:
        ModelError: naming the setting.
    """
    if checkpoint.architecture.lower() != "mptforcausallm":
        return
    held = json.loads((checkpoint.model / "config.json").read_text("utf-8"))
    attention = held.get("attn_config") or {}
    changed = {
        "layer_norm_epsilon": held.get("layer_norm_epsilon", 1e-5) != 1e-5,
        "attn_config.softmax_scale": attention.get("softmax_scale") is not None,
        "attn_config.alibi": attention.get("alibi") is False,
    }
    for name, is_changed in changed.items():
        if is_changed:
            raise ModelError(
                f"{checkpoint.model / 'config.json'}: has its own {name}, which a GGUF of MPT cannot hold: its text would "
                "differ; take another base"
            )


def _refusal(checkpoint: Checkpoint, why: str) -> str:
    release = version("llama-cpp-python")
    if why == "architecture":
        return (
            f"{checkpoint.folder}: the converter of llama-cpp-python {release} does not know the architecture "
            f"{checkpoint.architecture}: take another base, or a newer llama-cpp-python"
        )
    return (
        f"{checkpoint.folder}: its tokenizer splits text in a way that the converter of llama-cpp-python {release} does "
        "not recognise, nor is it the definition of a family known here: take another base, a newer llama-cpp-python, "
        "or name the family with --split, for instance llama-bpe, qwen2 or gpt-2 (its token ids are compared before "
        "anything is written)"
    )
