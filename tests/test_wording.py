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
from docgen_plugin.wording import Marks, Said, Wording, WordTree

# ids: 1 end, 2 comma, 3 stop, 4 apostrophe, 5 its s; 10 order, 11 -s, 12 orderly's rest, 20 name
MARKS = Marks(frozenset({2}), frozenset({3}), (4, 5), frozenset({1}), 32)


def _wording(*trees):
    return Wording([WordTree(words) for words in trees], MARKS)


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
        for one in model.tokenize("RAKU-9"):
            assert one in answer.allowed()
            answer.say(one)
    finally:
        model.close()
