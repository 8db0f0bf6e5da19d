"""A folder that can be exported: a transformers checkpoint, ours or anybody's, or what `docgen-train finetune` left."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError, ModelError

__all__ = ["Checkpoint", "Tensor", "open_checkpoint", "read_shapes"]

_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json")
_TORCH_FILES = ("pytorch_model*.bin", "model*.bin")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One weight as its file's header tells it."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder of one model, with what its run told."""

    folder: Path  # the one that was named
    model: Path  # of config.json and the weights; not there yet when an adapter is still to be merged
    architecture: str  # as transformers calls it, "LlamaForCausalLM"; empty with an adapter
    run: Mapping[str, Any]  # run.json, {} without one
    plan: Mapping[str, Any]  # plan.json of `pretrain`, {} without one
    adapter: Path | None = None  # what is to be merged first
    told: Mapping[str, str] = field(
        default_factory=dict
    )  # docgen.json of `finetune`: the GGUF takes it as it is

    @property
    def is_own(self) -> bool:
        """Whether its vocabulary has the marks of our own grammar."""
        from docgen_training.vocabulary import Vocabulary

        path = self.model / "tokenizer.model"
        try:
            return path.is_file() and bool(Vocabulary(path).marks)
        except DocgenError:
            return False


def open_checkpoint(folder: Path) -> Checkpoint:
    """Return what a folder holds: `merged/` of a fine-tuning run, else its adapter, else a plain checkpoint.

    Raises:
        ModelError: when it is no checkpoint, or lacks its weights or its tokenizer, or a file of it is cut short.
    """
    run, plan = _json(folder / "run.json"), _json(folder / "plan.json")
    for adapter in (folder / "adapter", folder):
        if (adapter / "adapter_config.json").is_file() and not (folder / "merged" / "config.json").is_file():
            run = run or _json(folder.parent / "run.json")
            return Checkpoint(folder, adapter, "", run, plan, adapter)
    model = folder / "merged" if (folder / "merged" / "config.json").is_file() else folder
    config = _json(model / "config.json")
    if not config:
        raise ModelError(
            f"{folder}: no checkpoint: it wants a config.json beside the weights, or be the output folder of "
            "`docgen-train pretrain` or `docgen-train finetune`"
        )
    architectures = config.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        raise ModelError(
            f"{model / 'config.json'}: names no architecture: save the model with transformers' save_pretrained"
        )
    read_shapes(model)
    if not any((model / name).is_file() for name in _TOKENIZERS):
        raise ModelError(
            f"{model}: has no tokenizer: put the base's tokenizer.json or tokenizer.model beside the weights"
        )
    return Checkpoint(folder, model, str(architectures[0]), run, plan, told=_json(model / "docgen.json"))


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise ModelError(f"{path}: cannot be read as JSON: {err}") from err
    if not isinstance(found, dict):
        raise ModelError(f"{path}: holds no JSON object")
    return found


def read_shapes(model: Path) -> list[Tensor]:
    """Return the weights of a checkpoint by the headers of its safetensors files; none are loaded.

    Weights in PyTorch's older files have no header that can be read without loading: then one tensor of the
    file's size in halves stands for each file.

    Raises:
        ModelError: when there are no weights, a shard is missing, or a file is cut short.
    """
    files = sorted(model.glob("*.safetensors"))
    wanted = set(_json(model / "model.safetensors.index.json").get("weight_map", {}).values())
    if missing := wanted - {path.name for path in files}:
        raise ModelError(
            f"{model}: the weights are not all there, {min(missing)} is missing: download the folder again"
        )
    if not files:
        older = sorted(path for pattern in _TORCH_FILES for path in model.glob(pattern))
        if not older:
            raise ModelError(
                f"{model}: has no weights (*.safetensors or pytorch_model*.bin beside config.json)"
            )
        return [Tensor(path.name, (1, path.stat().st_size // 2)) for path in older]
    return [tensor for path in files for tensor in _header(path)]


def _header(path: Path) -> list[Tensor]:
    """Return the tensors of one safetensors file: 8 bytes of length, a JSON header, the data.

    The format: https://huggingface.co/docs/safetensors/index#format
    """
    cut = f"{path}: is cut short or damaged: copy or download it again"
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ModelError(cut)
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        tensors = [Tensor(name, tuple(entry["shape"])) for name, entry in header.items()]
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except OSError as err:
        raise ModelError(f"{path}: cannot be read: {err.strerror or err}") from err
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise ModelError(cut) from err
    if path.stat().st_size < 8 + length + end or not all(math.prod(one.shape) >= 0 for one in tensors):
        raise ModelError(cut)
    return tensors
