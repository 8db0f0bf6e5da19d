"""A trained checkpoint -> GGUF: llama.cpp's own converter, our metadata, quantisation, a parity check.

docgen-train export training/runs/base --name docgen-base --out docgen_plugin/models/docgen-base.gguf
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError, ModelError

__all__ = ["Parity", "add_metadata", "check_parity", "convert", "export", "find_converter", "quantise"]

# llama_ftype of llama.h
_QUANTISATIONS = {"F16": 1, "Q8_0": 7, "Q4_0": 2, "Q4_K_M": 15}


@dataclass(frozen=True, slots=True)
class Parity:
    """How many prompts gave the same greedy tokens in transformers and in llama.cpp."""

    prompts: int
    same: int
    differing: tuple[str, ...]  # the prompts that did not
    gaps: tuple[float, ...]  # for each: nats between the two tokens where they part, by the reference


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


def convert(checkpoint: Path, out: Path) -> Path:
    """Convert a transformers checkpoint to an F16 GGUF; return its path.

    Raises:
        ModelError: with the converter's last line, when it fails.
    """
    script = find_converter()
    run = subprocess.run(
        [sys.executable, str(script), str(checkpoint), "--outfile", str(out), "--outtype", "f16"],
        capture_output=True,
        text=True,
    )
    if run.returncode or not out.exists():
        last = (run.stderr.strip().splitlines() or ["no output"])[-1]
        raise ModelError(f"{checkpoint}: llama.cpp's converter failed: {last}")
    return out


def add_metadata(path: Path, out: Path, values: Mapping[str, str]) -> None:
    """Copy a GGUF, adding or replacing text metadata."""
    import gguf

    reader = gguf.GGUFReader(path)
    architecture = reader.fields[gguf.Keys.General.ARCHITECTURE].contents()
    writer = gguf.GGUFWriter(out, architecture)
    for field in reader.fields.values():
        if (
            field.name.startswith("GGUF.")
            or field.name in values
            or field.name == gguf.Keys.General.ARCHITECTURE
        ):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    for key, value in values.items():
        writer.add_string(key, value)
    for tensor in reader.tensors:
        writer.add_tensor_info(
            tensor.name, tensor.data.shape, tensor.data.dtype, tensor.data.nbytes, tensor.tensor_type
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:
        writer.write_tensor_data(tensor.data)
    writer.close()


def quantise(path: Path, out: Path, kind: str) -> None:
    """Write a quantised copy of an F16 GGUF; `kind` is one of F16, Q8_0, Q4_0, Q4_K_M.

    Raises:
        DocgenError: for an unknown kind.
        ModelError: when llama.cpp refuses.
    """
    import llama_cpp

    if kind not in _QUANTISATIONS:
        raise DocgenError(f"unknown quantisation {kind!r}; known: {', '.join(_QUANTISATIONS)}")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = _QUANTISATIONS[kind]
    params.nthread = 2
    status = llama_cpp.llama_model_quantize(str(path).encode(), str(out).encode(), params)
    if status:
        raise ModelError(f"{path}: llama.cpp could not quantise it to {kind} (status {status})")


def check_parity(
    checkpoint: Path, gguf_path: Path, prompts: Sequence[Sequence[int]], most_tokens: int = 48
) -> Parity:
    """Compare greedy continuations of token prompts between transformers and llama.cpp, one prompt at a time."""
    import torch
    from llama_cpp import Llama
    from transformers import LlamaForCausalLM

    # the GGUF holds F16 weights: both sides compute from the same rounded numbers
    reference: Any = LlamaForCausalLM.from_pretrained(checkpoint)
    reference.half().float().eval()
    # an F16 cache rounds what the reference does not: two near answers may then change places
    engine = Llama(str(gguf_path), n_ctx=2048, n_gpu_layers=0, verbose=False, type_k=0, type_v=0)
    end = engine.token_eos()
    differing: list[str] = []
    gaps: list[float] = []
    for prompt in prompts:
        with torch.inference_mode():
            whole = reference.generate(
                torch.tensor([list(prompt)]),
                max_new_tokens=most_tokens,
                do_sample=False,
                eos_token_id=end,
                pad_token_id=end,
            )
        wanted = whole[0, len(prompt) :].tolist()
        found: list[int] = []
        for token in engine.generate(list(prompt), temp=0.0, top_k=1, repeat_penalty=1.0):
            found.append(token)
            if token == end or len(found) == most_tokens:
                break
        if found != wanted:
            gaps.append(_gap(reference, prompt, wanted, found))
            differing.append(engine.detokenize(list(prompt), special=True).decode("utf-8", "replace"))
    return Parity(len(prompts), len(prompts) - len(differing), tuple(differing), tuple(gaps))


def _gap(reference: Any, prompt: Sequence[int], wanted: list[int], found: list[int]) -> float:
    """Return how much surer the reference is of its own token than of the engine's where they first part, nats."""
    import torch

    at = next(
        (index for index, pair in enumerate(zip(wanted, found, strict=False)) if pair[0] != pair[1]), None
    )
    if at is None:
        return float("inf")
    with torch.inference_mode():
        logits = reference(torch.tensor([[*prompt, *wanted[:at]]])).logits[0, -1]
    return float(logits[wanted[at]] - logits[found[at]])


def export(
    checkpoint: Path, out: Path, name: str, quantisation: str, metadata: Mapping[str, str]
) -> dict[str, Any]:
    """Write the GGUF with its metadata; return its size in bytes and SHA-256.

    Raises:
        ModelError: when conversion or quantisation fails; nothing is left at `out` then.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        plain, tagged, final = (Path(scratch) / f"{stage}.gguf" for stage in ("plain", "tagged", "final"))
        convert(checkpoint, plain)
        add_metadata(plain, tagged, {"general.name": name, **metadata})
        quantise(tagged, final, quantisation) if quantisation != "F16" else tagged.replace(final)
        final.replace(out)
    data = out.read_bytes()
    return {
        "file": out.name,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "quantisation": quantisation,
    }


def checkpoint_metadata(checkpoint: Path) -> dict[str, str]:
    """Return the lineage that a pretrained checkpoint's folder tells: its plan as one line of JSON."""
    plan = checkpoint / "plan.json"
    return {"docgen.plan": json.dumps(json.loads(plan.read_text()))} if plan.exists() else {}
