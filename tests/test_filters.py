"""The words that say which suggestions are meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docgen_plugin.errors import ConfigError
from docgen_plugin.ledger_pages import Filter
from docgen_plugin.model import STATES
from docgen_plugin.review.filters import KEYS, ORIGINS, parse, spoken
from tests.hostile import HOSTILE

READ = {
    "": Filter(),
    "   ": Filter(),
    "tax  rate": Filter(search="tax rate"),
    'before owner:finance "after: a colon"': Filter(owner="finance", search="before after: a colon"),
    "state:open,edited": Filter(states=("suggested", "edited")),
    "state:all": Filter(states=STATES),
    "STATE:suggested Origin:reused": Filter(states=("suggested",), origins=("reused",)),
    "origin:generated,reused,generated": Filter(origins=("generated", "reused")),
    "model:docgen-base@1,hf://a/b@c": Filter(models=("docgen-base@1", "hf://a/b@c")),
    "confidence:>=0.8": Filter(min_confidence=0.8),
    "confidence:0.8": Filter(min_confidence=0.8),
    "confidence:80%": Filter(min_confidence=0.8),
    "confidence:<0.5": Filter(max_confidence=0.5),
    "folder:models/marts": Filter(folder="models/marts"),
    'owner:"data team, north"': Filter(owner="data team, north"),
    r'owner:"the \"best\" \\"': Filter(owner='the "best" \\'),
    "table:stg_*,orders": Filter(tables=("stg_*", "orders")),
    "a,b (c) 100%": Filter(search="a,b (c) 100%"),
    '"  two blanks  "': Filter(search="  two blanks  "),
}

REFUSED = {
    "stat:open": "did you mean state:?",
    "http://host": "to search for it, put it in quotes",
    "state:nosuch": "'nosuch' is none of suggested, accepted",
    "origin:open": "'open' is none of generated",
    "origin:": "wants a value",
    "owner:a,": "wants a value",
    "owner:a,b": "takes one value",
    "owner:a owner:b": "stands twice",
    "confidence:high": "is none of >0.8",
    "confidence:": "is none of >0.8",
    "confidence:=0.5": "is none of >0.8",
    "confidence:1.5": "from 0 to 1",
    "confidence:0..5": "from 0 to 1",
    "confidence:101%": "from 0 to 1",
    "confidence:0.9-0.1": "is empty",
    'owner:"a': "a quote does not end",
    '"': "a quote does not end",
    r'"a\"': "a quote does not end",
}


@pytest.mark.parametrize("text", READ)
def test_read(text):
    assert parse(text) == READ[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_cannot_be_is_one_line(text):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert REFUSED[text] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (">0.8", {0.81, 1.0}),
        (">=0.8", {0.8, 0.81, 1.0}),
        ("<0.8", {0.0, 0.79}),
        ("<=0.8", {0.0, 0.79, 0.8}),
        ("79%-80%", {0.79, 0.8}),
        ("0-1", {0.0, 0.79, 0.8, 0.81, 1.0}),
    ],
)
def test_bounds_hold_what_they_say(text, meant):
    wanted = parse(f"confidence:{text}")
    lowest, highest = wanted.min_confidence, wanted.max_confidence
    inside = {
        value
        for value in (0.0, 0.79, 0.8, 0.81, 1.0)
        if (lowest is None or value >= lowest) and (highest is None or value < highest)
    }
    assert inside == meant


@pytest.mark.parametrize(
    "text", ["confidence:>0.8", "confidence:<=0.35", "confidence:>=0.1", "confidence:0.5-0.8"]
)
def test_bounds_are_said_as_they_were_typed(text):
    assert spoken(parse(text)) == text


_words = st.text(max_size=20) | st.sampled_from([*HOSTILE, *(f"{key}:x" for key in KEYS)])
_given = _words.filter(bool)
_confidence = st.none() | st.floats(0, 1)


@given(
    st.builds(
        Filter,
        states=st.lists(st.sampled_from(STATES), unique=True, max_size=3).map(tuple),
        origins=st.lists(st.sampled_from(ORIGINS), unique=True).map(tuple),
        models=st.lists(_given, unique=True, max_size=2).map(tuple),
        min_confidence=_confidence,
        max_confidence=_confidence.filter(bool),
        tables=st.lists(_given, unique=True, max_size=2).map(tuple),
        folder=_words,
        owner=_words,
        search=_words,
    )
)
def test_what_is_said_is_read_again(wanted):
    lowest, highest = wanted.min_confidence, wanted.max_confidence
    if lowest is None or highest is None or lowest < highest:
        assert parse(spoken(wanted)) == wanted


@given(st.text())
def test_any_text_is_a_filter_or_one_line(text):
    try:
        wanted = parse(text)
    except ConfigError:
        return
    assert parse(spoken(wanted)) == wanted
