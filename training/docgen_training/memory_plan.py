"""What fine-tuning a base takes, computed from its shape: memory by part, and time from operations.

Nothing is run or loaded. tests/benchmarks/finetune_memory.py lays the same figures beside real steps of models that
fit a small machine; training/LOG.md, "What a 7B base needs", has its table. Per token means per position of the rows,
padding included: `docgen-train finetune` computes rows x width positions at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from docgen_training.base_shape import BaseShape, Matrix

__all__ = ["Memory", "Run", "largest_rows", "lora_weights", "memory", "operations_per_token"]

_F32 = 4
_ADAMW_STATES = 2  # first and second moment; Loshchilov and Hutter, Decoupled weight decay regularization
_ATTENTION_RECOMPUTED = (
    0.5  # the backward of fused attention computes the scores again: Dao, FlashAttention-2, 3.1
)


@dataclass(frozen=True, slots=True)
class Run:
    """The settings of a run that its memory and time depend on; those of `docgen-train finetune`."""

    method: str = "lora"  # or "full"
    rank: int = 16
    targets: tuple[str, ...] = ()  # ends of the names of the modules that get LoRA; empty: every linear layer
    dropout: float = 0.05  # of what goes into LoRA
    rows: int = 4  # computed at once
    width: int = 1024  # tokens a row
    precision: str = (
        "bf16"  # of the weights and the computation, or "f32"; what is trained is kept in float32
    )
    checkpointing: bool = False
    target_share: float = 1.0  # share of the positions that are targets
    cuda: bool = True

    @property
    def tokens(self) -> int:
        """Return the positions computed at once."""
        return self.rows * self.width

    @property
    def bytes(self) -> int:
        """Return the bytes of a number of the computation."""
        return 2 if self.precision == "bf16" else _F32


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes by part, at the moment of a step when most is held."""

    weights: int
    trained: int  # LoRA's weights or the float32 copy, their gradients and AdamW's two moments
    activations: int  # what the forward keeps for the backward
    logits: int  # of the positions with a target, at the loss
    workspace: int  # gradients and copies of the one block that is computed

    @property
    def total(self) -> int:
        """Return the peak: the loss and the backward of a block are not at the same time."""
        return self.weights + self.trained + self.activations + max(self.logits, self.workspace)


def adapted(shape: BaseShape, run: Run) -> tuple[Matrix, ...]:
    """Return the linear layers of a block that get LoRA."""
    if run.method != "lora":
        return ()
    return tuple(one for one in shape.matrices() if not run.targets or one.name.endswith(run.targets))


def lora_weights(shape: BaseShape, run: Run) -> int:
    """Return LoRA's weights: two matrices of the rank for every layer that gets it.

    Source: Hu et al., LoRA, section 4.1.
    """
    return shape.layers * sum(run.rank * (one.inputs + one.outputs) for one in adapted(shape, run))


def memory(shape: BaseShape, run: Run) -> Memory:
    """Return the bytes of one training step, by part."""
    block = _block_activations(shape, run)
    workspace = _block_workspace(shape, run)
    if run.checkpointing:
        # a block's input each, and the one block that is computed again: torch.utils.checkpoint
        kept = shape.layers * run.bytes * shape.hidden
        workspace += block
    else:
        kept = shape.layers * block
    kept += (
        _F32 + run.bytes
    ) * shape.hidden  # the last norm's copy and the hidden states given to the output layer
    mask = run.rows * run.width**2 * run.bytes
    return Memory(
        weights=_weight_bytes(shape, run),
        trained=_trained_bytes(shape, run),
        activations=run.tokens * kept + mask,
        logits=_logit_bytes(shape, run),
        workspace=run.tokens * workspace,
    )


def _weight_bytes(shape: BaseShape, run: Run) -> int:
    return shape.parameters() * (run.bytes if run.method == "lora" else _F32)


def _trained_bytes(shape: BaseShape, run: Run) -> int:
    """Return what AdamW needs in float32: weight, gradient and two moments; a fully trained weight is counted already."""
    copy = run.bytes if run.precision == "bf16" else 0  # that autocast keeps of what is trained
    if run.method == "lora":
        return lora_weights(shape, run) * (_F32 * (2 + _ADAMW_STATES) + copy)
    return shape.parameters() * (_F32 * (1 + _ADAMW_STATES) + copy)


def _logit_bytes(shape: BaseShape, run: Run) -> int:
    """Return the bytes at the loss: log-probabilities, their gradient and the gradient of the logits, float32 each.

    The logits themselves and their float32 copy are gone by then; together they are smaller.
    """
    return int(run.tokens * run.target_share * shape.vocabulary * 3 * _F32)


def _block_activations(shape: BaseShape, run: Run) -> int:
    """Return the bytes a token that one block keeps for its backward.

    Counted from transformers' modules: what each operation saves for the gradients that are wanted. A frozen linear
    layer saves nothing of its input.
    """
    size, hidden, wide = run.bytes, shape.hidden, shape.queries
    full = run.method == "full"
    if shape.gated:
        kept = 2 * _F32 * hidden  # each RMSNorm computes in float32 and keeps that copy
        kept += (
            4 * size * wide + _F32 * shape.heads
        )  # queries, keys and values of every head, the output, row sums
        kept += 3 * size * shape.inner  # gate, its activation, up
        kept += (
            size * (4 * hidden + shape.inner) if full else 0
        )  # inputs of linear layers, normed inputs of the norms
    else:
        kept = 2 * (_F32 * hidden + 2 * _F32)  # each LayerNorm's input in float32, its mean and deviation
        kept += 3 * size * hidden  # queries, keys, values
        # attention is not fused: probabilities in float32 and in the precision of the values
        kept += shape.heads * run.width * (_F32 + (size if size != _F32 else 0))
        kept += size * shape.inner
        kept += size * (3 * hidden + shape.inner) if full else 0
    return kept + sum(_adapter_activations(one, run) for one in adapted(shape, run))


def _adapter_activations(one: Matrix, run: Run) -> int:
    """Return the bytes a token that LoRA of one layer keeps.

    peft makes a float32 copy of the input and drops from it; autocast rounds what is left for the product.
    """
    kept = run.bytes * (one.inputs + run.rank)
    if run.dropout:
        kept += (1 if run.cuda else _F32) * one.inputs  # the mask: bytes on CUDA, numbers on the CPU
    return kept


def _block_workspace(shape: BaseShape, run: Run) -> int:
    """Return the bytes a token that the backward of a block holds beside what was kept: gradients of its widest part."""
    size = run.bytes
    gradients = size * ((3 if shape.gated else 2) * shape.inner + 2 * shape.hidden)
    if not shape.gated:
        gradients = max(gradients, shape.heads * run.width * (2 * _F32 + size))
    widest = max((one.inputs for one in adapted(shape, run)), default=0)
    return gradients + 2 * _F32 * widest


def largest_rows(shape: BaseShape, run: Run, room: int) -> int:
    """Return the most rows whose step fits into `room` bytes, 0 when not even one does."""
    most = 0
    while most < 4096 and memory(shape, replace(run, rows=most + 1)).total <= room:
        most += 1
    return most


def operations_per_token(shape: BaseShape, run: Run) -> float:
    """Return the floating-point operations of a training step for one token of a row.

    A matrix takes 2 a weight forward and 4 backward, 2 of them only where the weight itself is trained; attention,
    dense over the row, 4 x width x heads' width forward and 2.5 times that backward; with checkpointing the
    blocks' forward once more.
    Source: Chowdhery et al., PaLM, appendix B, split by what is trained.
    """
    matrices = 2.0 * shape.layers * shape.block_weights()
    attention = 4.0 * shape.layers * run.width * shape.queries
    # packing.answer_losses computes logits wherever any row has a target
    computed = 1.0 - (1.0 - run.target_share) ** run.rows
    head = 2.0 * shape.vocabulary * shape.hidden * computed
    frozen = 1.0 if run.method == "lora" else 2.0
    backward = frozen * (matrices + head) + (2.0 + _ATTENTION_RECOMPUTED) * attention
    again = matrices + attention if run.checkpointing else 0.0
    adapter = 6.0 * lora_weights(shape, run) + (2.0 * lora_weights(shape, run) if run.checkpointing else 0.0)
    return matrices + attention + head + backward + again + adapter
