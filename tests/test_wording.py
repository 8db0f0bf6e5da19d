"""An answer holds no word that it was not allowed: trees of tokens, and what the engine makes of them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from docgen_plugin.bespoke import Bespoke
from docgen_plugin.config import Config
from docgen_plugin.generate import TableRequest, load
from docgen_plugin.llama import default_model
from docgen_plugin.llama_native import NativeModel
from docgen_plugin.model import Column, ForeignKey, Table
from docgen_plugin.support import plain_words
from docgen_plugin.wording import Marks, Said, Weights, Wording, WordTree

# ids: 1 end, 2 comma, 3 stop, 4 apostrophe, 5 its s; 10 order, 11 -s, 12 orderly's rest, 20 name
MARKS = Marks(frozenset({2}), frozenset({3}), (4, 5), frozenset({1}), 32)


def _wording(*trees, wanted=(), weights=Weights()):  # noqa: B008  frozen
    grown = [WordTree(words) for words in trees]
    return Wording(grown, grown, MARKS, [WordTree(words) for words in wanted], weights)


ANSWERS = [
    ([], {10, 20}),  # a word must come first
    ([10], {1, 2, 3, 4, 10, 11, 20}),  # a whole word that may go on
    ([10, 11], {1, 2, 3, 4, 10, 12, 20}),
    ([10, 11, 12], {1, 2, 3, 4, 10, 20}),
    ([10, 4], {5}),
    ([10, 4, 5], {1, 2, 3, 4, 10, 20}),
    ([10, 2], {10, 20}),
    ([10, 3], {1, 10, 20}),
]


@pytest.mark.parametrize(("said", "allowed"), ANSWERS)
def test_what_may_follow(said, allowed):
    answer = Said(_wording([(10,), (10, 11), (10, 11, 12)], [(20,)]))
    for one in said:
        assert one in answer.allowed()
        answer.say(one)
    assert set(answer.allowed().tolist()) == allowed
    assert (np.diff(answer.allowed()) > 0).all()


def test_a_word_that_is_not_whole_cannot_end():
    answer = Said(_wording([(10, 11)], [(10, 12)]))
    answer.say(10)
    assert answer.allowed().tolist() == [11, 12]


def _weighed(wording, said):
    """Return what is added to each allowed id after some tokens."""
    answer = Said(wording)
    for one in said:
        answer.say(one)
    ids = answer.allowed()
    added = answer.weigh(np.zeros(len(ids), np.float32))
    return {int(one): float(value) for one, value in zip(ids, added, strict=True) if value}


# 10 belongs to the plain voice, 20 21 and 30 to the subject; the name is made of 20 21 and of 30
WEIGHED = [
    ([], {20: 4.0, 30: 4.0}),
    ([20], {21: 4.0}),  # inside a wanted word
    ([20, 21], {20: -100.0, 30: 4.0, 1: -2.0, 3: -2.0}),  # said: never twice in a row, and too early to end
    ([20, 21, 10], {20: -3.0, 30: 4.0, 10: -100.0, 1: -2.0, 3: -2.0}),
    ([20, 21, 30, 10], {20: -3.0, 30: -3.0, 10: -100.0}),  # nothing is missing: it may end
    ([20, 21, 10, 30, 10], {20: -3.0, 30: -3.0, 10: -100.0}),  # a plain word may come again
]


@pytest.mark.parametrize(("said", "added"), WEIGHED)
def test_words_of_the_name_weigh_more_until_they_are_said(said, added):
    wording = _wording(
        [(10,)], [(20, 21), (30,)], wanted=([(20, 21)], [(30,)]), weights=Weights(4.0, -3.0, -2.0)
    )
    assert _weighed(wording, said) == added


def test_an_answer_without_a_word_to_say_ends():
    answer = Said(Wording([WordTree([])], [WordTree([])], MARKS))
    assert answer.allowed().tolist() == [1]


def test_a_sentence_opens_with_an_opener_only():
    wording = Wording([WordTree([(10,)])], [WordTree([(20,)])], MARKS)
    answer = Said(wording)
    assert answer.allowed().tolist() == [20]
    answer.say(20)
    assert 10 in answer.allowed()
    assert 20 not in answer.allowed()
    answer.say(3)  # a full stop: another sentence, or the end
    assert answer.allowed().tolist() == [1, 20]


TABLE = Table(
    key="kilns",
    name="kilns",
    columns=(
        Column("kiln_id", "integer", primary_key=True),
        Column("glaze_batch_id", "integer", foreign_key=ForeignKey("glaze_batches", "id")),
        Column("peak_temp_cone", "numeric(6,2)"),
        Column("firing_atmosphere", "text", values=("oxidation", "reduction")),
        Column("loaded_by", "varchar(40)"),
    ),
)


def test_answers_of_the_embedded_model_hold_only_words_of_the_input_and_the_plain_voice():
    generator = load("", Config(threads=1))
    try:
        names = tuple(column.name for column in TABLE.columns)
        answers = list(generator.describe([TableRequest(TABLE, names, True)]))
    finally:
        generator.close()
    assert len(answers) == len(TABLE.columns) + 1
    own = "kiln glaze batch peak temperature temporary template cone firing atmosphere oxidation reduction loaded".split()
    stems = tuple(word[:4] for word in own)
    for answer in answers:
        for word in re.findall(r"[a-z]+", answer.text.lower()):
            assert word in plain_words() or word.startswith(stems) or len(word) < 3, (word, answer.text)


def test_a_value_may_be_said_as_it_is_spelled():
    model = NativeModel(default_model(), 0)
    try:
        dialect = Bespoke(model)
        table = replace(TABLE, columns=(Column("state", "text", values=("RAKU-9", "b")),))
        (unit,) = dialect.units(TableRequest(table, ("state",)))
        wording = unit.questions[0].wording
        assert wording is not None
        answer = Said(wording)
        for one in (*model.tokenize("Kind of"), *model.tokenize("RAKU-9")):
            assert one in answer.allowed()
            answer.say(one)
    finally:
        model.close()
