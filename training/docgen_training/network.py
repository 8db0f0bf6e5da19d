"""The Llama that is trained: its attention over a table's tree, its loss, its optimisers; on the CPU and on CUDA.

On CUDA attention runs as flex attention over the blocks that the tree leaves, compiled; on the CPU as sdpa with an
additive mask, which is the faster there (LOG.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docgen_training.mixture import Batch
from docgen_training.plan import Plan

if TYPE_CHECKING:
    import torch

__all__ = [
    "CARDS",
    "batch_loss",
    "build_model",
    "card_rate",
    "flops_per_token",
    "make_optimizers",
    "tree_blocks",
    "tree_mask",
]

# bf16 without sparsity, TFLOP/s, by the name that CUDA gives: NVIDIA's data sheets
CARDS = (
    ("H200", 989.0),
    ("H100", 989.0),
    ("A100", 312.0),
    ("L40S", 362.0),
    ("A10", 125.0),
    ("L4", 121.0),
    ("T4", 65.0),
)


def build_model(plan: Plan, vocabulary: int, attention: str = "sdpa") -> Any:
    """Return a fresh transformers LlamaForCausalLM of the plan's shape, embeddings tied, float32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(plan.seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=plan.hidden,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads,
        num_key_value_heads=plan.heads,
        intermediate_size=plan.inner,
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    )
    config._attn_implementation = attention
    return LlamaForCausalLM(config)


def tree_mask(tree: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the additive attention mask (B, 1, T, T) of rows: a token sees its table's prefix and its own answer.

    NOTE: additive, so that sdpa and eager attention agree; eager would add a boolean one as 0 and 1 and leak answers.
    """
    import torch

    table, answer = tree // 1000, tree % 1000  # (B, T) int64
    same = table[:, :, None] == table[:, None, :]
    seen = (answer[:, None, :] == 0) | (answer[:, :, None] == answer[:, None, :])
    length = tree.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=tree.device).tril()
    allowed = same & seen & causal
    return torch.zeros(allowed.shape, dtype=dtype, device=tree.device).masked_fill(~allowed, -1e9)[:, None]


def tree_blocks(tree: torch.Tensor) -> Any:
    """Return the same mask as blocks for flex attention: those without an allowed pair are never computed."""
    from torch.nn.attention.flex_attention import create_block_mask

    table, answer = tree // 1000, tree % 1000  # (B, T) int64

    def allowed(b: Any, _head: Any, asking: Any, seen: Any) -> Any:
        inside = (answer[b, seen] == 0) | (answer[b, seen] == answer[b, asking])
        return (asking >= seen) & (table[b, asking] == table[b, seen]) & inside

    rows, length = tree.shape
    return create_block_mask(allowed, rows, None, length, length, device=str(tree.device))


def batch_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Return the mean cross-entropy, nats a target token, of a batch; positions without a target are left out."""
    import torch

    device = batch.tokens.device.type
    blocks = model.config._attn_implementation == "flex_attention"
    mask = tree_blocks(batch.tree) if blocks else tree_mask(batch.tree, torch.bfloat16)
    with torch.autocast(device, dtype=torch.bfloat16):
        hidden = model.model(
            input_ids=batch.tokens, position_ids=batch.positions, attention_mask=mask, use_cache=False
        ).last_hidden_state
        wanted = batch.targets >= 0
        logits = model.lm_head(hidden[wanted])
    return torch.nn.functional.cross_entropy(logits.float(), batch.targets[wanted])


def make_optimizers(model: Any, plan: Plan) -> list[Any]:
    """Return Muon for the matrices of the layers and AdamW for the embedding and the norms."""
    import torch

    matrices = [
        weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name
    ]
    held = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in held]
    return [
        torch.optim.Muon(matrices, lr=plan.learning_rate, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(others, lr=plan.embedding_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def flops_per_token(plan: Plan, vocabulary: int, width: int) -> float:
    """Return the floating-point operations of one training step for a token: 6 a weight, and dense attention's 12 L W T.

    Source: Chowdhery et al., PaLM, appendix B. Blocks that the tree leaves out count as computed, as is usual.
    """
    layer = 4 * plan.hidden**2 + 3 * plan.hidden * plan.inner
    weights = plan.layers * layer + vocabulary * plan.hidden
    return 6.0 * weights + 12.0 * plan.layers * plan.hidden * width


def card_rate() -> tuple[str, float]:
    """Return the CUDA card's name and its bf16 matrix rate in FLOP/s, 0 where it is not known."""
    import torch

    name = torch.cuda.get_device_name()
    return name, next((rate * 1e12 for part, rate in CARDS if part in name), 0.0)
