"""Where a text comes from, said beside it: put, renewed and dropped byte for byte."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from docgen_dbt.marks import BESIDE, IN_CONFIG, clean_marks, mark_of
from docgen_dbt.places import Place, Text
from docgen_dbt.splice import splice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docgen_plugin.jinja import unescape_jinja
from docgen_plugin.model import text_hash
from tests.test_properties_generated import SENTENCES, _wanted, property_files

HASH = text_hash("Key")
MARK: dict[str, object] = {"origin": "composed", "confidence": 0.85, "hash": HASH}
FLOW = f'{{origin: composed, confidence: 0.85, hash: "{HASH}"}}'
LONE = f"config: {{meta: {{docgen: {FLOW}}}}}"
HEAD = "models:\n  - name: orders\n    columns:\n"

# name: (what the file holds from the column on, the same with description "Key" and its mark)
SHAPES = {
    "nothing": ("      - name: id\n", f"      - name: id\n        description: Key\n        {LONE}\n"),
    "description first": (
        "      - description: ''  # soon\n        name: id\n",
        f"      - description: 'Key'  # soon\n        {LONE}\n        name: id\n",
    ),
    "block text and comments": (
        "      - name: id\n        description: |\n\n        # why\n        tests: [unique]\n",
        f"      - name: id\n        description: |-\n          Key\n        {LONE}\n\n        # why\n        tests: [unique]\n",
    ),
    "config without meta": (
        "      - name: id\n        config:\n          tags: [a]  # b\n        quote: true\n",
        "      - name: id\n        description: Key\n        config:\n          tags: [a]  # b\n"
        f"          meta: {{docgen: {FLOW}}}\n        quote: true\n",
    ),
    "config in braces": (
        "      - name: id\n        config: {tags: [a], meta: {owner: x}}  # c\n",
        f"      - name: id\n        description: Key\n        config: {{tags: [a], meta: {{owner: x, docgen: {FLOW}}}}}  # c\n",
    ),
    "meta of old": (
        "      - name: id\n        meta:\n            owner: x\n",
        f"      - name: id\n        description: Key\n        meta:\n            owner: x\n            docgen: {FLOW}\n",
    ),
    "a pin beside": (
        "      - name: id\n        config:\n          meta:\n            docgen:\n              pin: false # of ours\n            owner: x\n",
        "      - name: id\n        description: Key\n        config:\n          meta:\n            docgen:\n"
        "              pin: false # of ours\n              origin: composed\n              confidence: 0.85\n"
        f"              hash: \"{HASH}\"\n            owner: x\n",
    ),
    "a pin in braces": (
        "      - name: id\n        config: {meta: {docgen: {pin: false}}}\n",
        f"      - name: id\n        description: Key\n        config: {{meta: {{docgen: {{pin: false, {FLOW[1:]}}}}}\n",
    ),
    "all in braces": (
        "      - {name: id}\n",
        f"      - {{name: id, description: Key, {LONE}}}\n",
    ),
    "no such column": (
        "      - name: other\n",
        f"      - name: other\n      - name: id\n        description: Key\n        {LONE}\n",
    ),
}  # fmt: skip


def text(after: str = "Key", before: str = "", mark: dict[str, object] | None = MARK) -> Text:
    return Text(Place("models", "orders"), "id", before, after, "", mark)


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_mark_is_put_and_dropped(name, newline):
    before, after = ((HEAD + part).replace("\n", newline) for part in SHAPES[name])
    result, refused = splice(before, [text()])
    assert refused == []
    assert result == after
    assert splice(result, [text()]) == (after, [])
    # nothing goes while the text stands; once it is worded anew the mark goes and nothing else
    assert clean_marks(after, unescape_jinja) == (after, [])
    plain, _ = splice(before, [text(mark=None)])
    assert clean_marks(after, lambda raw: raw and raw + "!") == (plain, ["orders.id"])
    assert splice(after, [text("Mine", "Key", {})])[0] == splice(plain, [text("Mine", "Key", None)])[0]


@pytest.mark.parametrize("name", SHAPES)
def test_a_mark_is_renewed(name):
    after = HEAD + SHAPES[name][1]
    new = {"origin": "generated", "model": "base@1", "confidence": 0.5, "hash": text_hash("Other")}
    result, refused = splice(after, [text("Other", "Key", new)])
    assert refused == []
    column = yaml.safe_load(result)["models"][0]["columns"][-1]
    found = {key: value for key, value in (mark_of(column) or {}).items() if key != "pin"}
    assert (column["description"], found) == ("Other", new)
    assert clean_marks(result, unescape_jinja) == (result, [])


UNMARKED = {
    "meta is a text": "      - name: id\n        meta: none\n",
    "docgen is a list": "      - name: id\n        meta: {docgen: [1]}\n",
    "meta twice": "      - name: id\n        meta: {}\n        meta: {}\n",
}


@pytest.mark.parametrize("name", UNMARKED)
def test_a_text_goes_without_where_no_mark_can_be(name):
    before = HEAD + UNMARKED[name]
    result, refused = splice(before, [text()])
    assert refused == []
    assert result == before.replace("name: id\n", "name: id\n        description: Key\n")


def test_a_comment_in_a_mark_keeps_it():
    kept = HEAD + f"      - name: id\n        description: Key\n        {LONE}  # mine\n"
    assert clean_marks(kept, lambda raw: "other") == (kept, [])


def test_a_block_text_that_ends_the_file_stays():
    before = (
        "models:\n  - name: orders\n    columns:\n      - name: id\n        description: |\n          Key"
    )
    result, refused = splice(before, [text("Key")])
    assert refused == []
    assert yaml.safe_load(result)["models"][0]["columns"][0]["description"] == "Key"
    assert result.endswith("description: |\n          Key")
    assert LONE in result


def test_spelling_follows_the_file_then_dbt():
    beside = f"meta: {{docgen: {FLOW}}}"
    other = "  - name: other\n    meta: {x: 1}\n"
    assert beside in splice(HEAD + "      - name: id\n" + other, [text()])[0]
    assert beside in splice(HEAD + "      - name: id\n", [text()], BESIDE)[0]
    assert LONE in splice(HEAD + "      - name: id\n", [text()], IN_CONFIG)[0]


def test_every_section_is_cleaned():
    inner = f"description: Mine, {{0}}\n{LONE}"
    file = "\n".join(
        [
            "sources:\n- name: raw\n  tables:\n  - name: t\n    columns:\n    - name: a\n      @",
            "snapshots:\n- name: s\n  @",
            "seeds:\n- name: d\n  @",
            "models:\n- name: m\n  @\n  versions:\n  - v: 1\n    @\n    columns:\n    - include: all\n    - name: b\n      @\n",
        ]
    )
    marked, plain = ([], [])
    for line in file.split("\n"):
        lead = line.replace("@", "")
        marked += [lead + part for part in inner.split("\n")] if "@" in line else [line]
        plain += [lead + inner.split("\n")[0]] if "@" in line else [line]
    result, names = clean_marks("\n".join(marked), unescape_jinja)
    assert result == "\n".join(plain)
    assert sorted(names) == ["d", "m", "m.1", "m.1.b", "raw.t.a", "s"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(property_files(), st.lists(SENTENCES, min_size=3, max_size=6))
def test_marks_in_generated_files(file: tuple[str, list[str]], texts: list[str]):
    wanted = _wanted(texts, yaml.load(file[0], yaml.CSafeLoader))
    plain, _ = splice(file[0], wanted)
    marked, refused = splice(
        file[0], [replace(one, mark={"origin": "x", "hash": text_hash(one.after)}) for one in wanted]
    )
    assert refused == []
    assert clean_marks(marked, unescape_jinja) == (marked, [])
    bare, dropped = clean_marks(marked, lambda raw: raw + "!")
    assert len(dropped) == marked.count("docgen:")
    assert bare == plain
