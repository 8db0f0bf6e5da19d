"""The embedded model in a team's own voice: a LoRA adapter of 4 MB beside it, in minutes on a CPU.

    docgen-train finetune --base embedded --data ours.jsonl --valid held.jsonl --out runs/acme
    docgen suggest . --model runs/acme/adapter.gguf

The texts are learnt as plain answers, so the team's voice becomes the model's. What the defaults rest on: LOG.md, "Fine-tuning
for one team".
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from docgen_plugin.errors import DocgenError
from docgen_plugin.files import digest, replace_file
from docgen_plugin.model_files import default_model
from docgen_plugin.prompt import GRAMMAR
from docgen_training.encode import Recipe, encode_records
from docgen_training.finetune_loop import Training, train
from docgen_training.finetune_options import FinetuneOptions
from docgen_training.finetune_state import State, data_entry, is_done, run_identity
from docgen_training.lora import Lora, write_adapter
from docgen_training.network import build_model
from docgen_training.packing import Feed
from docgen_training.plan import Plan
from docgen_training.progress import plot_losses
from docgen_training.provenance import code_commit
from docgen_training.records import Record, read_records
from docgen_training.vocabulary import Vocabulary
from docgen_training.voice import voice_words
from docgen_training.warm_start import WarmStart

__all__ = ["EMBEDDED", "finetune_embedded"]

# found on two repositories that are not among those judged: LOG.md
EMBEDDED = FinetuneOptions(
    rank=64, alpha=64.0, dropout=0.0, epochs=8, width=512, rows=4, accumulate=1, hints=0.8
)
_RATES = {"lora": 2e-3, "full": 1e-3}
_ANSWERS = 99  # of a table in one pass: all
_WIDEST = 512  # tokens of a row: what the engine serves
_ADAPTER = "adapter.gguf"


def finetune_embedded(data: Sequence[Path], valid: Path | None, out: Path, options: FinetuneOptions) -> Path:
    """Train until the passes or the time are over, going on from a checkpoint in `out`; return `out`.

    It then holds `adapter.gguf` (method "lora"), `merged/` for `docgen-train export`, `run.json`, `losses.json` and
    `losses.png`. Ctrl-C and SIGTERM save what was reached; the same call goes on from there.

    Raises:
        DocgenError: when a file cannot be read or says nothing, `out` holds another run, or the device is not there.
        KeyboardInterrupt: after saving, when it was stopped.
    """
    import torch

    device = _device(options)
    torch.set_num_threads(options.threads)
    base = default_model()
    read = {path: list(read_records(path)) for path in (*data, *([valid] if valid else []))}
    entries = {path: data_entry(path, records) for path, records in read.items()}
    for path, entry in entries.items():
        if not entry["columns"]:
            raise DocgenError(f"{path}: no column in it has a description: there is nothing to learn from")
    identity = run_identity(
        {"name": base.stem, "sha256": digest(base)},
        [entries[path] for path in data],
        entries[valid] if valid else None,
        options,
    )
    state = State(out / "checkpoint")
    if is_done(out, identity):
        state.remove()
        return out
    if not state.kept_layout(identity):
        state.begin(identity, "tree")
    start = WarmStart(base)
    vocabulary = Vocabulary(start.write_tokenizer(state.folder / "tokenizer.model"))
    model = _network(start).to(device)
    lora = _lora(model, options) if options.method == "lora" else None
    weights = lora.parameters() if lora else list(model.parameters())
    rate = options.rate or _RATES[options.method]
    groups = [{"params": weights, "lr": rate, "initial_lr": rate}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)
    learnt = [record for path in data for record in read[path]]
    feed = _FreshFeed(learnt, vocabulary, options)
    check = Feed(feed.encoded(read[valid]), "tree", options.rows, 0) if valid else None
    model.train()
    state.load(weights, optimizer, device)
    run = Training(model, weights, optimizer, feed, check, state, options, device)
    stopped = train(run)
    run.save()
    if stopped:
        raise KeyboardInterrupt
    _finish(run, lora, start, learnt, out, identity)
    return out


def _device(options: FinetuneOptions) -> str:
    import torch

    if options.checkpointing:
        raise DocgenError("--checkpointing: the embedded model is too small to need it; leave it out")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise DocgenError(
            "--device cuda: this torch sees no CUDA card; leave --device out to train on the CPU"
        )
    return options.device or ("cuda" if torch.cuda.is_available() else "cpu")


def _network(start: WarmStart) -> Any:
    shape = start.shape
    plan = Plan(hidden=shape.hidden, layers=shape.layers, heads=shape.heads, inner=shape.inner)
    model = build_model(plan, shape.vocabulary)
    model.load_state_dict(start.weights())
    return model


def _lora(model: Any, options: FinetuneOptions) -> Lora:
    return Lora(model, options.rank, options.alpha, options.seed, options.dropout, options.targets)


class _FreshFeed(Feed):
    """The data's rows, encoded anew for every pass: in another order, with other hints, other tables in a row."""

    def __init__(self, records: Sequence[Record], vocabulary: Vocabulary, options: FinetuneOptions) -> None:
        self._records, self._vocabulary, self._options = records, vocabulary, options
        super().__init__(self.encoded(records), "tree", options.rows, options.seed)

    def encoded(self, records: Sequence[Record], number: int = 0) -> dict[str, Any]:
        """Return the rows of one pass, four (N, width) int32 arrays."""
        options = self._options
        recipe = Recipe(hint_chance=options.hints, answers=_ANSWERS)
        width = min(options.width, _WIDEST)
        return encode_records(records, self._vocabulary, recipe, width, options.seed + number).arrays()

    def _ordered(self, epoch: int) -> list[Any]:
        self.rows = self.encoded(self._records, epoch)
        self.lengths = (self.rows["tree"] >= 0).sum(axis=1)
        draw = np.random.default_rng([self._options.seed, epoch])
        # a pass may have a row more or less than the first: all have the same number of batches
        cut = np.array_split(draw.permutation(len(self.lengths)), self.batches)
        return [picks if len(picks) else cut[0] for picks in cut]


def _finish(
    run: Training,
    lora: Lora | None,
    start: WarmStart,
    records: Sequence[Record],
    out: Path,
    identity: Mapping[str, Any],
) -> None:
    """Write adapter, merged model, losses and `run.json`; the merged model's name comes last, then the checkpoint goes.

    Raises:
        DocgenError: when the disk refuses; the checkpoint stays and the same command finishes the run.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    part = out / "merged.part"
    shutil.rmtree(part, ignore_errors=True)
    told = _told(run, identity)
    metadata = _metadata(told, start, records)
    try:
        if lora:
            write_adapter(lora, out / _ADAPTER, out.resolve().name, metadata)
        _merged(run, lora, start).save_pretrained(part)
        start.write_tokenizer(part / "tokenizer.model")
        replace_file(part / "docgen.json", json.dumps(metadata, indent=1).encode())
        losses = {"train": run.state.losses, "valid": run.state.valid}
        replace_file(out / "losses.json", json.dumps(losses).encode())
        plot_losses(run.state.losses, out / "losses.png", run.state.valid)
        replace_file(out / "run.json", json.dumps(told, indent=1, ensure_ascii=False).encode())
        part.replace(out / "merged")
    except (OSError, RuntimeError) as err:
        shutil.rmtree(part, ignore_errors=True)
        raise DocgenError(
            f"{out}: the trained model cannot be written: {str(err).splitlines()[0][:160]}; the checkpoint is kept and "
            "the same command goes on from it"
        ) from err
    run.state.remove()


def _merged(run: Training, lora: Lora | None, start: WarmStart) -> Any:
    if lora is None:
        return run.model.to("cpu")
    whole = _network(start)
    whole.load_state_dict(lora.merged())
    return whole


def _told(run: Training, identity: Mapping[str, Any]) -> dict[str, Any]:
    state = run.state
    return {
        "base": identity["base"],
        "method": run.options.method,
        "options": asdict(run.options),
        "data": identity["data"],
        "valid": identity["valid"],
        "tokens": state.tokens,
        "steps": state.step,
        "seconds": round(state.spent_s, 1),
        "device": run.device,
        "losses": {
            "train": state.mean,
            "valid_before": state.valid[0][1] if state.valid else None,
            "valid": state.valid[-1][1] if state.valid else None,
        },
        "code_commit": code_commit(),
    }


def _metadata(told: Mapping[str, Any], start: WarmStart, records: Sequence[Record]) -> dict[str, str]:
    """Return what the GGUF says of itself: its base, its data, their licences, the words of the team's voice."""
    hashes = sorted(one["sha256"] for one in told["data"])
    licenses = sorted({license for one in told["data"] for license in one["licenses"]})
    return {
        "docgen.grammar": GRAMMAR,
        "docgen.base_name": told["base"]["name"],
        "docgen.base_sha256": told["base"]["sha256"],
        "docgen.base_bytes": str(start.path.stat().st_size),
        "docgen.data_sha256": ", ".join(hashes),
        "docgen.data_license": ", ".join(licenses),
        "docgen.code_commit": told["code_commit"],
        "docgen.plan": json.dumps(told["options"]),
        "docgen.words": " ".join(voice_words(records)),
    }
