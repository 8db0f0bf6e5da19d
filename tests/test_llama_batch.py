"""The scheduler against plain one-by-one decoding with the same model."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docgen_plugin.bespoke import Bespoke
from docgen_plugin.llama_batch import Question, Rules, Unit, answer
from docgen_plugin.llama_native import NativeContext, NativeModel
from docgen_plugin.llama_workers import answer_all
from docgen_plugin.model import ColumnRef
from docgen_plugin.wording import Said
from tests.tiny_models import quantised, synthetic_request, synthetic_tables

MOST_TOKENS = 24


@pytest.fixture(scope="module", params=["float", "quantised"])
def model(
    request, tiny_bespoke_gguf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NativeModel]:
    path = tiny_bespoke_gguf
    if request.param == "quantised":
        path = quantised(tmp_path_factory.mktemp("q8") / "tiny-q8.gguf", path)
    loaded = NativeModel(path, 0)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def rules(model: NativeModel) -> Rules:
    banned = [one for one in model.unspeakable(True) if one not in model.ends()]
    return Rules(np.array(banned), model.ends(), MOST_TOKENS, margin=0.005)


@pytest.fixture(scope="module")
def units(model: NativeModel) -> list[Unit]:
    dialect = Bespoke(model)
    return [
        unit for table in synthetic_tables(6, 14, seed=2) for unit in dialect.units(synthetic_request(table))
    ]


def _plain(context: NativeContext, rules: Rules, prefix: tuple[int, ...], asked: Question) -> tuple[int, ...]:
    """Decode one prompt greedily, prefix then question, in one sequence and without forks."""
    question = asked.ids
    said = Said(asked.wording) if asked.wording else None
    context.clear()
    context.decode([(one, at, 0, False) for at, one in enumerate(prefix)])
    last = len(question) - 1
    logits = context.decode([(one, len(prefix) + at, 0, at == last) for at, one in enumerate(question)])
    length = len(prefix) + len(question)
    ids: list[int] = []
    while len(ids) < rules.most_tokens:
        scores = logits[0].copy()
        scores[rules.banned] = -np.inf
        if said:
            kept = np.full_like(scores, -np.inf)
            kept[said.allowed()] = said.weigh(scores[said.allowed()])
            scores = kept
        best = int(scores.argmax())
        if said:
            said.say(best)
        if best in rules.ends:
            break
        ids.append(best)
        logits = context.decode([(best, length + len(ids) - 1, 0, True)])
    return tuple(ids)


@pytest.fixture(scope="module")
def expected(model: NativeModel, rules: Rules, units: list[Unit]) -> dict[ColumnRef, tuple[int, ...]]:
    context = model.open(512, 1, 1, True)
    return {
        question.ref: _plain(context, rules, unit.prefix, question)
        for unit in units
        for question in unit.questions
    }


# cells, sequences, shared: from room for one question at a time to room for all
MEMORIES = [
    (512 * 2, 2, False),
    (512 * 6, 6, False),
    (512 * 17, 17, False),
    (256, 2, True),
    (512, 9, True),
    (8192, 120, True),
]


@pytest.mark.parametrize(("cells", "sequences", "shared"), MEMORIES)
def test_answers_equal_plain_decoding(model, rules, units, expected, cells, sequences, shared):
    # a pool's arithmetic is noisier: tests/benchmarks/engine.py
    margin = 0.005 if not shared else 0.15
    context = model.open(cells, sequences, 1, shared)
    replies = list(answer(context, replace(rules, margin=margin), units))
    context.close()
    assert len(replies) == len(expected)
    assert {reply.ref: reply.ids for reply in replies} == expected
    for reply in replies:
        assert reply.ended == (len(reply.ids) < MOST_TOKENS)
        assert -20 < reply.logprob < 0


@pytest.mark.parametrize(("cells", "sequences", "shared"), MEMORIES[1:])
def test_a_given_answer_is_weighed_as_if_it_had_been_said(model, rules, units, cells, sequences, shared):
    """Beside questions that are answered, which it must not disturb."""
    context = model.open(cells, sequences, 1, shared, weighed=MOST_TOKENS + 1)
    rules = replace(rules, margin=0.005 if not shared else 0.15)
    said = {reply.ref: reply for reply in answer(context, rules, units)}
    end = min(rules.ends)
    both = [
        Unit(
            unit.prefix,
            tuple(
                part
                for one in unit.questions
                for part in (
                    replace(one, wording=None, given=(*said[one.ref].ids, *([end] * said[one.ref].ended))),
                    one,
                )
            ),
        )
        for unit in units
    ]
    replies = list(answer(context, rules, both))
    context.close()
    weighed = {reply.ref: reply for reply in replies if reply.weighed}
    assert {reply.ref: reply.ids for reply in replies if not reply.weighed} == {
        ref: reply.ids for ref, reply in said.items()
    }
    assert set(weighed) == set(said)
    for ref, reply in weighed.items():
        assert (reply.ids, reply.ended) == (said[ref].ids, said[ref].ended)
        assert reply.logprob == pytest.approx(said[ref].logprob, abs=0.02)


@pytest.mark.parametrize("margin", [0.0, 1e9])
def test_all_together_or_each_alone(model, rules, units, margin):
    """Without a margin nothing is answered alone, with a huge one everything is; both answer everything."""
    context = model.open(512 * 9, 9, 1, False)
    replies = list(answer(context, replace(rules, margin=margin), units))
    context.close()
    assert {reply.ref for reply in replies} == {one.ref for unit in units for one in unit.questions}


def test_quantised_weights_compute_the_same_in_every_batch(model, rules, units):
    """What the small margin for quantised weights rests on: log-probabilities agree to the sixth digit."""
    context = model.open(512 * 17, 17, 1, False)
    free = replace(rules, margin=0.0)
    together = {reply.ref: reply for reply in answer(context, free, units)}
    apart = [
        reply
        for unit in units[:3]
        for question in unit.questions
        for reply in answer(context, free, [Unit(unit.prefix, (question,))])
    ]
    context.close()
    if "q8" not in model.path.name:
        return
    for reply in apart:
        assert reply.ids == together[reply.ref].ids
        assert reply.logprob == pytest.approx(together[reply.ref].logprob, abs=1e-5)


def test_banned_ids_never_come(model, rules, units):
    context = model.open(512 * 9, 9, 1, False)
    first = {reply.ids[0] for reply in answer(context, rules, units) if reply.ids}
    harder = replace(rules, banned=np.array([*rules.banned, *first]))
    again = list(answer(context, harder, units))
    context.close()
    assert first
    assert not {one for reply in again for one in reply.ids} & first


def test_many_small_units_and_one_large(model, rules):
    prefix = (model.opening(), *model.tokenize("orders"))
    small = [
        Unit(prefix, (Question(ColumnRef("t", str(number)), model.tokenize("id")),)) for number in range(150)
    ]
    large = Unit(
        prefix, tuple(Question(ColumnRef("u", str(number)), model.tokenize("id")) for number in range(150))
    )
    context = model.open(512 * 9, 9, 1, False)
    replies = list(answer(context, rules, [*small, large]))
    context.close()
    assert len(replies) == 300
    assert len({reply.ids for reply in replies}) == 1  # the same question has the same answer everywhere


def test_workers_answer_all_and_end(model, rules, units, expected):
    contexts = [model.open(512 * 5, 5, 1, False) for _ in range(3)]
    before = threading.active_count()
    replies = list(answer_all(contexts, rules, iter(units)))
    assert {reply.ref: reply.ids for reply in replies} == expected
    assert len(replies) == len(expected)
    half = answer_all(contexts, rules, iter(units))
    next(half)
    del half  # as when the caller's loop breaks
    assert threading.active_count() == before
    for context in contexts:
        context.close()
