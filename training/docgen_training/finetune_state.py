"""A fine-tuning run on disk: the checkpoint it goes on from, and the description that tells whose checkpoint it is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_plugin.files import replace_file
from docgen_training.finetune_options import FinetuneOptions
from docgen_training.records import Record

__all__ = ["State", "data_entry", "differences", "is_done", "run_identity"]

# these change where and how fast a run computes, not what comes out of it
_FREE = ("checkpointing", "device", "save_minutes", "threads")


def data_entry(path: Path, records: Sequence[Record]) -> dict[str, Any]:
    """Return what `run.json` says of one file of data: its digest and what it holds."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    columns = sum(bool(column.description.strip()) for record in records for column in record.table.columns)
    licenses = sorted({record.license for record in records if record.license})
    return {
        "path": str(path),
        "sha256": digest,
        "records": len(records),
        "columns": columns,
        "licenses": licenses,
    }


def run_identity(
    base: Mapping[str, str],
    data: Sequence[Mapping[str, Any]],
    valid: Mapping[str, Any] | None,
    options: FinetuneOptions,
) -> dict[str, Any]:
    """Return what makes a run this run, as JSON would give it back."""
    settings = {name: value for name, value in asdict(options).items() if name not in _FREE}
    described = {"base": base, "options": settings, "data": data, "valid": valid}
    found: dict[str, Any] = json.loads(json.dumps(described))
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what differs between two runs' descriptions, [] where nothing does.

    >>> differences({"options": {"rank": 16}, "data": []}, {"options": {"rank": 8}, "data": []})
    ['--rank 16, now 8']
    """
    told = [
        f"--{name.replace('_', '-')} {before['options'].get(name)}, now {value}"
        for name, value in now["options"].items()
        if before["options"].get(name) != value
    ]
    kept_base, base = before.get("base") or {}, now.get("base") or {}
    if kept_base.get("sha256") != base.get("sha256"):
        told.append(f"--base {kept_base.get('name')}, now {base.get('name')} (other weights)")
    for option in ("data", "valid"):
        kept, found = (_digests(one.get(option)) for one in (before, now))
        if list(kept.values()) != list(found.values()):  # a file may have moved
            changed = [path for path, digest in found.items() if digest not in kept.values()]
            gone = [path for path, digest in kept.items() if digest not in found.values()]
            named = [f"{path} is new or changed" for path in changed] + [
                f"{path} is missing" for path in gone
            ]
            told.append(f"--{option}: {', '.join(named) or 'another order'}")
    return told


def is_done(out: Path, identity: Mapping[str, Any]) -> bool:
    """Return whether this very run is finished in a folder.

    Raises:
        DocgenError: when another one is, or the folder cannot hold a run.
    """
    if out.exists() and not out.is_dir():
        raise DocgenError(f"{out}: is a file; name a folder with --out")
    try:
        before = json.loads((out / "run.json").read_text("utf-8"))
        told = differences(before, identity)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        if (out / "merged").exists():
            raise DocgenError(
                f"{out}: holds a merged model of another run: name another --out, or remove it"
            ) from None
        return False
    if told:
        raise DocgenError(
            f"{out}: holds a finished run with {'; '.join(told)}: name another --out, or remove this one"
        )
    return (out / "merged").is_dir()


def _digests(entries: Any) -> dict[str, str]:
    listed = entries if isinstance(entries, list) else [entries] if entries else []
    return {entry["path"]: entry["sha256"] for entry in listed}


@dataclass(slots=True)
class State:
    """How far a run is; `folder` is OUT/checkpoint."""

    folder: Path
    step: int = 0
    spent_s: float = 0.0
    tokens: int = 0  # computed, prefixes included
    mean: float = 0.0  # running mean of the loss, nats a target token
    losses: list[tuple[int, float]] = field(default_factory=list)  # (tokens, loss of one step)
    valid: list[tuple[int, float]] = field(
        default_factory=list
    )  # (tokens, loss on the data that is not learnt)

    @property
    def path(self) -> Path:
        """The file of weights, optimiser and counters."""
        return self.folder / "state.pt"

    def kept_layout(self, identity: Mapping[str, Any]) -> str:
        """Return the layout that the checkpoint's run is trained in, "" without a checkpoint.

        Raises:
            DocgenError: when the checkpoint belongs to a run with other data or settings, naming them.
        """
        if not self.path.exists():
            return ""
        try:
            before = json.loads(self._described.read_text("utf-8"))
            told, layout = differences(before, identity), str(before["layout"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
            raise DocgenError(
                f"{self._described}: cannot be read ({err!r:.120}): remove {self.folder} to start anew, or name another "
                "--out"
            ) from err
        if told:
            raise DocgenError(
                f"{self.folder}: was begun with {'; '.join(told)}: give the same again, or name another --out"
            )
        return layout

    def begin(self, identity: Mapping[str, Any], layout: str) -> None:
        """Describe the run beside the checkpoint that it will have."""
        self.folder.mkdir(parents=True, exist_ok=True)
        replace_file(self._described, json.dumps({**identity, "layout": layout}, indent=1).encode())

    @property
    def _described(self) -> Path:
        return self.folder / "run.json"

    def load(self, weights: Sequence[Any], optimizer: Any, device: str) -> None:
        """Go on from the checkpoint, if there is one: weights, optimiser, counters, random numbers.

        Raises:
            DocgenError: when it cannot be read.
        """
        import torch

        if not self.path.exists():
            return
        try:
            kept = torch.load(self.path, weights_only=True, map_location="cpu")
            with torch.no_grad():
                for weight, value in zip(weights, kept["weights"], strict=True):
                    weight.copy_(value)
            optimizer.load_state_dict(kept["optimizer"])
            torch.set_rng_state(kept["random"])
            if device == "cuda" and kept["random_cuda"] is not None:
                torch.cuda.set_rng_state(kept["random_cuda"])
        except (RuntimeError, KeyError, ValueError, EOFError, OSError, UnpicklingError) as err:
            raise DocgenError(
                f"{self.path}: cannot go on from it: {str(err).splitlines()[0][:120]}; remove {self.folder} to start "
                "anew, or name another --out"
            ) from err
        self.step, self.spent_s, self.tokens = kept["step"], kept["spent_s"], kept["tokens"]
        self.mean = kept["mean"]
        self.losses = [tuple(pair) for pair in kept["losses"]]
        self.valid = [tuple(pair) for pair in kept["valid"]]

    def save(self, weights: Sequence[Any], optimizer: Any, device: str) -> None:
        """Write the checkpoint; the one before it stands until this one is whole.

        Raises:
            DocgenError: when the disk refuses.
        """
        import torch

        part = self.path.with_suffix(".part")
        try:
            torch.save(
                {
                    "weights": [weight.detach() for weight in weights],
                    "optimizer": optimizer.state_dict(),
                    "random": torch.get_rng_state(),
                    "random_cuda": torch.cuda.get_rng_state() if device == "cuda" else None,
                    "step": self.step,
                    "spent_s": self.spent_s,
                    "tokens": self.tokens,
                    "mean": self.mean,
                    "losses": self.losses,
                    "valid": self.valid,
                },
                part,
            )
            part.replace(self.path)
        except (OSError, RuntimeError) as err:  # torch tells a full disk as a RuntimeError
            part.unlink(missing_ok=True)
            raise DocgenError(
                f"{self.folder}: the checkpoint cannot be written: {str(err).splitlines()[0][:120]}; make room, the "
                "same command goes on from the last one"
            ) from err

    def remove(self) -> None:
        """Delete the checkpoint of a run that is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
