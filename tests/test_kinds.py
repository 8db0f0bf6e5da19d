import pytest

from docgen_plugin.kinds import (
    article,
    is_adjective,
    is_noun,
    is_noun_phrase,
    is_occasion,
    is_participle,
    is_party,
    is_predicate,
)

KINDS = [
    (is_participle, "shipped written unpaid", "speed seed bed late order"),
    (is_adjective, "valid annual billable external monthly", "table approval archive order library"),
    (is_noun, "order approval total set archive kwh", "valid shipped through fully enforce lacks"),
]


@pytest.mark.parametrize(("asked", "yes", "no"), KINDS)
def test_words(asked, yes, no):
    assert [word for word in yes.split() if not asked(word)] == []
    assert [word for word in no.split() if asked(word)] == []


PHRASES = [
    (
        is_noun_phrase,
        ["gross weight", "sold to contact", "zone 3"],
        ["to amount", "charged through", "count in", "valid"],
    ),
    (is_predicate, ["last updated", "fully paid", "available to crew"], ["file uploaded", "crew", "through"]),
]


@pytest.mark.parametrize(("asked", "yes", "no"), PHRASES)
def test_phrases(asked, yes, no):
    assert [words for words in yes if not asked(words.split())] == []
    assert [words for words in no if asked(words.split())] == []


ARTICLES = [
    ("gun safe", "a "),
    ("open order", "an "),
    ("unit", "a "),
    ("hour", "an "),
    ("id card", "an "),
    ("children", ""),
    ("access", ""),
    ("mooring in dunning", ""),  # what is done is not counted
    ("payment method in dunning", "a "),
]


@pytest.mark.parametrize(("words", "said"), ARTICLES)
def test_article(words, said):
    assert article(words.split()) == said


def test_who_and_when():
    assert is_party(("garden", "supplier"))
    assert not is_party(("order",))
    assert is_occasion(("work", "order"))
    assert not is_occasion(("supplier",))
