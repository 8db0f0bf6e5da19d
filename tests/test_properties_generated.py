"""Splicing into generated property files: nothing but descriptions changes, and they read back as meant."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from docgen_dbt.places import Place, Text
from docgen_dbt.splice import splice
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docgen_plugin.jinja import escape_jinja

WORDS = st.sampled_from(["id", "Order Id", "no", "amount", "x7", "créé", "1", "a: b", "full_name", "is_new"])
SENTENCES = st.one_of(
    st.sampled_from(["Key", "yes", "a: b # c", "it's {{ x }}", "two\nlines", "long words " * 14 + "end"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(
        lambda text: text.strip()
    ),
)
COMMENTS = st.sampled_from(["", "", "", "  # why", " # 'quoted' \"too\"", " #"])
OLD = st.sampled_from(["missing", "empty", "null", "''", '""', "|", ">-", "kept"])
EXTRA = st.sampled_from(
    [
        "",
        "tests: [unique, not_null]",
        "data_type: varchar(10)",
        "meta:\n  owner: 'a: b'\n  n: 1.50",
        "quote: true",
    ]
)


@st.composite
def property_files(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Return a property file of models m0, m1, ... and what stands in place of each description."""
    dash, gap = draw(st.sampled_from([(0, 2), (2, 2), (4, 4), (2, 4), (1, 3)]))
    lines = draw(st.sampled_from([[], ["version: 2"], ["# head", "version: 2", ""], ["---"]]))
    lines = [*lines, "models:" + draw(COMMENTS)]
    for number in range(draw(st.integers(1, 4))):
        lines += draw(st.sampled_from([[], [""], ["", " " * dash + "# next"], ["# far left"]]))
        lines += _entry(draw, f"m{number}", dash, gap, " " * dash)
        column = dash + gap
        names = draw(st.lists(WORDS, max_size=4, unique_by=str.lower))
        if names:
            lines.append(" " * column + "columns:" + draw(COMMENTS))
            for name in names:
                lines += _entry(draw, name, column + dash, gap, " " * (column + dash))
        elif draw(st.booleans()):
            lines.append(
                " " * column + draw(st.sampled_from(["columns:", "columns: []", "columns: null  # none"]))
            )
    lines += draw(st.sampled_from([[], [""], ["# end"], ["", "seeds: []"]]))
    newline = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return newline.join(lines) + draw(st.sampled_from(["", newline])), lines


def _entry(draw: st.DrawFn, name: str, dash: int, gap: int, lead: str) -> list[str]:
    inner = " " * (dash + gap)
    shown = draw(st.sampled_from([f'"{name}"', f"'{name}'"]))
    if name.isidentifier() and name != "no" and draw(st.booleans()):
        shown = name
    keys = [f"name: {shown}{draw(COMMENTS)}"]
    old = draw(OLD)
    if old != "missing":
        keys.append(_old_description(old) + (draw(COMMENTS) if old != "kept" else ""))
    extra = draw(EXTRA)
    if extra:
        keys.append(extra.replace("\n", "\n" + inner))
    keys = draw(st.permutations(keys))
    lines = [lead + "-" + " " * (gap - 1) + keys[0], *(inner + key for key in keys[1:])]
    return [line for text in lines for line in text.split("\n")]


def _old_description(old: str) -> str:
    return {"empty": "description:", "null": "description: null", "kept": "description: A person's text"}.get(
        old, f"description: {old}"
    )


def _wanted(draw_texts: list[str], data: dict[str, Any]) -> list[Text]:
    """Return a text for every description that is missing, and one new column for each model."""
    wanted, texts = [], iter(draw_texts * 40)
    for model in data["models"]:
        place = Place("models", model["name"])
        if not (model.get("description") or "").strip():
            wanted.append(Text(place, "", "", next(texts)))
        for column in model.get("columns") or ():
            if not (column.get("description") or "").strip():
                wanted.append(Text(place, column["name"], "", next(texts)))
        wanted.append(Text(place, "brand new", "", next(texts)))
    return [*wanted, Text(Place("models", "absent"), "", "", next(texts))]


def _expected(data: dict[str, Any], wanted: list[Text]) -> dict[str, Any]:
    """Return the data that the changed file must hold, made without any of the splicing code."""
    result = copy.deepcopy(data)
    models = {model["name"]: model for model in result["models"]}
    for text in wanted:
        if text.place.name not in models:
            models[text.place.name] = {"name": text.place.name}
            result["models"].append(models[text.place.name])
        model = models[text.place.name]
        target = model
        if text.column:
            columns = model["columns"] = model.get("columns") or []
            target = next((column for column in columns if column["name"] == text.column), None)
            if target is None:
                target = {"name": text.column}
                columns.append(target)
        target["description"] = escape_jinja(text.after)
    return result


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(property_files(), st.lists(SENTENCES, min_size=3, max_size=6))
def test_only_descriptions_change(file: tuple[str, list[str]], texts: list[str]):
    text, lines = file
    data = yaml.load(text, yaml.CSafeLoader)
    wanted = _wanted(texts, data)
    result, refused = splice(text, wanted)
    assert refused == []
    assert yaml.load(result, yaml.CSafeLoader) == _expected(data, wanted)
    kept = iter(result.replace("\r\n", "\n").split("\n"))
    for line in lines:
        if "description:" in line and "A person's text" not in line:
            continue
        if "columns: [" in line or "columns: null" in line:
            continue
        assert line in kept, f"lost: {line!r}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(property_files(), st.lists(SENTENCES, min_size=3, max_size=6))
def test_second_time_changes_nothing(file: tuple[str, list[str]], texts: list[str]):
    text, _ = file
    wanted = _wanted(texts, yaml.load(text, yaml.CSafeLoader))
    once, _ = splice(text, wanted)
    twice, refused = splice(once, wanted)
    assert refused == []
    assert twice == once
