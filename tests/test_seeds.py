"""The seeds: the same for the same seed, no two alike, the whole economy covered, bad files named by line."""

import json
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
from docgen_training import seeds
from docgen_training.records import Record, read_records, write_records
from docgen_training.seeds import (
    ROLES,
    STYLES,
    Industry,
    Seed,
    draw_seeds,
    industries,
    read_seeds,
    use_cases,
    write_seeds,
)

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, Table

SEED = Seed(7, "111110", "Soybean Farming", "soil sampling", "fact", "camelCase", "duckdb", 9, 1)


@pytest.fixture(scope="module")
def drawn():
    return list(draw_seeds(1100, seed=1))


def test_the_same_seeds_for_the_same_seed(drawn):
    assert list(draw_seeds(1100, seed=1)) == drawn
    assert list(draw_seeds(50, seed=2)) != drawn[:50]


def test_a_longer_draw_begins_like_a_shorter_one(drawn):
    assert list(draw_seeds(30, seed=1)) == drawn[:30]
    assert list(draw_seeds(0, seed=1)) == []


def test_seeds_are_numbered_and_none_comes_twice():
    many = list(draw_seeds(2500, seed=3))
    assert [seed.number for seed in many] == list(range(1, 2501))
    assert len({(seed.naics, seed.use_case, seed.role) for seed in many}) == 2500


def test_the_taxonomies_are_whole():
    assert Counter(len(one.code) for one in industries() if "-" not in one.code)[6] == 1012
    assert len({one.code for one in industries()}) == len(industries())
    assert all(one.title == one.title.strip() != "" for one in industries())
    assert len(use_cases()) >= 200
    sectors = {one.sector for one in industries()}
    assert len(sectors) == 20
    for name, own in use_cases().items():
        assert own, name
        assert set(own) <= {*sectors, "*"}, name
    assert {sector for own in use_cases().values() for sector in own} == {*sectors, "*"}


SECTORS = [("11", "11"), ("31-33", "31"), ("325", "31"), ("334111", "31"), ("452", "44"), ("492", "48")]


@pytest.mark.parametrize(("code", "sector"), SECTORS)
def test_sector(code, sector):
    assert Industry(code, "x").sector == sector


def test_every_sector_and_subsector_is_covered(drawn):
    known = {one.code: one for one in industries()}
    assert {known[seed.naics].sector for seed in drawn} == {one.sector for one in industries()}
    assert {seed.naics[:3] for seed in drawn} == {code for code in known if len(code) == 3}
    assert {seed.naics for seed in drawn} == {code for code in known if len(code) == 6}
    assert all(seed.industry == known[seed.naics].title for seed in drawn)


def test_a_use_case_fits_its_industry(drawn):
    sector = {one.code: one.sector for one in industries()}
    for seed in drawn:
        assert {"*", sector[seed.naics]} & set(use_cases()[seed.use_case]), seed
    assert len({seed.use_case for seed in drawn}) >= 200


SHARES = [("role", ROLES), ("style", STYLES)]


@pytest.mark.parametrize(("field", "shares"), SHARES)
def test_roles_and_styles_are_drawn_by_their_shares(drawn, field, shares):
    counts = Counter(getattr(seed, field) for seed in drawn)
    assert set(counts) == set(shares)
    assert sum(shares.values()) == 100
    for name, share in shares.items():
        assert abs(counts[name] / len(drawn) - share / 100) < 0.05, name


def test_sizes_fit_the_role(drawn):
    assert {seed.dialect for seed in drawn} == set(seeds._DIALECTS)
    for seed in drawn:
        least, most = (5, 8) if seed.role in ("bridge", "reference") else (8, 14)
        assert least <= seed.columns <= most
        assert seed.opaque in (0, 1, 2)


LINES = [
    (SEED, "7 | Soybean Farming | soil sampling | fact | camelCase | duckdb | 9 columns, 1 of them opaque"),
    (
        replace(SEED, opaque=0),
        "7 | Soybean Farming | soil sampling | fact | camelCase | duckdb | 9 columns",
    ),
]


@pytest.mark.parametrize(("seed", "line"), LINES)
def test_a_seed_is_one_line_of_a_prompt(seed, line):
    assert seed.line() == line


def test_more_than_there_are_is_said_at_once():
    with pytest.raises(DocgenError, match=r"--count 9000000: the taxonomy has only \d+ different seeds"):
        next(draw_seeds(9_000_000, seed=1))


def test_a_small_taxonomy_is_drawn_to_its_end(monkeypatch):
    monkeypatch.setattr(seeds, "industries", lambda: (Industry("111", "Crops"), Industry("111110", "Soy")))
    monkeypatch.setattr(seeds, "use_cases", lambda: {"yield": ("11",), "churn": ("*",), "beds": ("62",)})
    most = 2 * len(ROLES)
    whole = list(draw_seeds(most, seed=1))
    assert {(seed.use_case, seed.role) for seed in whole} == {
        (case, role) for case in ("yield", "churn") for role in ROLES
    }
    with pytest.raises(DocgenError, match=f"only {most} different seeds; ask for fewer"):
        list(draw_seeds(most + 1, seed=1))


def test_seeds_survive_a_round_trip(tmp_path):
    path = tmp_path / "new" / "seeds.jsonl"
    some = [*draw_seeds(20, seed=4), replace(SEED, number=21, industry="Käse | Tabak")]
    assert write_seeds(path, some) == 21
    assert read_seeds(path) == some


GOOD = json.dumps({name: getattr(SEED, name) for name in Seed.__slots__})
BAD = [
    ("{", "not a seed"),
    ("", "not a seed"),
    ("[1, 2]", "not a seed"),
    ("7", "not a seed"),
    ('{"number": 7}', "missing"),
    (GOOD.replace('"role"', '"part"'), "unexpected keyword"),
]


@pytest.mark.parametrize(("line", "said"), BAD)
def test_a_bad_seed_file_is_named_by_line(tmp_path, line, said):
    path = tmp_path / "seeds.jsonl"
    path.write_text(f"{GOOD}\n{line}\n{GOOD}\n")
    with pytest.raises(DocgenError, match=r"seeds\.jsonl:2: not a seed: .*make the file with") as caught:
        read_seeds(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "seeds.jsonl").write_bytes(b"\xff\xfe")
    for name in ("seeds.jsonl", "none.jsonl"):
        with pytest.raises(DocgenError, match=f"{name}: cannot be read"):
            read_seeds(tmp_path / name)


def test_a_record_keeps_the_seed_it_was_asked_for(tmp_path):
    table = Table("s/t", "t", columns=(Column("a", "int", "Acidity of the sample."),))
    records = [
        Record(table, "s", "Apache-2.0", seed) for seed in (None, SEED, *islice(draw_seeds(2, seed=1), 2))
    ]
    path = tmp_path / "records.jsonl.xz"
    assert write_records(path, records) == 4
    assert list(read_records(path)) == records


def test_a_record_with_a_bad_seed_is_named_by_line(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text('{"source": "s", "table": "t", "columns": [], "seed": {"number": 1}}\n')
    with pytest.raises(DocgenError, match=r"records\.jsonl:1: not a training record"):
        list(read_records(path))
