"""What a team's texts go through before the training: gathered, cleaned, split."""

from __future__ import annotations

import pytest
from docgen_training.records import Record, write_records
from docgen_training.run_config import CleanOptions, HarvestOptions, SplitOptions
from docgen_training.run_data import clean_texts, gather, split_records

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, Table

TEXT = "Day on which the {} was seen by the guard."


def record(name, *columns, source="park", license="MIT"):
    found = tuple(Column(one, "date", TEXT.format(one.replace("_", " "))) for one in columns)
    return Record(Table(f"{source}/{name}", name, columns=found), source, license)


def told(*texts, name="gates", description=""):
    columns = tuple(Column(f"width_{number}", "int", text) for number, text in enumerate(texts))
    return Record(Table(f"park/{name}", name, description=description, columns=columns), "park", "MIT")


def parks(count):
    """Return tables that share no column."""
    animals = "otter heron badger newt owl".split()
    return [record(f"visits_{n}", *(f"{one}_{n}_seen" for one in animals)) for n in range(count)]


# a text -> what is left of it in one's own voice, and held to the house's rules
CLEANED = [
    ("the opening between both posts.", "The opening between both posts.", "Opening between both posts."),
    ("Opening between both posts; see {{ doc('x') }}.", "", ""),
    ("Width 0.", "", ""),
    ("Opening between both posts in metres.", "", ""),
    ("Opening between both posts, never above 4711.", "", ""),
    ("Represents the opening of all the posts.", "Represents the opening of all the posts.", ""),
]


@pytest.mark.parametrize(("text", "own", "house"), CLEANED)
@pytest.mark.parametrize("voice", ["own", "house"])
def test_which_texts_are_learnt_from(text, own, house, voice):
    kept, facts = clean_texts([told(text, "Metal that the hinges are made of.")], CleanOptions(voice))
    wanted = own if voice == "own" else house
    assert kept[0].table.columns[0].description == wanted
    assert facts["columns_before"] == 2
    assert facts["columns"] == 1 + bool(wanted)
    assert sum(facts["fallen"].values()) == (not wanted)


def test_a_table_without_a_text_left_goes():
    kept, facts = clean_texts([told("Width."), told("Opening between both posts.")], CleanOptions())
    assert [one.table.name for one in kept] == ["gates"]
    assert (facts["tables"], facts["columns"], facts["columns_before"]) == (1, 1, 2)


def places(split):
    return {
        record.table.key: part for part in ("train", "valid", "held_out") for record in getattr(split, part)
    }


def test_every_table_is_somewhere_once():
    records = parks(30)
    split, facts = split_records(records, SplitOptions(), 1)
    found = [*split.train, *split.valid, *split.held_out]
    assert sorted(one.table.key for one in found) == sorted(one.table.key for one in records)
    assert [len(part) for part in (split.train, split.valid, split.held_out)] == [21, 3, 6]
    assert [facts[name]["tables"] for name in ("train", "valid", "held_out")] == [21, 3, 6]
    assert facts["places"]["held_out"] == sorted(one.table.key for one in split.held_out)


def test_the_seed_alone_draws_the_split():
    records = parks(30)
    first = places(split_records(records, SplitOptions(), 1)[0])
    assert places(split_records(records[::-1], SplitOptions(), 1)[0]) == first
    assert places(split_records(records, SplitOptions(), 2)[0]) != first


def test_a_new_table_moves_few_others():
    records = parks(60)
    before = places(split_records(records[:-1], SplitOptions(), 1)[0])
    after = places(split_records(records, SplitOptions(), 1)[0])
    assert sum(after[key] != part for key, part in before.items()) <= 2


# a table's own columns, those of the table beside it, and its name
LIKE = [
    (("day", "keeper", "gate", "tide"), "entries"),
    (("DAY", "Keeper", "gate", "tide"), "entries"),
    (("day", "keeper", "gate", "tide", "sky"), "entries"),
    (("moon", "sun", "sky", "wind"), "VISITS"),
]


@pytest.mark.parametrize(("columns", "name"), LIKE)
def test_like_tables_stay_on_one_side(columns, name):
    for seed in range(20):
        twins = [record("visits", "day", "keeper", "gate", "tide"), record(name, *columns, source="other")]
        found = places(split_records([*parks(20), *twins], SplitOptions(), seed)[0])
        assert found["park/visits"] == found[f"other/{name}"]


def test_too_few_documented_tables():
    records = [*parks(11), record("small", "one", "other")]
    with pytest.raises(
        DocgenError, match=r"^11 documented tables are left .*, 20 are needed \(\[split\] least_tables\)"
    ):
        split_records(records, SplitOptions(), 1)
    assert split_records(records, SplitOptions(least_tables=11), 1)


def test_tables_that_are_all_alike():
    records = [record(f"visits_{n}", "day", "keeper", "gate", "tide") for n in range(25)]
    with pytest.raises(DocgenError, match="the 25 documented tables fall into 1 group of like columns"):
        split_records(records, SplitOptions(), 1)


def test_record_files_are_sources(tmp_path):
    write_records(
        tmp_path / "a.jsonl.xz", [record("gates", "day"), record("posts", "tide", license="BSD-3-Clause")]
    )
    write_records(tmp_path / "b.jsonl", [record("walls")])
    wanted = HarvestOptions((str(tmp_path / "a.jsonl.xz"), str(tmp_path / "b.jsonl")))
    records, facts = gather(wanted)
    assert [(one.table.name, one.license) for one in records] == [("gates", "MIT"), ("posts", "BSD-3-Clause")]
    assert facts["sources"][0] == {
        "source": "a.jsonl.xz",
        "license": "BSD-3-Clause, MIT",
        "tables": 2,
        "columns": 2,
    }
    assert (facts["tables"], facts["columns"], facts["sources"][1]["tables"]) == (2, 2, 0)


def test_a_record_files_licence_is_held_to_the_list(tmp_path):
    write_records(tmp_path / "a.jsonl", [record("gates", "day", license="GPL-3.0-only")])
    with pytest.raises(DocgenError, match=r"a\.jsonl: the licence 'GPL-3.0-only' is none of"):
        gather(HarvestOptions((str(tmp_path / "a.jsonl"),)))
    assert gather(HarvestOptions((str(tmp_path / "a.jsonl"),), allow_licenses=("GPL-3.0-only",)))[0]


def test_sources_without_a_text(tmp_path):
    write_records(tmp_path / "a.jsonl", [record("gates")])
    with pytest.raises(
        DocgenError, match="no table of the sources is described: there is nothing to learn from"
    ):
        gather(HarvestOptions((str(tmp_path / "a.jsonl"),)))
