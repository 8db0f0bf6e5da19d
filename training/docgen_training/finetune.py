"""Fine-tune any causal language model of Hugging Face on documented tables: LoRA or full, merged at the end.

    docgen-train finetune --base Qwen/Qwen2.5-0.5B --data team.jsonl --valid held_out.jsonl --out runs/team

OUT holds `adapter/` (LoRA alone), `merged/` (a whole model), `run.json`, `losses.json`, `losses.png`. Ctrl-C and SIGTERM
keep `checkpoint/`; the same command goes on from there, with the losses of a run that was never stopped.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.files import replace_file
from docgen_training.base_tokens import BaseTokens, context_length
from docgen_training.bases import Base, check_room, find_base, load_weights
from docgen_training.completions import Asking, completions, documented, make_asking
from docgen_training.encode import Prompted
from docgen_training.finetune_loop import Training, train
from docgen_training.finetune_options import FinetuneOptions
from docgen_training.finetune_state import State, data_entry, is_done, run_identity
from docgen_training.packing import Feed, choose_packing, fitting, lay_out
from docgen_training.progress import plot_losses
from docgen_training.provenance import code_commit
from docgen_training.records import read_records

__all__ = ["finetune"]

_RATES = {"lora": 2e-4, "full": 2e-5}  # usual for AdamW; LoRA's: Dettmers et al. 2023, QLoRA, table 9
_BETAS = (0.9, 0.99)
_STATE_BYTES = 12  # a trained weight and AdamW's two moments, f32


def finetune(
    named: str, data: Sequence[Path], valid: Path | None, out: Path, options: FinetuneOptions
) -> Path:
    """Train a base on documented tables, going on from a checkpoint in `out`; return `out`.

    Raises:
        ModelError: when the base, its tokenizer or its chat template cannot be had or used.
        DocgenError: when the data cannot be used, the disk has no room, or `out` holds another run.
        KeyboardInterrupt: after saving, when it was stopped.
    """
    import torch

    torch.set_num_threads(options.threads)
    device = _device(options.device)
    records = documented(data)
    held_out = documented([valid]) if valid else []
    base = find_base(named)
    entries = [data_entry(path, list(read_records(path))) for path in data]
    identity = run_identity(
        {"name": base.name, "revision": base.revision, "sha256": base.sha256},
        entries,
        data_entry(valid, held_out) if valid else None,
        options,
    )
    state = State(out / "checkpoint")
    if is_done(out, identity):
        state.remove()
        return out
    state.kept_layout(identity)  # another run's checkpoint is told before anything large is read
    check_room(out, base.weight_bytes, "the merged model's weights")
    model = load_weights(base)
    tokens = BaseTokens(base, context_length(model.config))
    asking = make_asking(options.prompt, tokens)
    width = min(options.width, tokens.trained_context or options.width)
    tables = _tables(completions(records, asking, options.hints, options.seed), width, model, base)
    held = _tables(completions(held_out, asking, 1.0, options.seed), width, model, base) if held_out else []
    run = _prepare(model, tables, held, width, state, identity, options, device, base)
    stopped = train(run)
    run.save()
    if stopped:
        raise KeyboardInterrupt
    _finish(run, base, asking, out, identity)
    return out


def _device(wanted: str) -> str:
    import torch

    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise DocgenError(
            "--device cuda: this torch sees no CUDA card; leave --device out to train on the CPU"
        )
    return wanted or ("cuda" if found else "cpu")


def _tables(tables: Any, width: int, model: Any, base: Base) -> list[Prompted]:
    """Return the tables whose answers fit, telling of those that do not.

    Raises:
        DocgenError: when none fits, or the tokenizer knows tokens that the model does not.
    """
    kept, dropped = fitting(tables, width)
    if not kept:
        raise DocgenError(f"--width {width}: no table with a question and its answer fits: give a higher one")
    if dropped:
        whole = dropped + sum(len(pairs) for _, pairs in kept)
        told = f"{dropped} of {whole} answers are left out: longer than {width} tokens with their prompts (--width)"
        print(told, file=sys.stderr)
    highest = max(
        max((*shared, *(one for pair in pairs for part in pair for one in part))) for shared, pairs in kept
    )
    rows = model.get_input_embeddings().num_embeddings
    if highest >= rows:
        raise ModelError(
            f"{base.name}: its tokenizer has the token {highest}, its weights end at {rows - 1}: they are not of one model"
        )
    return kept


def _prepare(
    model: Any,
    tables: list[Prompted],
    held: list[Prompted],
    width: int,
    state: State,
    identity: dict[str, Any],
    options: FinetuneOptions,
    device: str,
    base: Base,
) -> Training:
    """Return everything that the loop needs, the checkpoint's state taken over."""
    import torch

    torch.manual_seed(options.seed)
    model = _adapted(_in_precision(model, options), options, base).to(device)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    trained = sum(weight.numel() for weight in weights)
    # the checkpoint stands twice while it is renewed
    check_room(
        state.folder, base.weight_bytes + 2 * _STATE_BYTES * trained, "the run's checkpoint and merged model"
    )
    layout = state.kept_layout(identity) or choose_packing(model, tables, device)
    if not state.path.exists():
        state.begin(identity, layout)
    rate = options.rate or _RATES[options.method]
    groups = [{"params": weights, "lr": rate, "initial_lr": rate}]
    optimizer = torch.optim.AdamW(groups, betas=_BETAS, weight_decay=0.0)
    feed = Feed(lay_out(tables, width, layout), layout, options.rows, options.seed)
    valid = Feed(lay_out(held, width, layout), layout, options.rows, 0) if held else None
    if options.checkpointing:
        with _unwarned():
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            if options.method == "lora":  # frozen embeddings give the first block nothing to go back through
                model.enable_input_require_grads()
    model.train()
    state.load(weights, optimizer, device)
    return Training(model, weights, optimizer, feed, valid, state, options, device)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keep quiet about names that peft and older releases of transformers share and newer ones retire."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _in_precision(model: Any, options: FinetuneOptions) -> Any:
    """Return the model with the weights it is trained from: f32 where they themselves move or bf16 is not wanted."""
    import torch

    if options.precision == "f32" or options.method == "full":
        return model.to(torch.float32)
    return model.to(torch.bfloat16) if model.dtype == torch.float16 else model


def _adapted(model: Any, options: FinetuneOptions, base: Base) -> Any:
    """Return the model with LoRA in its linear layers; the model itself for a full run.

    Raises:
        DocgenError: when no module is named as --targets say.
    """
    if options.method == "full":
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type]  # divided by the rank, whatever number it is
        lora_dropout=options.dropout,
        target_modules=list(options.targets) or "all-linear",
        task_type="CAUSAL_LM",
    )
    try:
        with _unwarned():
            return get_peft_model(model, config)
    except ValueError as err:
        linear = sorted(
            {name.rpartition(".")[2] for name, one in model.named_modules() if "Linear" in type(one).__name__}
        )
        raise DocgenError(
            f"--targets {','.join(options.targets)}: {base.name} has no such modules; it has {', '.join(linear)}"
        ) from err


def _finish(run: Training, base: Base, asking: Asking, out: Path, identity: dict[str, Any]) -> None:
    """Write adapter, merged model, losses and `run.json`; the merged model's name comes last, then the checkpoint goes.

    Raises:
        DocgenError: when the disk refuses; the checkpoint stays and the same command finishes the run.
    """
    part = out / "merged.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        if run.options.method == "lora":
            run.model.save_pretrained(out / "adapter")
        _merged(run, base, out).save_pretrained(part)
        asking.tokens.copy_files(part)
        state = run.state
        losses = {"train": state.losses, "valid": state.valid}
        replace_file(out / "losses.json", json.dumps(losses).encode())
        plot_losses(state.losses, out / "losses.png", state.valid)
        replace_file(out / "run.json", json.dumps(_told(run, identity), indent=1).encode())
        part.replace(out / "merged")
    except (OSError, RuntimeError) as err:
        shutil.rmtree(part, ignore_errors=True)
        raise DocgenError(
            f"{out}: the trained model cannot be written: {str(err).splitlines()[0][:160]}; the checkpoint is kept and "
            "the same command goes on from it"
        ) from err
    run.state.remove()


def _merged(run: Training, base: Base, out: Path) -> Any:
    """Return the whole model in the base's own type.

    LoRA is merged into the base's weights as they are stored, not as they were rounded to train on.
    """
    import torch

    plain = load_weights(base)
    if run.options.method == "full":
        with torch.no_grad():
            trained = dict(run.model.named_parameters())
            for name, weight in plain.named_parameters():
                weight.copy_(trained[name])
        return plain
    from peft import PeftModel

    with _unwarned():
        adapted: Any = PeftModel.from_pretrained(plain, out / "adapter")
    return adapted.merge_and_unload()


def _told(run: Training, identity: dict[str, Any]) -> dict[str, Any]:
    state, options = run.state, run.options
    return {
        "base": identity["base"],
        "prompt": options.prompt,
        "method": options.method,
        "options": asdict(options),
        "layout": run.feed.layout,
        "data": identity["data"],
        "valid": identity["valid"],
        "tokens": state.tokens,
        "steps": state.step,
        "seconds": round(state.spent_s, 1),
        "device": run.device,
        "losses": {
            "last": state.losses[-1][1],
            "train": state.mean,
            "valid": state.valid[-1][1] if state.valid else None,
        },
        "code_commit": code_commit(),
    }
