"""The blind study: its rows, the page and the sheet that raters get, their votes checked and counted."""

import csv
import json
import random
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from docgen_training.cli import cli
from docgen_training.records import Record, write_records
from docgen_training.study import FIELDS, Pair, Study, make_study, read_key, write_study
from docgen_training.votes import Vote, count_votes, fleiss_kappa, read_votes, report_lines

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, ForeignKey, Table

TABLES = tuple(
    Table(
        f"s/t{number}",
        f"t{number}",
        columns=(
            *(Column(f"c{index}", "int", f"Human text {index}.") for index in range(6)),
            Column("bare", "text"),
            Column("key", "int", primary_key=True),
            Column("fk", "int", foreign_key=ForeignKey("t0", "key")),
        ),
    )
    for number in range(20)
)
PLACES = [(table.key, f"c{index}") for table in TABLES for index in range(6)]


def said(who):
    """Return a system's texts for every described column."""
    return {place: f"{who} of {place[1]}." for place in PLACES}


SYSTEMS = {"ours": said("Ours"), "plain": said("Plain"), "human": said("Human")}


@pytest.fixture(scope="module")
def study():
    return make_study(TABLES, SYSTEMS, per_table=4, seed=1)


def test_a_study_is_the_same_for_the_same_seed(study):
    assert make_study(TABLES, SYSTEMS, per_table=4, seed=1) == study
    assert make_study(TABLES, SYSTEMS, per_table=4, seed=2) != study


def test_the_first_system_stands_in_every_row(study):
    assert study.system == "ours"
    assert [pair.row for pair in study.pairs] == list(range(1, 20 * 4 * 2 + 1))
    for pair in study.pairs:
        names = {pair.left_system, pair.right_system}
        assert len(names) == 2
        assert "ours" in names
        for name, text in ((pair.left_system, pair.left), (pair.right_system, pair.right)):
            assert text == SYSTEMS[name][pair.table, pair.column]


def test_every_table_gives_as_many_columns_for_each_rival(study):
    for table in TABLES:
        own = [pair for pair in study.pairs if pair.table == table.key]
        rows = [pair.row for pair in own]
        assert rows == list(range(rows[0], rows[0] + 8))  # they stand together
        for rival in ("plain", "human"):
            columns = {pair.column for pair in own if rival in (pair.left_system, pair.right_system)}
            assert len(columns) == 4
            assert columns <= {f"c{index}" for index in range(6)}


def test_sides_and_order_are_mixed(study):
    for rival in ("plain", "human"):
        own = [pair for pair in study.pairs if rival in (pair.left_system, pair.right_system)]
        assert 0.3 < sum(pair.left_system == "ours" for pair in own) / len(own) < 0.7
    firsts = {study.pairs[start].left_system for start in range(0, len(study.pairs), 8)}
    assert firsts == set(SYSTEMS)


def test_fewer_columns_than_asked_for_are_all_taken():
    assert len(make_study(TABLES[:1], SYSTEMS, per_table=50, seed=1).pairs) == 12


@pytest.mark.parametrize("systems", [{}, {"ours": said("Ours")}])
def test_one_system_is_no_study(systems):
    with pytest.raises(DocgenError, match="--system: a study compares at least two systems"):
        make_study(TABLES, systems, per_table=4, seed=1)


def with_same_text(pairs, *rows):
    """Return the pairs, those of these rows with one text on both sides."""
    return tuple(replace(pair, right=pair.left) if pair.row in rows else pair for pair in pairs)


def test_the_sheet_the_page_and_the_key(study, tmp_path):
    study = Study("ours", with_same_text(study.pairs, 2, 9))
    out, key = tmp_path / "raters", tmp_path / "secret" / "key.json"
    assert write_study(out, key, TABLES, study) == len(study.pairs) - 2
    assert read_key(key) == study
    assert sorted(path.name for path in out.iterdir()) == ["sheet.csv", "sheet.html", "tables.md"]
    with (out / "sheet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == FIELDS
    shown = [pair for pair in study.pairs if pair.row not in (2, 9)]
    assert [int(row["row"]) for row in rows] == [pair.row for pair in shown]
    assert [(row["A"], row["B"]) for row in rows] == [(pair.left, pair.right) for pair in shown]
    assert {row["vote"] + row["reason"] for row in rows} == {""}
    page = (out / "sheet.html").read_text()
    assert page.count("<fieldset data-row=") == len(shown)
    assert f"0 of {len(shown)}" in page
    context = (out / "tables.md").read_text()
    assert "- `t0` (rows 1 to 8): c0 int, c1 int," in context
    assert "key int key, fk int -> t0" in context


def test_nothing_that_raters_get_tells_who_wrote_what(tmp_path):
    names = {"zebra": said("One"), "okapi": said("Other")}
    write_study(tmp_path / "out", tmp_path / "key.json", TABLES, make_study(TABLES, names, 4, seed=1))
    for path in (tmp_path / "out").iterdir():
        assert not re.search("zebra|okapi", path.read_text())


INSIDE = ["key.json", "deep/er/key.json", "../out/key.json", ""]


@pytest.mark.parametrize("place", INSIDE)
def test_a_key_where_the_raters_look_is_refused(study, tmp_path, place):
    with pytest.raises(DocgenError, match=r"--key .*: lies in the raters' folder .*: put it somewhere else"):
        write_study(tmp_path / "out", tmp_path / "out" / place, TABLES, study)
    assert not (tmp_path / "out").exists()


def test_a_key_beside_the_raters_folder_is_fine(study, tmp_path):
    write_study(tmp_path / "out", tmp_path / "out.key.json", TABLES, study)
    assert read_key(tmp_path / "out.key.json") == study


NO_KEYS = ["", "[]", "{}", '{"system": "a"}', '{"system": "a", "pairs": [{}]}', '{"system": "a", "pairs": 3}']


@pytest.mark.parametrize("text", NO_KEYS)
def test_what_is_no_key(tmp_path, text):
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(DocgenError, match=r"key\.json: is not the key of a study"):
        read_key(tmp_path / "key.json")


class _Page(HTMLParser):
    """Collects what a browser would see of a page."""

    def __init__(self):
        super().__init__()
        self.tags = []
        self.attributes = []
        self.shown = []
        self.code = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        (self.code if self.tags and self.tags[-1] in ("script", "style") else self.shown).append(data)


EVIL = (
    "</span><script>alert(1)</script>",
    '" onclick="alert(1)',
    "{{ 7 * 7 }}{% include 'x' %}",
    "<img src=https://example.com/x.png>",
    "a & b < c > d ' e",
    "See https://example.com/x.",
)


def test_a_text_is_shown_and_never_run(tmp_path):
    pairs = tuple(
        Pair(number, "s/t", text, text, text, f"{text}!", "ours", "plain")
        for number, text in enumerate(EVIL, 1)
    )
    table = Table("s/t", EVIL[0], columns=tuple(Column(text, text, "x") for text in EVIL))
    write_study(tmp_path / "out", tmp_path / "key.json", [table], Study("ours", pairs))
    page = _Page()
    page.feed((tmp_path / "out" / "sheet.html").read_text())
    assert page.tags.count("script") == 1
    assert page.tags.count("img") == 0
    assert page.tags.count("fieldset") == len(EVIL)
    for text in EVIL:
        assert text in page.shown
        assert f"{text}!" in page.shown
    assert [value for _, name, value in page.attributes if name == "data-column"] == list(EVIL)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    with (tmp_path / "out" / "sheet.csv").open(newline="") as file:
        assert [row["A"] for row in csv.DictReader(file)] == list(EVIL)


def test_the_page_asks_no_host_for_anything(study, tmp_path):
    write_study(tmp_path / "out", tmp_path / "key.json", TABLES, study)
    page = _Page()
    page.feed((tmp_path / "out" / "sheet.html").read_text())
    fetching = {"src", "srcset", "href", "action", "formaction", "data", "poster", "background", "ping"}
    assert not [one for one in page.attributes if one[1] in fetching]
    assert not {"link", "img", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    code = "".join(page.code)
    assert "localStorage" in code
    asks = r"https?:|//\w|url\(|@import|fetch\(|XMLHttp|WebSocket|EventSource|sendBeacon|import\s*\(|Worker"
    assert not re.search(asks, code)


def filled(out, votes, name="ann.csv"):
    """Return a copy of the sheet with these votes, row -> (vote, reason)."""
    with (out / "sheet.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    path = out / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for row in rows:
            vote, reason = votes.get(int(row["row"]), ("", ""))
            writer.writerow({**row, "vote": vote, "reason": reason})
    return path


def test_votes_survive_the_sheet(study, tmp_path):
    write_study(tmp_path / "out", tmp_path / "key.json", TABLES, study)
    given = {
        1: ("A", "says, more\nand true"),
        2: (" b ", ""),
        3: ("TIE", ' "so" '),
        5: ("=", ""),
        8: ("t", ""),
    }
    assert read_votes(filled(tmp_path / "out", given), study) == [
        Vote("ann", 1, "A", "says, more\nand true"),
        Vote("ann", 2, "B", ""),
        Vote("ann", 3, "tie", '"so"'),
        Vote("ann", 5, "tie", ""),
        Vote("ann", 8, "tie", ""),
    ]


HEADER = "row,table,column,vote,reason\n"


def test_votes_as_the_page_saves_them_and_as_a_spreadsheet_does(study, tmp_path):
    saved = tmp_path / "ann.csv"
    saved.write_bytes((HEADER + '1,t0,c1,A,"a, ""b"""\n2,t0,c2,,\n').encode())
    sheet = tmp_path / "bob.csv"
    sheet.write_bytes(b"\xef\xbb\xbf" + (HEADER + "1,t0,c1,B,\n\n").replace("\n", "\r\n").encode())
    assert read_votes(saved, study) == [Vote("ann", 1, "A", 'a, "b"')]
    assert read_votes(sheet, study) == [Vote("bob", 1, "B", "")]


BAD_VOTES = [
    (HEADER + "1,,,A,\n9999,,,B,\n", r"ann\.csv:3: the study has no row '9999'"),
    (HEADER + "one,,,B,\n", r"ann\.csv:2: the study has no row 'one'"),
    (HEADER + ",,,B,\n", r"ann\.csv:2: the study has no row ''"),
    (HEADER + "9,,,A,\n", r"ann\.csv:2: the study has no row '9'"),  # not shown: both say the same
    (HEADER + "1,,,A,\n2,,,C,\n", r"ann\.csv:3: 'C' is no vote: write A, B or tie"),
    (HEADER + "1,,,A,\n2,,,B,\n1,,,A,\n", r"ann\.csv:4: row 1 has a vote already"),
    (HEADER + '1,,,A,"two\nlines"\n\n2,,,C,\n', r"ann\.csv:5: 'C' is no vote"),
    (HEADER + "1,,,,\n2,,,,\n", r"ann\.csv: holds no vote; fill in the column vote"),
    (HEADER, r"ann\.csv: holds no vote"),
    ("", r"ann\.csv: holds no vote"),
    ("a,b\n1,A\n", r"ann\.csv: wants the columns row and vote"),
    (HEADER + "1,,,A\x00,\n", r"ann\.csv"),
]


@pytest.mark.parametrize(("text", "said"), BAD_VOTES)
def test_a_bad_vote_is_named_by_line(study, tmp_path, text, said):
    study = Study("ours", with_same_text(study.pairs, 9))
    (tmp_path / "ann.csv").write_text(text)
    with pytest.raises(DocgenError, match=said):
        read_votes(tmp_path / "ann.csv", study)


def test_votes_that_cannot_be_read(study, tmp_path):
    (tmp_path / "ann.csv").write_bytes(b"row,vote\n1,\xff\n")
    for name in ("ann.csv", "none.csv"):
        with pytest.raises(DocgenError, match=f"{name}: cannot be read"):
            read_votes(tmp_path / name, study)


def pair(row, table, left, right, text="B says."):
    """Return a row between two systems."""
    return Pair(row, table, f"c{row}", "int", "A says.", text, left, right)


SMALL = Study(
    "ours",
    (
        pair(1, "s/t1", "ours", "plain"),
        pair(2, "s/t1", "plain", "ours"),
        pair(3, "s/t2", "ours", "plain"),
        pair(4, "s/t2", "plain", "ours"),
        pair(5, "s/t2", "ours", "plain", "A says."),
        pair(6, "s/t1", "human", "ours"),
    ),
)
ANN = {1: "A", 2: "A", 3: "tie", 4: "B", 6: "A"}  # against plain: win, loss, tie, win
BOB = {1: "A", 2: "B", 3: "B", 6: "B"}  # against plain: win, win, loss


def cast(**raters):
    """Return votes, rater -> row -> choice."""
    return [Vote(name, row, choice) for name, rows in raters.items() for row, choice in rows.items()]


def test_wins_ties_and_losses():
    report = count_votes(SMALL, [*cast(ann=ANN, bob=BOB)[:-1], Vote("bob", 6, "B", "plainer")])
    assert (report["system"], report["raters"]) == ("ours", ["ann", "bob"])
    assert list(report["rivals"]) == ["human", "plain"]
    plain, human = report["rivals"]["plain"], report["rivals"]["human"]
    assert (plain["rows"], plain["same_text"]) == (5, 1)
    assert plain["votes"] == {"win": 4, "tie": 3, "loss": 2}  # the same text is a tie of both raters
    assert plain["decided"] == round(4 / 6, 4)
    assert plain["by_rater"] == {
        "ann": {"win": 2, "tie": 2, "loss": 1, "decided": round(2 / 3, 4)},
        "bob": {"win": 2, "tie": 1, "loss": 1, "decided": round(2 / 3, 4)},
    }
    assert (human["rows"], human["same_text"], human["votes"]) == (1, 0, {"win": 1, "tie": 0, "loss": 1})
    assert human["reasons"] == {"win": ["plainer"]}
    # by hand: rows 1 to 3 were judged by both, AA AB tie-B
    assert plain["agreement"] == {
        "fleiss_kappa": round((1 / 3 - 14 / 36) / (1 - 14 / 36), 4),
        "krippendorff_alpha": round(1 - (2 / 3) / (22 / 30), 4),
        "rows_of_all": 3,
    }
    told = "\n".join(report_lines(report))
    assert "| plain | 5 | 1 | 4 | 3 | 2 | 66.7% |" in told
    assert "| ann | 2 | 2 | 1 | 66.7% |" in told


def test_two_sheets_of_one_rater_are_refused():
    with pytest.raises(
        DocgenError, match="sheet: two sheets of this name vote on row 2: name each after its rater"
    ):
        count_votes(SMALL, [*cast(sheet={1: "A", 2: "B"}), *cast(sheet={2: "A", 3: "A"})])


def test_all_ties_decide_nothing():
    report = count_votes(SMALL, cast(ann={1: "tie", 2: "tie"}, bob={1: "tie"}))
    plain = report["rivals"]["plain"]
    assert plain["votes"] == {"win": 0, "tie": 5, "loss": 0}
    assert (plain["decided"], plain["interval"]) == (None, None)
    assert plain["agreement"]["krippendorff_alpha"] is None
    assert report["rivals"]["human"]["votes"] == {"win": 0, "tie": 0, "loss": 0}
    assert report_lines(report)


def test_the_commands_make_a_sheet_and_count_its_votes(tmp_path):
    write_records(tmp_path / "data.jsonl", [Record(table, "s", "CC0-1.0") for table in TABLES])
    out, key = tmp_path / "raters", tmp_path / "key.json"
    line = ["study", "make", "--data", str(tmp_path / "data.jsonl"), "--tables", "3", "--per-table", "2"]
    line += ["--system", "template", "--system", "human", "--key", str(key), "--out", str(out)]
    run = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert run.exit_code == 0
    assert "6 rows to judge of 6" in run.stdout
    study = read_key(key)
    assert study.system == "template"
    ours = {one.row: ("A" if one.left_system == "template" else "B", "") for one in study.pairs}
    sheets = [filled(out, ours, "ann.csv"), filled(out, {**ours, 1: ("tie", "")}, "bob.csv")]
    line = ["study", "count", str(key), *map(str, sheets), "--out", str(tmp_path / "report")]
    run = CliRunner().invoke(cli, line, catch_exceptions=False)
    assert run.exit_code == 0
    report = json.loads((tmp_path / "report" / "study.json").read_text())
    assert report["rivals"]["human"]["votes"] == {"win": 11, "tie": 1, "loss": 0}
    assert (tmp_path / "report" / "study.md").read_text() == run.stdout


# how likely the first system is to win a decided vote; how many raters
INTERVALS = [(0.5, 1), (0.7, 3), (0.9, 2), (0.2, 4), (1.0, 3), (0.0, 1)]


@pytest.mark.parametrize(("chance", "raters"), INTERVALS)
def test_the_interval_holds_the_share(study, chance, raters):
    draw = random.Random(raters)
    votes = []
    for name in range(raters):
        for row in study.pairs:
            ours = "A" if row.left_system == "ours" else "B"
            choice = ours if draw.random() < chance else "AB".replace(ours, "")
            votes.append(Vote(str(name), row.row, "tie" if draw.random() < 0.2 else choice))
    report = count_votes(study, votes)
    assert report == count_votes(study, votes)
    for one in report["rivals"].values():
        low, high = one["interval"]
        assert 0 <= low <= one["decided"] <= high <= 1
        assert (low < high) == (0 < chance < 1)
        assert abs(one["decided"] - chance) < 0.12
        assert sum(one["votes"].values()) == raters * 80


# https://en.wikipedia.org/wiki/Fleiss%27_kappa#Worked_example: 14 raters, 10 subjects, 5 categories
WORKED_EXAMPLE = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
KAPPAS = [
    (WORKED_EXAMPLE, 0.210),
    ([[3, 0], [0, 3], [3, 0]], 1.0),
    ([[1, 1], [1, 1]], -1.0),
    ([[2, 0, 0], [1, 1, 0], [0, 1, 1]], -0.091),
]


@pytest.mark.parametrize(("counts", "kappa"), KAPPAS)
def test_fleiss_kappa(counts, kappa):
    assert fleiss_kappa(np.array(counts)) == pytest.approx(kappa, abs=0.0005)


def test_fleiss_kappa_of_one_category_is_not_a_number():
    assert np.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]])))


AGREEMENTS = [
    ({"ann": {1: "A", 2: "B", 3: "tie"}, "bob": {1: "A", 2: "B", 3: "tie"}}, 1.0, 1.0, 3),
    ({"ann": {1: "A", 2: "B"}, "bob": {1: "A", 2: "B"}, "eve": {1: "A", 4: "B"}}, None, 1.0, 1),
    ({"ann": {1: "A", 2: "A"}, "bob": {1: "A", 2: "A"}}, None, None, 2),  # nobody ever said anything else
    ({"ann": {1: "A", 2: "B"}}, None, None, 0),  # alone
    ({"ann": {1: "A", 2: "B"}, "bob": {3: "A", 4: "tie"}}, None, None, 0),  # no row in common
    ({"ann": {1: "A", 2: "B"}, "bob": {1: "A", 3: "tie"}}, None, None, 1),  # one in common
]


@pytest.mark.parametrize(("raters", "kappa", "alpha", "rows"), AGREEMENTS)
def test_agreement(raters, kappa, alpha, rows):
    agreement = count_votes(SMALL, cast(**raters))["rivals"]["plain"]["agreement"]
    assert agreement == {"fleiss_kappa": kappa, "krippendorff_alpha": alpha, "rows_of_all": rows}
