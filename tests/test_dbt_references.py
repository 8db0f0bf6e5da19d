"""Descriptions that are one call of a docs block: recognised, resolved, written only where they say the text."""

from __future__ import annotations

from typing import Any

import pytest
from docgen_dbt.meta import is_pinned, pin_notes
from docgen_dbt.overlay import overlay_file
from docgen_dbt.places import Place, Text
from docgen_dbt.references import References
from docgen_dbt.splice import splice

MANIFEST = {
    "metadata": {"project_name": "shop"},
    "docs": {
        "doc.shop.total": {"name": "total", "package_name": "shop", "block_contents": "Sum of it all. "},
        "doc.other.total": {"name": "total", "package_name": "other", "block_contents": "Another sum."},
        "doc.other.only": {"name": "only", "package_name": "other", "block_contents": "Only there."},
        "doc.third.twice": {"name": "twice", "package_name": "third", "block_contents": "Third."},
        "doc.other.twice": {"name": "twice", "package_name": "other", "block_contents": "Other."},
        "doc.shop.odd": {"name": 'odd") }}{{ x', "package_name": "shop", "block_contents": "Odd."},
        "doc.shop.broken": "no mapping",
    },
}
ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "a call": ({"doc_blocks": ["doc.shop.total"], "description": "Sum of it all."}, "{{ doc('total') }}"),
    "of a package": ({"doc_blocks": ["doc.other.only"], "description": "Only there."}, "{{ doc('other', 'only') }}"),
    "more than a call": ({"doc_blocks": ["doc.shop.total"], "description": "Sum of it all. Or not."}, ""),
    "two calls": ({"doc_blocks": ["doc.shop.total", "doc.other.only"], "description": "Sum of it all."}, ""),
    "a plain text that says the same": ({"doc_blocks": [], "description": "Sum of it all."}, ""),
    "older dbt": ({"description": "Sum of it all."}, ""),
    "no such block": ({"doc_blocks": ["doc.shop.gone"], "description": "x"}, ""),
    "a name that is Jinja": ({"doc_blocks": ["doc.shop.odd"], "description": "Odd."}, ""),
    "no list": ({"doc_blocks": "doc.shop.total", "description": "Sum of it all."}, ""),
}  # fmt: skip
CALLS = {
    "{{ doc('total') }}": "Sum of it all. ",
    ' {{- doc( "total" ) -}} ': "Sum of it all. ",
    "{{ doc('other', 'total') }}": "Another sum.",
    "{{ doc('only') }}": "Only there.",
    "{{ doc('twice') }}": None,
    "{{ doc('gone') }}": None,
    "{{ doc('total') }} and more": None,
    "{{ doc('total') ~ x }}": None,
    "{{ doc('total\") }}": None,
    "plain": None,
    "": None,
}


@pytest.mark.parametrize("case", ENTRIES)
def test_the_call_that_a_description_is(case):
    entry, wanted = ENTRIES[case]
    assert References(MANIFEST).of(entry) == wanted


@pytest.mark.parametrize("raw", CALLS)
def test_the_text_of_a_call(raw):
    assert References(MANIFEST).text(raw) == CALLS[raw]


def test_a_manifest_without_docs():
    manifests: list[dict[str, Any]] = [{}, {"docs": None}, {"docs": []}]
    for manifest in manifests:
        assert References(manifest).text("{{ doc('total') }}") is None


FILE = """version: 2
models:
  - name: orders
    columns:
      - name: total
        description: {standing}
      - name: other
"""


def put(standing: str, text: Text) -> tuple[str, list[str]]:
    result, refused = splice(FILE.format(standing=standing), [text])
    return result, [reason for _, reason in refused]


def test_a_call_is_written_as_it_is_and_a_text_never_becomes_one():
    place = Place("models", "orders")
    call = "{{ doc('total') }}"
    result, refused = put("Old.", Text(place, "total", "Old.", "Sum of it all.", call))
    assert refused == []
    assert f'        description: "{call}"\n' in result
    result, refused = put("Old.", Text(place, "total", "Old.", call))
    assert refused == []
    assert call not in result
    assert "{{ '{' }}{ doc(" in result


def test_a_call_that_stands_there_is_kept():
    standing = "\"{{ doc('total') }}\""
    text = Text(Place("models", "orders"), "total", "Sum of it all.", "Sum of it all, taxes left out.")
    result, refused = put(standing, text)
    assert result == FILE.format(standing=standing)
    assert refused == ["the description is a doc() reference"]


def test_a_newer_file_may_call_a_block(tmp_path):
    path = tmp_path / "models.yml"
    path.write_text(FILE.format(standing="\"{{ doc('only') }}\""), encoding="utf-8")
    node: dict[str, Any] = {"resource_type": "model", "name": "orders", "columns": {}}
    overlay_file(path, {"model.shop.orders": node}, References(MANIFEST))
    assert node["columns"]["total"]["description"] == "Only there."


PINS: dict[str, tuple[dict[str, Any], bool]] = {
    "config": ({"config": {"meta": {"docgen": {"pin": True}}}}, True),
    "meta": ({"meta": {"docgen": {"pin": True}}}, True),
    "off": ({"meta": {"docgen": {"pin": False}}}, False),
    "a word": ({"meta": {"docgen": {"pin": "yes"}}}, True),
    "zero": ({"meta": {"docgen": {"pin": 0}}}, True),
    "nothing": ({"meta": {"docgen": {"pin": None}}}, False),
    "no mapping": ({"meta": {"docgen": True}}, False),
    "no meta": ({"meta": None, "config": None}, False),
}


@pytest.mark.parametrize("case", PINS)
def test_pins(case):
    entry, wanted = PINS[case]
    assert is_pinned(entry) == wanted
    assert is_pinned(entry, default=True) == (wanted or case in ("nothing", "no mapping", "no meta"))
    told = list(pin_notes({"m": {"columns": {"c": entry}}}))
    assert (told != []) == (case in ("a word", "zero"))
