"""The Llama that is trained: both kinds of attention see the same tree, and the loss looks at answers alone."""

from dataclasses import replace

import numpy as np
import pytest
from docgen_training.encode import Recipe, encode_records
from docgen_training.mixture import Batch
from docgen_training.network import (
    batch_loss,
    build_model,
    flops_per_token,
    make_optimizers,
    tree_blocks,
    tree_mask,
)
from docgen_training.plan import Plan
from docgen_training.synthesize import synthesize
from docgen_training.vocabulary import Vocabulary, train_vocabulary

PLAN = Plan(hidden=64, layers=2, heads=2, inner=96)
SIZE, WIDTH = 900, 600


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """Two rows of several tables each, the last one with padding."""
    import torch

    folder = tmp_path_factory.mktemp("network")
    records = list(synthesize(60, seed=4))
    train_vocabulary(records, SIZE, folder / "tokenizer.model", seed=1)
    rows = encode_records(
        records[:12], Vocabulary(folder / "tokenizer.model"), Recipe(answers=3), WIDTH, seed=1
    ).arrays()
    picked = {name: torch.from_numpy(values[[0, -1]]).long() for name, values in rows.items()}
    assert (picked["tree"][1] < 0).any()
    assert picked["tree"].max() > 1000
    return Batch(**picked)


@pytest.mark.slow
def test_blocks_and_mask_allow_the_same_pairs(batch):
    import torch

    blocks, mask = tree_blocks(batch.tree), tree_mask(batch.tree, torch.float32)
    rows, length = batch.tree.shape
    index = torch.arange(length)
    allowed = torch.stack([blocks.mask_mod(row, 0, index[:, None], index[None, :]) for row in range(rows)])
    assert torch.equal(allowed, mask[:, 0] == 0)
    assert set(mask.unique().tolist()) == {0.0, -1e9}
    # an allowed pair lies in a block that is computed
    size = blocks.BLOCK_SIZE[0]
    kept = blocks.to_dense()[:, 0].bool().repeat_interleave(size, 1).repeat_interleave(size, 2)
    assert kept[:, :length, :length][allowed].all()
    assert not kept.all()


def test_a_token_sees_its_tables_prefix_and_its_own_answer():
    """Two tables of a prefix and two answers each, then padding."""
    import torch

    tree = torch.tensor([[0, 0, 1, 1, 2, 1000, 1001, 1002, -1]])
    seen = (tree_mask(tree, torch.float32)[0, 0] == 0).int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 1],
    ]


def flex_fault():
    """Return why this torch runs no flex attention on the CPU at all, "" when it does."""
    import torch
    from torch.nn.attention.flex_attention import flex_attention

    small = torch.zeros(1, 1, 16, 16)
    try:
        with torch.inference_mode():
            torch.compile(flex_attention, dynamic=False)(small, small, small)
    except RuntimeError as err:
        return str(err).splitlines()[0]
    return ""


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning"
)  # torch's own
def test_flex_attention_computes_what_sdpa_does(batch):
    import torch

    plain = build_model(PLAN, SIZE).eval()
    flex = build_model(PLAN, SIZE, "flex_attention").eval()
    assert flex.config._attn_implementation == "flex_attention"
    flex.load_state_dict(plain.state_dict())

    def states(model, mask):
        with torch.inference_mode():
            return model.model(
                input_ids=batch.tokens, position_ids=batch.positions, attention_mask=mask, use_cache=False
            ).last_hidden_state

    wanted = states(plain, tree_mask(batch.tree, torch.float32))
    try:
        found = states(flex, tree_blocks(batch.tree))
    except RuntimeError:
        fault = flex_fault()
        if fault:
            pytest.skip(f"this torch runs no flex attention on the CPU: {fault}")
        raise
    used = batch.tree >= 0
    assert wanted.dtype == found.dtype == torch.float32
    assert torch.allclose(found[used], wanted[used], atol=1e-4)
    # and the mask matters: without the tree the answers see each other
    causal = torch.full((WIDTH, WIDTH), -1e9).triu(1)[None, None].expand(2, 1, -1, -1)
    assert not torch.allclose(states(plain, causal)[used], wanted[used], atol=1e-2)


@pytest.mark.slow
def test_the_loss_looks_at_targets_alone(batch):
    import torch

    model = build_model(PLAN, SIZE).eval()
    with torch.inference_mode():
        loss = batch_loss(model, batch)
        assert 0.8 * np.log(SIZE) < loss < 1.2 * np.log(SIZE)  # of a fresh model: a guess among all pieces
        padded = batch.tokens.clone()
        padded[batch.tree < 0] = 7
        assert batch_loss(model, replace(batch, tokens=padded)) == pytest.approx(float(loss), abs=1e-4)
        answered = batch.tokens.clone()
        answered[batch.targets >= 0] = 7
        assert abs(batch_loss(model, replace(batch, tokens=answered)) - loss) > 1e-3


def test_a_model_is_the_same_for_the_same_seed():
    import torch

    first, second = build_model(PLAN, SIZE).state_dict(), build_model(PLAN, SIZE).state_dict()
    other = build_model(replace(PLAN, seed=2), SIZE).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
    assert torch.equal(first["lm_head.weight"], first["model.embed_tokens.weight"])


def test_every_weight_has_one_optimizer():
    model = build_model(PLAN, SIZE)
    muon, adam = (
        [id(one) for one in part.param_groups[0]["params"]] for part in make_optimizers(model, PLAN)
    )
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert sorted(muon + adam) == sorted(names)
    assert all("_proj." in names[one] for one in muon)
    assert len(muon) == 7 * PLAN.layers
    assert {names[one].split(".")[-2] for one in adam} == {
        "embed_tokens",
        "input_layernorm",
        "post_attention_layernorm",
        "norm",
    }


def test_flops_per_token():
    model = build_model(PLAN, SIZE)
    matrices = sum(weight.numel() for weight in model.parameters() if weight.ndim == 2)
    wanted = 6 * matrices + 12 * PLAN.layers * PLAN.hidden * WIDTH
    assert flops_per_token(PLAN, SIZE, WIDTH) == wanted
