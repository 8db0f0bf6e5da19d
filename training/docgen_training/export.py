"""A checkpoint of any architecture that llama.cpp's converter knows -> GGUF: merge, convert, quantise, say where it is from.

docgen-train export training/runs/base --name docgen-base --out docgen_plugin/models/docgen-base.gguf
"""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docgen_plugin
from docgen_plugin import compact
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.files import digest
from docgen_plugin.llama_native import NativeModel
from docgen_plugin.prompt import GRAMMAR
from docgen_training.checkpoint import Checkpoint, open_checkpoint, read_shapes
from docgen_training.converter import convert
from docgen_training.merge import base_folder, merge_adapter
from docgen_training.parity import check_tokens, make_strings
from docgen_training.provenance import code_commit
from docgen_training.quantise import KINDS, Quantised, estimate_bytes, quantise, read_types
from docgen_training.synthesize import synthesize

__all__ = ["Order", "describe", "export"]

_STRINGS = 10_000
_SPARE_BYTES = 32 << 20  # beside the estimate: vocabulary, metadata, what else is written meanwhile


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted of an export beside the file."""

    name: str = ""  # general.name; empty is docgen-base for our own, else the folder's
    quantisation: str = "Q8_0"
    version: str = ""  # general.version; empty is the run's own, else the package's
    license: str = ""  # of the weights; empty is Apache-2.0 for our own, else what the base's model card says
    data_license: str = ""  # of the training data; empty is what the run tells
    split: str = ""  # llama.cpp's name of the tokenizer's split; empty is found out
    base: Path | None = None  # of an adapter; empty is found by the run


def export(folder: Path, out: Path, order: Order) -> dict[str, Any]:
    """Write a checkpoint as GGUF with its lineage; return file, bytes, SHA-256, quantisation and the tensors' types.

    Everything is made in a folder beside `out` and moved there when whole: a file that stood there stands until then.

    Raises:
        DocgenError: when there is too little disk space, or the place cannot be written to.
        ModelError: when the folder is no checkpoint, or conversion, quantisation or the check of the tokenizer fails.
    """
    if order.quantisation not in KINDS:
        raise DocgenError(f"unknown quantisation {order.quantisation!r}; known: {', '.join(KINDS)}")
    checkpoint = open_checkpoint(folder)
    base = base_folder(checkpoint, order.base) if checkpoint.adapter else None
    with _scratch(out) as scratch, _stopped_by_sigterm():
        _require_space(base or checkpoint.model, out, order.quantisation, merging=base is not None)
        if base is not None:
            checkpoint = merge_adapter(checkpoint, base, scratch / "merged")
        plain = scratch / "f16.gguf"
        split = convert(checkpoint, plain, describe(checkpoint, order), order.split)
        _require_same_tokens(checkpoint, plain, split)
        final = plain
        if order.quantisation != "F16":
            final = scratch / "quantised.gguf"
            quantise(plain, final, order.quantisation)
        types = read_types(final, order.quantisation)
        told = _told(out, final, order.quantisation, types, split)
        final.replace(out)
    return told


@contextmanager
def _scratch(out: Path) -> Iterator[Path]:
    """Give a folder beside `out`, so that the finished file can be moved into place; gone afterwards in any case."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            yield Path(scratch)
    except OSError as err:
        raise DocgenError(f"{out}: cannot be written: {err.strerror or err}") from err


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Take SIGTERM for Ctrl-C while the block runs, so that what is half done is cleared away."""

    def stop(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    try:
        kept = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: signals go elsewhere
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, kept)


def _require_space(model: Path, out: Path, kind: str, merging: bool) -> None:
    tensors = read_shapes(model)
    plain, final = estimate_bytes(tensors, "F16"), estimate_bytes(tensors, kind)
    parts = {"the F16 file": plain}
    if kind != "F16":
        parts[f"the {kind} file"] = final
    if merging:
        parts["the merged checkpoint"] = sum(path.stat().st_size for path in model.iterdir())
    needed, free = sum(parts.values()) + _SPARE_BYTES, shutil.disk_usage(out.parent).free
    if needed > free:
        told = " and ".join(f"{size / 1e6:,.0f} MB for {what}" for what, size in parts.items())
        raise DocgenError(
            f"{out.parent}: too little disk space: {told} are needed while it is made, {free / 1e6:,.0f} MB are free: "
            "make room or name another --out"
        )


def _require_same_tokens(checkpoint: Checkpoint, plain: Path, split: str) -> None:
    """Load the file as it will be used; prove a split that the converter's hash did not know by token ids."""
    if not split:
        NativeModel(plain, n_gpu_layers=0).close()
        return
    found = check_tokens(checkpoint, plain, make_strings(synthesize(300, seed=11), _STRINGS))
    if found.first is not None:
        raise ModelError(
            f"{checkpoint.folder}: with the split {split} llama.cpp gives other token ids than the tokenizer for "
            f"{found.differing} of {found.strings} texts, first for {found.first.text[:60]!r}: take another base, or "
            "another --split"
        )


def _told(out: Path, final: Path, kind: str, types: Quantised, split: str) -> dict[str, Any]:
    return {
        "file": out.name,
        "bytes": final.stat().st_size,
        "sha256": digest(final),
        "quantisation": kind,
        "types": types.types,
        "fallbacks": [asdict(one) for one in types.fallbacks],
        **({"split": split} if split else {}),
    }


def describe(checkpoint: Checkpoint, order: Order) -> dict[str, str]:
    """Return the metadata of ours: name, version, licences, grammar, and the lineage that the run's files tell."""
    run, own = checkpoint.run, checkpoint.is_own
    data = run.get("data") or []
    licenses = sorted({str(one) for source in data for one in source.get("licenses") or ()})
    values: dict[str, str] = {
        **checkpoint.told,
        "general.name": order.name or ("docgen-base" if own else checkpoint.folder.resolve().name),
        "general.version": order.version or str(run.get("version") or docgen_plugin.__version__),
        "general.license": order.license or str(run.get("license") or ("apache-2.0" if own else "")),
        "docgen.grammar": _grammar(run, own),
        "docgen.data_license": order.data_license or ", ".join(licenses),
        "docgen.data_sha256": ", ".join(str(source["sha256"]) for source in data if source.get("sha256")),
        "docgen.code_commit": str(run.get("code_commit") or code_commit()),
        **_base(run.get("base") or {"name": checkpoint.plan.get("start")}),
        "docgen.run": _short(run, checkpoint.plan),
    }
    return {key: value for key, value in values.items() if value}


def _grammar(run: Mapping[str, Any], own: bool) -> str:
    if prompt := run.get("prompt"):
        return compact.GRAMMAR if prompt == "compact" else ""
    return GRAMMAR if own else ""


def _base(base: Mapping[str, Any]) -> dict[str, str]:
    name = str(base.get("name") or "")
    return {
        # a folder of somebody's machine means nothing elsewhere
        "docgen.base": Path(name).name if Path(name).is_absolute() else name,
        "docgen.base_revision": str(base.get("revision") or ""),
        "docgen.base_sha256": str(base.get("sha256") or ""),
    }


def _short(run: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Return what the run was told as one line of JSON, without what stands in keys of its own, its time, its losses and
    where its files lie.

    The same weights give the same file, to the byte.
    """
    left_out = {"data", "base", "code_commit", "license", "seconds", "losses", "valid"}
    kept = {key: value for key, value in run.items() if key not in left_out}
    found = {**kept, **({"plan": dict(plan)} if plan else {})}
    return json.dumps(found, ensure_ascii=False) if found else ""
