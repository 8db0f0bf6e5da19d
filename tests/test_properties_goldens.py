"""Splicing: the nastiest shapes of property files, byte for byte."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import yaml
from docgen_dbt.document import Refused
from docgen_dbt.files import FileText
from docgen_dbt.places import Place, Text
from docgen_dbt.splice import splice

from docgen_plugin.jinja import escape_jinja, unescape_jinja

LONG = (
    "Number that the shop gave the order when the till opened it, unique over all stores and "
    "never used twice."
)


@dataclass(frozen=True)
class Case:
    """Texts for the model `orders`: (column or "", text before, text after)."""

    name: str
    before: bytes
    changes: list[tuple[str, str, str]]
    after: bytes


CASES = [
    Case(
        "comments_and_trailing_comment",
        before=(
            b"# top\n"
            b"version: 2 # two\n"
            b"\n"
            b"models:\n"
            b"  # about orders\n"
            b"  - name: orders # here\n"
            b"    # why\n"
            b"    columns:\n"
            b"      - name: id   # key\n"
            b"        # of it\n"
            b"        tests: [unique]\n"
            b"# end\n"
        ),
        changes=[("", "", "One row per order"), ("id", "", "Number of the order")],
        after=(
            b"# top\n"
            b"version: 2 # two\n"
            b"\n"
            b"models:\n"
            b"  # about orders\n"
            b"  - name: orders # here\n"
            b"    description: One row per order\n"
            b"    # why\n"
            b"    columns:\n"
            b"      - name: id   # key\n"
            b"        description: Number of the order\n"
            b"        # of it\n"
            b"        tests: [unique]\n"
            b"# end\n"
        ),
    ),
    Case(
        "empty_values",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description:   # todo\n"
            b"    columns:\n"
            b"      - name: a\n"
            b'        description: ""\n'
            b"      - name: b\n"
            b"        description: ''   # soon\n"
            b"      - name: c\n"
            b"        description: null\n"
            b"      - name: d\n"
            b"        description:  \n"
            b"      - name: e\n"
            b"        description: ~\n"
        ),
        changes=[
            ("", "", "One row per order"),
            ("a", "", 'The "a"'),
            ("b", "", "It's b"),
            ("c", "", "C"),
            ("d", "", "D"),
            ("e", "", LONG),
        ],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: One row per order   # todo\n"
            b"    columns:\n"
            b"      - name: a\n"
            b'        description: "The \\"a\\""\n'
            b"      - name: b\n"
            b"        description: 'It''s b'   # soon\n"
            b"      - name: c\n"
            b"        description: C\n"
            b"      - name: d\n"
            b"        description: D\n"
            b"      - name: e\n"
            b"        description: >-\n"
            b"          Number that the shop gave the order when the till opened it, unique over all stores and\n"
            b"          never used twice.\n"
        ),
    ),
    Case(
        "empty_blocks",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: |\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: >-  # later\n"
            b"      - name: b\n"
            b"        description: |\n"
            b"            \n"
            b"\n"
            b"      - name: c\n"
        ),
        changes=[("", "", "One row per order"), ("a", "", LONG), ("b", "", "B"), ("c", "", "C")],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: |-\n"
            b"      One row per order\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: >-  # later\n"
            b"          Number that the shop gave the order when the till opened it, unique over all stores and\n"
            b"          never used twice.\n"
            b"      - name: b\n"
            b"        description: |-\n"
            b"          B\n"
            b"\n"
            b"      - name: c\n"
            b"        description: C\n"
        ),
    ),
    Case(
        "block_text_replaced_before_comment",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: |\n"
            b"      Old text\n"
            b"      in two lines\n"
            b"\n"
            b"    # a comment\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: >\n"
            b"          Old\n"
            b"          a\n"
            b"\n"
            b"  - name: other\n"
        ),
        changes=[("", "Old text\nin two lines", "New text\n\nwith a paragraph\n"), ("a", "Old a", "New a")],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: |\n"
            b"      New text\n"
            b"\n"
            b"      with a paragraph\n"
            b"\n"
            b"    # a comment\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: >-\n"
            b"          New a\n"
            b"\n"
            b"  - name: other\n"
        ),
    ),
    Case(
        "quoted_multi_line_replaced",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b'    description: "Old\n'
            b'      text"  # c\n'
            b"    columns: [{name: a, description: 'old'}, {'name': b}, {\"name\": \"c\"}]\n"
        ),
        changes=[
            ("", "Old text", "Line one\nline two"),
            ("a", "old", "new, better"),
            ("b", "", "bee"),
            ("c", "", "see: it"),
            ("d", "", "dee"),
        ],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: |-  # c\n"
            b"      Line one\n"
            b"      line two\n"
            b'    columns: [{name: a, description: "new, better"}, {\'name\': b, "description": "bee"}, {"name": "c", "description": "see: it"}, {name: d, description: dee}]\n'
        ),
    ),
    Case(
        "plain_multi_line_replaced",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: Old text\n"
            b"      goes on   \n"
            b"      here  # c\n"
            b"    columns:\n"
            b"\n"
            b"      - description: first\n"
            b"        name: a\n"
        ),
        changes=[("", "Old text goes on here", LONG), ("a", "first", "no")],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: >-  # c\n"
            b"      Number that the shop gave the order when the till opened it, unique over all stores and never\n"
            b"      used twice.\n"
            b"    columns:\n"
            b"\n"
            b'      - description: "no"\n'
            b"        name: a\n"
        ),
    ),
    Case(
        "crlf",
        before=(
            b"version: 2\r\n"
            b"models:\r\n"
            b"  - name: orders\r\n"
            b"    columns:\r\n"
            b"      - name: a\r\n"
            b"      - name: b\r\n"
            b'        description: ""\r\n'
        ),
        changes=[("", "", LONG), ("a", "", "two\n\nparagraphs"), ("b", "", "B"), ("c", "", "C")],
        after=(
            b"version: 2\r\n"
            b"models:\r\n"
            b"  - name: orders\r\n"
            b"    description: >-\r\n"
            b"      Number that the shop gave the order when the till opened it, unique over all stores and never\r\n"
            b"      used twice.\r\n"
            b"    columns:\r\n"
            b"      - name: a\r\n"
            b"        description: |-\r\n"
            b"          two\r\n"
            b"\r\n"
            b"          paragraphs\r\n"
            b"      - name: b\r\n"
            b'        description: "B"\r\n'
            b"      - name: c\r\n"
            b"        description: C\r\n"
        ),
    ),
    Case(
        "bom_and_no_final_newline",
        before=(b"\xef\xbb\xbfmodels:\n- name: orders\n  columns:\n  - name: a"),
        changes=[("", "", "Rows \u20ac"), ("a", "", "A"), ("b", "", "B")],
        after=(
            b"\xef\xbb\xbfmodels:\n"
            b"- name: orders\n"
            b"  description: Rows \xe2\x82\xac\n"
            b"  columns:\n"
            b"  - name: a\n"
            b"    description: A\n"
            b"  - name: b\n"
            b"    description: B"
        ),
    ),
    Case(
        "wide_dashes",
        before=(
            b"models:\n"
            b"    -   name: orders\n"
            b"        columns:\n"
            b"            -   name: a\n"
            b"                tests:\n"
            b"                    -   unique\n"
        ),
        changes=[("", "", "Orders"), ("a", "", LONG), ("b", "", "B")],
        after=(
            b"models:\n"
            b"    -   name: orders\n"
            b"        description: Orders\n"
            b"        columns:\n"
            b"            -   name: a\n"
            b"                description: >-\n"
            b"                  Number that the shop gave the order when the till opened it, unique over all\n"
            b"                  stores and never used twice.\n"
            b"                tests:\n"
            b"                    -   unique\n"
            b"            -   name: b\n"
            b"                description: B\n"
        ),
    ),
    Case(
        "columns_null",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b"    columns: # none yet\n"
            b"  - name: other\n"
            b"    columns:\n"
            b"      - name: x\n"
        ),
        changes=[("a", "", "A"), ("b", "", "B")],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    columns: # none yet\n"
            b"      - name: a\n"
            b"        description: A\n"
            b"      - name: b\n"
            b"        description: B\n"
            b"  - name: other\n"
            b"    columns:\n"
            b"      - name: x\n"
        ),
    ),
    Case(
        "columns_empty_list",
        before=(b"models:\n  - name: orders\n    columns: []  # none\n    tests: []\n"),
        changes=[("a", "", "A")],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    columns:  # none\n"
            b"      - name: a\n"
            b"        description: A\n"
            b"    tests: []\n"
        ),
    ),
    Case(
        "columns_missing_with_tests_last",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b"    config:\n"
            b"      tags: [x]\n"
            b"    data_tests:\n"
            b"      - dbt_utils.x:\n"
            b"          arguments:\n"
            b"            v: |\n"
            b"              a\n"
            b"              b\n"
            b"\n"
            b"\n"
            b"  # next\n"
            b"  - name: other\n"
        ),
        changes=[("", "", "Orders"), ("a", "", "A")],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: Orders\n"
            b"    config:\n"
            b"      tags: [x]\n"
            b"    data_tests:\n"
            b"      - dbt_utils.x:\n"
            b"          arguments:\n"
            b"            v: |\n"
            b"              a\n"
            b"              b\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: A\n"
            b"\n"
            b"\n"
            b"  # next\n"
            b"  - name: other\n"
        ),
    ),
    Case(
        "flow_entry",
        before=(b"models: [{name: orders, columns: [{name: a}]}, {name: other}]\n"),
        changes=[("", "", "Orders, all"), ("a", "", "A"), ("b", "", "B")],
        after=(
            b'models: [{name: orders, description: "Orders, all", columns: [{name: a, description: A}, {name: b, description: B}]}, {name: other}]\n'
        ),
    ),
    Case(
        "flow_columns_missing",
        before=(b"models:\n  - {name: orders}\n"),
        changes=[("", "", "Orders"), ("a", "", "A")],
        after=(b"models:\n  - {name: orders, description: Orders, columns: [{name: a, description: A}]}\n"),
    ),
    Case(
        "quoted_keys",
        before=(
            b'"models":\n'
            b'  - "name": "orders"\n'
            b"    'columns':\n"
            b"      - 'name': 'Order Id'\n"
            b'        "description" : ""\n'
        ),
        changes=[("", "", "Orders"), ("order id", "", "Key")],
        after=(
            b'"models":\n'
            b'  - "name": "orders"\n'
            b"    description: Orders\n"
            b"    'columns':\n"
            b"      - 'name': 'Order Id'\n"
            b'        "description" : "Key"\n'
        ),
    ),
    Case(
        "description_before_name",
        before=(
            b"models:\n"
            b"  - description:\n"
            b"    name: orders\n"
            b"    columns:\n"
            b"      - tests: [unique]\n"
            b"        name: a\n"
            b"      - data_type: int\n"
            b"        name: b\n"
        ),
        changes=[("", "", "Orders"), ("a", "", "A"), ("b", "", "B")],
        after=(
            b"models:\n"
            b"  - description: Orders\n"
            b"    name: orders\n"
            b"    columns:\n"
            b"      - tests: [unique]\n"
            b"        name: a\n"
            b"        description: A\n"
            b"      - data_type: int\n"
            b"        name: b\n"
            b"        description: B\n"
        ),
    ),
    Case(
        "no_entry_spaced",
        before=(b"version: 2\n\nmodels:\n  - name: one\n\n  - name: two\n\n# the end\n"),
        changes=[("", "", "Orders"), ("a", "", "A")],
        after=(
            b"version: 2\n"
            b"\n"
            b"models:\n"
            b"  - name: one\n"
            b"\n"
            b"  - name: two\n"
            b"\n"
            b"  - name: orders\n"
            b"    description: Orders\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: A\n"
            b"\n"
            b"# the end\n"
        ),
    ),
    Case(
        "no_entry_dense",
        before=(b"models:\n- name: one\n- name: two\n  columns:\n  - name: x\n"),
        changes=[("", "", "Orders"), ("a", "", "A")],
        after=(
            b"models:\n"
            b"- name: one\n"
            b"- name: two\n"
            b"  columns:\n"
            b"  - name: x\n"
            b"- name: orders\n"
            b"  description: Orders\n"
            b"  columns:\n"
            b"  - name: a\n"
            b"    description: A\n"
        ),
    ),
    Case(
        "no_section",
        before=(b"version: 2\n\nsources:\n    - name: raw\n      tables:\n          - name: t\n...\n"),
        changes=[("", "", "Orders"), ("a", "", "A")],
        after=(
            b"version: 2\n"
            b"\n"
            b"sources:\n"
            b"    - name: raw\n"
            b"      tables:\n"
            b"          - name: t\n"
            b"\n"
            b"models:\n"
            b"    - name: orders\n"
            b"      description: Orders\n"
            b"      columns:\n"
            b"          - name: a\n"
            b"            description: A\n"
            b"...\n"
        ),
    ),
    Case(
        "section_null",
        before=(b"version: 2\nmodels:\nseeds:\n  - name: s\n"),
        changes=[("", "", "Orders"), ("a", "", "A")],
        after=(
            b"version: 2\n"
            b"models:\n"
            b"  - name: orders\n"
            b"    description: Orders\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: A\n"
            b"seeds:\n"
            b"  - name: s\n"
        ),
    ),
    Case(
        "only_comment",
        before=(b"# nothing yet\n"),
        changes=[("", "", "Orders")],
        after=(b"# nothing yet\n\nmodels:\n  - name: orders\n    description: Orders\n"),
    ),
    Case(
        "texts_like_other_things",
        before=(
            b"models:\n"
            b"  - name: orders\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"      - name: b\n"
            b"      - name: c\n"
            b"      - name: d\n"
            b"      - name: e\n"
            b"      - name: f\n"
            b"      - name: g\n"
            b"      - name: h\n"
            b"      - name: i\n"
        ),
        changes=[
            ("a", "", "yes"),
            ("b", "", "1.5"),
            ("c", "", "a: b"),
            ("d", "", "# x"),
            ("e", "", "  led and trailed "),
            ("f", "", "tab\there \u2028 \x85 \U0001f600"),
            ("g", "", "2024-01-01"),
            ("h", "", "null"),
            ("i", "", 'back\\slash "quote"'),
        ],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    columns:\n"
            b"      - name: a\n"
            b'        description: "yes"\n'
            b"      - name: b\n"
            b'        description: "1.5"\n'
            b"      - name: c\n"
            b'        description: "a: b"\n'
            b"      - name: d\n"
            b'        description: "# x"\n'
            b"      - name: e\n"
            b'        description: "  led and trailed "\n'
            b"      - name: f\n"
            b'        description: "tab\\there \\u2028 \\x85 \xf0\x9f\x98\x80"\n'
            b"      - name: g\n"
            b'        description: "2024-01-01"\n'
            b"      - name: h\n"
            b'        description: "null"\n'
            b"      - name: i\n"
            b'        description: back\\slash "quote"\n'
        ),
    ),
    Case(
        "jinja",
        before=(b'models:\n  - name: orders\n    description: ""\n    columns:\n      - name: a\n'),
        changes=[
            ("", "", "Uses {{ var('x') }} and {% if %} and {# note #}"),
            ("a", "", "ends }} with {{{ three"),
        ],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    description: \"Uses {{ '{' }}{ var('x') }} and {{ '{' }}% if %} and {{ '{' }}# note #}\"\n"
            b"    columns:\n"
            b"      - name: a\n"
            b"        description: ends }} with {{ '{' }}{{ '{' }}{ three\n"
        ),
    ),
    Case(
        "dollar_tilde_names",
        before=(b"models:\n  - name: orders\n"),
        changes=[("no", "", "A column called no"), ("a: b", "", "odd"), ("1", "", "digit")],
        after=(
            b"models:\n"
            b"  - name: orders\n"
            b"    columns:\n"
            b'      - name: "no"\n'
            b"        description: A column called no\n"
            b'      - name: "a: b"\n'
            b"        description: odd\n"
            b'      - name: "1"\n'
            b"        description: digit\n"
        ),
    ),
]


REFUSED = [
    (
        "anchor",
        b"x: &d text\nmodels:\n  - &o\n    name: orders\n  - name: a\n",
        "the entry uses a YAML anchor, alias or tag",
    ),
    (
        "alias",
        b"anchors: &c\n  - name: a\nmodels:\n  - name: orders\n    columns: *c\n",
        "the entry uses a YAML anchor, alias or tag",
    ),
    (
        "merge",
        b"x: &d\n  config: {tags: [a]}\nmodels:\n  - <<: *d\n    name: orders\n",
        "the entry uses a YAML anchor, alias or tag",
    ),
    ("tag", b"models:\n  - name: !!str orders\n", "the entry uses a YAML anchor, alias or tag"),
    (
        "two entries",
        b"models:\n  - name: orders\n  - name: other\n  - name: orders\n",
        "orders has 2 entries in this file",
    ),
    (
        "two columns",
        b"models:\n  - name: orders\n    columns:\n      - name: a\n      - name: a\n",
        "column a has 2 entries",
    ),
    (
        "two spellings",
        b"models:\n  - name: orders\n    columns:\n      - name: A\n      - name: 'A '\n      - name: A\n",
        "column a has 2 entries",
    ),
    (
        "two descriptions",
        b"models:\n  - name: orders\n    columns:\n      - name: a\n        description: x\n        description: x\n",
        "the entry has 'description:' twice",
    ),
    ("two sections", b"models:\n  - name: orders\nmodels:\n  - name: b\n", "'models:' stands twice in the file"),
    (
        "doc reference",
        b"models:\n  - name: orders\n    columns:\n      - {name: a, description: '{{ doc(\"a\") }}'}\n",
        "the description is a doc() reference",
    ),
    (
        "a person's text",
        b"models:\n  - name: orders\n    columns:\n      - name: a\n        description: mine\n",
        "text changed meanwhile",
    ),
    ("columns as a mapping", b"models:\n  - name: orders\n    columns: {a: b}\n", "'columns:' is not a list"),
    ("a list as text", b"models:\n  - name: orders\n    columns:\n      - {name: a, description: [x]}\n",
     "'description:' is not a text"),
]  # fmt: skip
UNREADABLE = [
    (
        "tab",
        b"models:\n\t- name: orders\n",
        "the file is not YAML that dbt reads: found character that cannot start any token (line 2, column 1)",
    ),
    (
        "half a list",
        b"models: [\n",
        "the file is not YAML that dbt reads: did not find expected node content (line 2, column 1)",
    ),
    (
        "two documents",
        b"models: []\n---\nmodels: []\n",
        "the file is not YAML that dbt reads: but found another document (line 2, column 1)",
    ),
    ("a list", b"- models\n", "the file's top is not a YAML mapping"),
]
# Texts that YAML or Jinja would take for something else.
TEXTS = [
    "yes", "No", "on", "y", "null", "~", "1", "1.5", "0o17", "0x1f", "1_000", "1e3", ".5", ".inf", "12:30:45", "2024-01-01",
    "a: b", "a:b", "a #b", "#x", "# x", "- x", "-x", "? x", "! x", "&x", "*x", "@x", "`x`", "%x", "|", ">", "[x]",
    "{x}", "'x'", '"x"', "it's", "a\\b", "x:", "x: ", " x", "x ", "a\nb", "a\n\nb", "a\n", "a\nb\n", "a\nb\n\n", "\na",
    "a\n  b", "  a\nb", "a\r\nb", "a\tb", "\ta", "a\x00b", "a\x07", "a\x7f", "a\x85b", "a\xa0b", "a\u2028b", "a\u2029b", "\ufeffa",
    "a\ufeff", "\U0001f600", "caf\u00e9", "{{ x }}", "{% x %}", "{# x #}", "{{{", "a }} b", "{{ 'x' }}\n", "{{ doc('x') }}",
    "{{\r\n", "---", "...", "--- a", "<<", "=", "a" * 300, "word " * 50 + "end", "two  spaces " * 12 + "end", LONG,
    LONG + "\n", LONG + "\n\n", LONG + "\n" + LONG, "# " + LONG, " " + LONG, LONG + " ", "- " + LONG,
]  # fmt: skip
PLACES = {
    "missing": b"models:\n  - name: orders\n    columns:\n      - name: a\n",
    "empty": b"models:\n  - name: orders\n    columns:\n      - name: a\n        description:\n",
    "double": b'models:\n  - name: orders\n    columns:\n      - name: a\n        description: ""\n',
    "single": b"models:\n  - name: orders\n    columns:\n      - name: a\n        description: '' # c\n",
    "literal": b"models:\n  - name: orders\n    columns:\n      - name: a\n        description: |\n",
    "folded": b"models:\n  - name: orders\n    columns:\n      - name: a\n        description: >\n",
    "flow": b"models:\n  - name: orders\n    columns: [{name: a}]\n",
    "crlf": b"models:\r\n  - name: orders\r\n    columns:\r\n      - name: a\r\n",
    "no entry": b"version: 2\n",
    "no columns": b"models:\n  - name: orders\n",
}


def texts_of(changes: list[tuple[str, str, str]]) -> list[Text]:
    return [Text(Place("models", "orders"), *change) for change in changes]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_splice_bytes(case: Case):
    file = FileText(None, case.before)  # type: ignore[arg-type]  # no file is touched
    result, refused = splice(file.text, texts_of(case.changes))
    assert refused == []
    assert file.encode(result) == case.after


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_splice_again_changes_nothing(case: Case):
    file = FileText(None, case.after)  # type: ignore[arg-type]
    for before in ("", None):
        again = [(column, after if before is None else "", after) for column, _, after in case.changes]
        result, refused = splice(file.text, texts_of(again))
        assert refused == []
        assert file.encode(result) == case.after


@pytest.mark.parametrize(("name", "content", "reason"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused_with_a_reason(name: str, content: bytes, reason: str):
    text = content.decode()
    result, refused = splice(text, texts_of([("a", "", "New")]))
    assert [why for _, why in refused] == [reason]
    assert result == text


@pytest.mark.parametrize(("name", "content", "reason"), UNREADABLE, ids=[row[0] for row in UNREADABLE])
def test_unreadable_file(name: str, content: bytes, reason: str):
    with pytest.raises(Refused) as caught:
        splice(content.decode(), texts_of([("a", "", "New")]))
    assert str(caught.value) == reason


def test_refused_entry_leaves_the_others():
    text = "models:\n  - &o\n    name: orders\n  - name: other\n"
    other = Text(Place("models", "other"), "", "", "Other")
    result, refused = splice(text, [*texts_of([("", "", "Orders")]), other])
    assert [item.place.name for item, _ in refused] == ["orders"]
    assert result == text + "    description: Other\n"


# each place that is written or refused, and how the whole file reads then; `!` stands before what is refused
BESIDE_ANCHORS = """\
models:
  - name: a
    data_tests: &tests
      - unique
    columns:
      - &key
        name: key
      - name: own
        data_tests: *tests
      - name: told
        description: &told Told
      # of to
      - &to
        name: to
        description: Until
  - name: b
    data_tests: *tests
    columns:
      - *key
      - name: own
        description: *told
      - *to  # the last

  # of c
  - name: c
    columns: &all
      - name: x
  - name: d
    columns: *all
  - name: e
    columns: []
    data_tests: *tests
  - name: f
    columns:
      - <<: *key
        data_type: text
"""
BESIDE_WANTED = (
    "a.new a.own b b.new c d e e.n f !a.key !a.to !b.key !b.own !c.x !c.new !d.x !d.new !f.key"
).split()
BESIDE_WRITTEN = """\
models:
  - name: a
    data_tests: &tests
      - unique
    columns:
      - &key
        name: key
      - name: own
        description: a.own
        data_tests: *tests
      - name: told
        description: &told Told
      # of to
      - &to
        name: to
        description: Until
      - name: new
        description: a.new
  - name: b
    description: b
    data_tests: *tests
    columns:
      - *key
      - name: own
        description: *told
      - *to  # the last
      - name: new
        description: b.new

  # of c
  - name: c
    description: c
    columns: &all
      - name: x
  - name: d
    description: d
    columns: *all
  - name: e
    description: e
    columns:
      - name: "n"
        description: e.n
    data_tests: *tests
  - name: f
    description: f
    columns:
      - <<: *key
        data_type: text
"""


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_places_beside_anchors_and_aliases(ending: str):
    """What other places share is left alone; what stands beside it is written, all at once."""
    wanted = [
        Text(Place("models", table), column, "", f"{table}.{column}" if column else table)
        for table, _, column in (place.strip("!").partition(".") for place in BESIDE_WANTED)
    ]
    result, refused = splice(BESIDE_ANCHORS.replace("\n", ending), wanted)
    assert ["!" + item.after for item, _ in refused] == [place for place in BESIDE_WANTED if place[0] == "!"]
    assert {why for _, why in refused} == {"the entry uses a YAML anchor, alias or tag"}
    assert result == BESIDE_WRITTEN.replace("\n", ending)


def test_text_changed_meanwhile():
    text = "models:\n  - name: orders\n    description: Hand-made\n"
    result, refused = splice(text, texts_of([("", "Older text", "New")]))
    assert [why for _, why in refused] == ["text changed meanwhile"]
    assert result == text


def test_text_taken_away_meanwhile():
    text = "models:\n  - name: orders\n"
    for column in ("", "a"):
        _, refused = splice(text, texts_of([(column, "Older text", "New")]))
        assert [why for _, why in refused] == ["text changed meanwhile"]


def test_never_blanks():
    text = "models:\n  - name: orders\n    description: Hand-made\n"
    result, refused = splice(text, texts_of([("", "Hand-made", "  ")]))
    assert [why for _, why in refused] == ["an empty text is never written"]
    assert result == text


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("written", TEXTS, ids=ascii)
def test_text_reads_back_exactly(place: str, written: str):
    result, refused = splice(PLACES[place].decode(), texts_of([("a", "", written)]))
    assert refused == []
    for loader in (yaml.CSafeLoader, yaml.SafeLoader):
        column = yaml.load(result, loader)["models"][0]["columns"][0]
        assert unescape_jinja(column["description"]) == written
        assert column["description"] == escape_jinja(written)


@pytest.mark.parametrize("first", TEXTS, ids=ascii)
def test_text_is_replaced_exactly(first: str):
    start = PLACES["missing"].decode() + "        tests: [unique]\n\n  # end\n  - name: z\n"
    for second in ("short", "two\nlines", LONG):
        written, _ = splice(start, texts_of([("a", "", first)]))
        replaced, refused = splice(written, texts_of([("a", first, second)]))
        assert refused == []
        data = yaml.load(replaced, yaml.CSafeLoader)
        assert data["models"][0]["columns"][0] == {"name": "a", "description": second, "tests": ["unique"]}
        assert replaced.endswith("        tests: [unique]\n\n  # end\n  - name: z\n")


def test_change_that_would_alter_another_value_is_left_out():
    """A block text that keeps its blank lines would lose them to a column behind it."""
    text = "models:\n  - name: other\n  - name: orders\n    columns:\n      - name: a\n        meta: |+\n          x\n\n"
    other = Text(Place("models", "other"), "", "", "Other")
    result, refused = splice(text, [*texts_of([("b", "", "B"), ("a", "", "A")]), other])
    assert [(item.column, why) for item, why in refused] == [("b", "the file would not read back as meant")]
    assert result == (
        "models:\n  - name: other\n    description: Other\n  - name: orders\n    columns:\n      - name: a\n"
        "        description: A\n        meta: |+\n          x\n\n"
    )


# what stands there ends with the file, in a block text: name: (before, texts, after)
STOPS_IN_BLOCK = {
    "a column goes in front of the last": (
        "models:\n  - name: orders\n    columns: # all\n      - name: a\n      # of old\n      - name: b\n        description: |\n          x",
        [Text(Place("models", "orders"), "c", "", "C"), Text(Place("models", "orders"), "d", "", "D")],
        "models:\n  - name: orders\n    columns: # all\n      - name: a\n      - name: c\n        description: C\n"
        "      - name: d\n        description: D\n      # of old\n      - name: b\n        description: |\n          x",
    ),
    "a column goes in front of the only one": (
        "models:\n  - name: orders\n    columns: # all\n      - name: b\n        description: >\n          x\n          y",
        [Text(Place("models", "orders"), "c", "", "C")],
        "models:\n  - name: orders\n    columns: # all\n      - name: c\n        description: C\n      - name: b\n"
        "        description: >\n          x\n          y",
    ),
    "an entry goes in front of the last": (
        "models:\n  - name: orders\n\n  - name: items\n    description: |\n      x",
        [Text(Place("models", "more"), "", "", "More")],
        "models:\n  - name: orders\n\n  - name: more\n    description: More\n\n  - name: items\n    description: |\n      x",
    ),
    "a section goes in front of the last": (
        "version: 2\n\nmodels:\n  - name: items\n    description: |\n      x",
        [Text(Place("seeds", "more"), "", "", "More")],
        "version: 2\n\nseeds:\n  - name: more\n    description: More\n\nmodels:\n  - name: items\n    description: |\n      x",
    ),
}


@pytest.mark.parametrize("name", STOPS_IN_BLOCK)
def test_nothing_goes_behind_a_block_text_that_ends_with_the_file(name: str):
    """It would gain a line break, with it another value."""
    before, texts, after = STOPS_IN_BLOCK[name]
    for ending in ("\n", "\r\n"):
        result, refused = splice(before.replace("\n", ending), texts)
        assert refused == []
        assert result == after.replace("\n", ending)


def test_columns_before_a_text_that_ends_the_file():
    text = "models:\n  - name: orders\n    meta: |\n      x"
    result, refused = splice(text, texts_of([("", "", "Orders"), ("a", "", "A")]))
    assert refused == []
    assert result == (
        "models:\n  - name: orders\n    description: Orders\n    columns:\n      - name: a\n"
        "        description: A\n    meta: |\n      x"
    )
