"""Splicing into entries that are no plain model: sources, snapshots, seeds, versions; and odd letters."""

from __future__ import annotations

import pytest
from docgen_dbt.places import Place, Text
from docgen_dbt.splice import splice

SOURCE = Place("sources", "raw", "orders")
V1, V2 = (Place("models", "orders", version=version) for version in "12")
# name: (before, texts as (place, column, text), after)
SHAPES = {
    "tables of two sources of one name each": (
        "sources:\n  - name: raw\n    tables:\n      - name: customers\n      - name: orders\n"
        "        # of the till\n        columns:\n          - name: id\n  - name: other\n    tables:\n      - name: orders\n",
        [(SOURCE, "", "One row per order"), (SOURCE, "id", "Key"), (SOURCE, "total", "Sum")],
        "sources:\n  - name: raw\n    tables:\n      - name: customers\n      - name: orders\n"
        "        description: One row per order\n        # of the till\n        columns:\n          - name: id\n"
        "            description: Key\n          - name: total\n            description: Sum\n"
        "  - name: other\n    tables:\n      - name: orders\n",
    ),
    "tables in braces": (
        "sources: [{name: raw, tables: [{name: orders}]}]\n",
        [(SOURCE, "", "Orders"), (SOURCE, "id", "Key")],
        "sources: [{name: raw, tables: [{name: orders, description: Orders, columns: [{name: id, description: Key}]}]}]\n",
    ),
    "a snapshot that is all YAML": (
        "snapshots:\n  - name: history\n    relation: ref('orders')\n    config:\n      unique_key: id\n      strategy: check\n",
        [(Place("snapshots", "history"), "", "Orders as they were"), (Place("snapshots", "history"), "id", "Key")],
        "snapshots:\n  - name: history\n    description: Orders as they were\n    relation: ref('orders')\n    config:\n"
        "      unique_key: id\n      strategy: check\n    columns:\n      - name: id\n        description: Key\n",
    ),
    "a model and a seed of one name": (
        "models:\n  - name: orders\nseeds:\n  - name: orders\n",
        [(Place("seeds", "orders"), "", "Of the seed")],
        "models:\n  - name: orders\nseeds:\n  - name: orders\n    description: Of the seed\n",
    ),
    "versions that share a column": (
        "models:\n  - name: orders\n    columns:\n      - name: id\n    versions:\n      - v: 1\n      - v: 2\n",
        [(V1, "id", "Key"), (V2, "id", "Key"), (V1, "", "Orders"), (V2, "", "Orders")],
        "models:\n  - name: orders\n    description: Orders\n    columns:\n      - name: id\n        description: Key\n"
        "    versions:\n      - v: 1\n      - v: 2\n",
    ),
    "versions with columns of their own": (
        "models:\n  - name: orders\n    versions:\n      - v: 1\n        columns:\n          - include: all\n"
        "            exclude: [id]\n          - name: id\n      - v: 2\n",
        [(V1, "id", "Old key"), (V2, "id", "New key")],
        "models:\n  - name: orders\n    versions:\n      - v: 1\n        columns:\n          - include: all\n"
        "            exclude: [id]\n          - name: id\n            description: Old key\n      - v: 2\n"
        "        columns:\n          - include: all\n          - name: id\n            description: New key\n",
    ),
    "letters of all kinds": (
        "# \u6ce8\u6587 \U0001f600 \u00e9\nmodels:\n  - name: orders # \U0001f600\n    columns:\n      - name: \u91d1\u984d # \u6ce8\n      - name: 'pct %'\n",
        [
            (Place("models", "orders"), "", "\u6ce8\u6587\u304c1\u884c"),
            (Place("models", "orders"), "\u91d1\u984d", "\U0001f600 amount"),
            (Place("models", "orders"), "pct %", "50 % of it, %s and %(x)s"),
        ],
        "# \u6ce8\u6587 \U0001f600 \u00e9\nmodels:\n  - name: orders # \U0001f600\n    description: \u6ce8\u6587\u304c1\u884c\n    columns:\n"
        "      - name: \u91d1\u984d # \u6ce8\n        description: \"\U0001f600 amount\"\n      - name: 'pct %'\n"
        "        description: 50 % of it, %s and %(x)s\n",
    ),
    "a line of ten thousand letters": (
        "models:\n  - name: orders # " + "x" * 10_000 + "\n    meta: {a: '" + "y " * 5_000 + "'}\n",
        [(Place("models", "orders"), "", "z" * 500)],
        "models:\n  - name: orders # " + "x" * 10_000 + "\n    description: >-\n      " + "z" * 500
        + "\n    meta: {a: '" + "y " * 5_000 + "'}\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_of_entries(name):
    before, wanted, after = SHAPES[name]
    texts = [Text(place, column, "", text) for place, column, text in wanted]
    assert splice(before, texts) == (after, [])
    assert splice(after, texts) == (after, [])


def test_versions_that_want_other_words_in_one_place():
    text = SHAPES["versions that share a column"][0]
    _, refused = splice(text, [Text(V1, "id", "", "Key"), Text(V2, "id", "", "Another")])
    assert [why for _, why in refused] == ["another version of the model shares this place"]
