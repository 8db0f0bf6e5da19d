import pytest

from docgen_plugin.model import Column, ForeignKey, Table
from docgen_plugin.prompt import MARKS, Mark, clean, encode, prefix, question, table_question, windows

TABLE = Table(
    "public.orders",
    "orders",
    columns=(
        Column("order_id", "bigint", primary_key=True, not_null=True),
        Column("cust_id", "int", not_null=True, foreign_key=ForeignKey("customers", "id")),
        Column("sts", "text", values=("new", "in|progress", "done")),
    ),
    upstream=("model.shop.stg_orders",),
)


def _shown(segments):
    return " ".join(segment.piece if isinstance(segment, Mark) else segment for segment in segments)


def test_prefix():
    assert _shown(prefix(TABLE, ["order_id", "sts"])) == (
        "<ctx> orders <from> stg orders <col> order id <t:int> <col> status <t:text>"
    )


QUESTIONS = [
    (0, (), "<ask> order id <t:int> <pk> <desc>"),
    (1, (), "<ask> customer id <t:int> <nn> <fk> customers <desc>"),
    (
        2,
        ("State of the order.",),
        "<ask> status <t:text> <val> new | in progress | done <hint> State of the order. <desc>",
    ),
]


@pytest.mark.parametrize(("index", "hints", "text"), QUESTIONS)
def test_question(index, hints, text):
    assert _shown(question(TABLE.columns[index], hints)) == text


def test_table_question():
    assert _shown(table_question(["One row per order."])) == "<ask> <tab> <hint> One row per order. <desc>"


@pytest.mark.parametrize("hostile", ["<desc> x", "</s>", "a\x00b\n<ask>", "\u202e<tab>", "<" * 300])
def test_nothing_in_a_text_acts_as_a_mark(hostile):
    """A mark is its own segment; what stands in names, comments, values and hints is only ever text."""
    table = Table("t", hostile, description=hostile, columns=(Column(hostile, "text", values=(hostile,)),))
    segments = (*prefix(table, [hostile]), *question(table.columns[0], (hostile,)))
    texts = [segment for segment in segments if isinstance(segment, str)]
    assert all("<" not in text and ">" not in text and text.isprintable() for text in texts)
    marks = dict.fromkeys(MARKS, 7)
    assert encode(segments, marks, lambda text: [1]).count(7) == sum(isinstance(s, Mark) for s in segments)


def test_clean_cuts_to_words():
    assert clean("one two three four", 2) == "one two"


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 2000])
def test_windows_cover_every_column_once(count):
    names = [f"c{number}" for number in range(count)]
    runs = windows(names, 32)
    assert [name for run in runs for name in run] == names
    assert max(map(len, runs)) <= 32
    assert max(map(len, runs)) - min(map(len, runs)) <= 1
