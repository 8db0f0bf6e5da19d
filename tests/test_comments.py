"""Comments: one golden statement per dialect, then the real thing on PostgreSQL, DuckDB and MariaDB."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from pathlib import Path

import pymysql
import pytest
import sqlalchemy
from docgen_sqlalchemy import table_ddl
from docgen_sqlalchemy.comments import NewText, Place, alter_table, comment_sql, refusal
from docgen_sqlalchemy.dialects import DIALECTS, Limit, clean, fit
from docgen_sqlalchemy.plugin import read_catalog, write_descriptions
from sqlalchemy import event
from sqlalchemy.engine import Engine

from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError, WriteError
from docgen_plugin.model import Catalog, Change, ColumnRef, WriteReport
from tests.servers import PASSWORD, execute

DATA = Path(__file__).parent / "data"

# every text goes through quotes, backslashes, percent signs, colons, a newline and an emoji
NASTY = 'It\'s 100% of :amount \\ "net" %s %(x)s {y} $1 🎟\nsecond line; -- no comment'
SHORT = "It's \\ 5%"

TABLE = Place("shop", "orders")
COLUMN = Place("shop", "orders", column="total")
VIEW = Place("shop", "orders", "view")
VIEW_COLUMN = Place("shop", "orders", "view", "total")
MATERIALIZED = Place("shop", "orders", "materialized view")

GOLDEN = [
    ("postgresql", TABLE, "COMMENT ON TABLE \"shop\".\"orders\" IS 'It''s \\ 5%'"),
    ("postgresql", COLUMN, 'COMMENT ON COLUMN "shop"."orders"."total" IS \'It\'\'s \\ 5%\''),
    ("postgresql", VIEW, "COMMENT ON VIEW \"shop\".\"orders\" IS 'It''s \\ 5%'"),
    ("postgresql", MATERIALIZED, "COMMENT ON MATERIALIZED VIEW \"shop\".\"orders\" IS 'It''s \\ 5%'"),
    (
        "postgresql",
        Place("shop", "orders", "foreign table"),
        "COMMENT ON FOREIGN TABLE \"shop\".\"orders\" IS 'It''s \\ 5%'",
    ),
    (
        "postgresql",
        Place('a"b', "c.d", column="E f"),
        'COMMENT ON COLUMN "a""b"."c.d"."E f" IS \'It\'\'s \\ 5%\'',
    ),
    ("duckdb", VIEW_COLUMN, 'COMMENT ON COLUMN "shop"."orders"."total" IS \'It\'\'s \\ 5%\''),
    ("redshift", VIEW, "COMMENT ON VIEW \"shop\".\"orders\" IS 'It''s \\\\ 5%'"),
    ("trino", COLUMN, 'COMMENT ON COLUMN "shop"."orders"."total" IS \'It\'\'s \\ 5%\''),
    ("oracle", VIEW, "COMMENT ON TABLE \"shop\".\"orders\" IS 'It''s \\ 5%'"),
    ("oracle", MATERIALIZED, "COMMENT ON MATERIALIZED VIEW \"shop\".\"orders\" IS 'It''s \\ 5%'"),
    ("snowflake", COLUMN, 'COMMENT ON COLUMN "shop"."orders"."total" IS \'It\'\'s \\\\ 5%\''),
    ("mariadb", TABLE, "ALTER TABLE `shop`.`orders` ALGORITHM=INPLACE, COMMENT = 'It''s \\\\ 5%'"),
    ("bigquery", TABLE, r"ALTER TABLE `shop`.`orders` SET OPTIONS(description='It\'s \\ 5%')"),
    (
        "bigquery",
        COLUMN,
        r"ALTER TABLE `shop`.`orders` ALTER COLUMN `total` SET OPTIONS(description='It\'s \\ 5%')",
    ),
    ("bigquery", VIEW, r"ALTER VIEW `shop`.`orders` SET OPTIONS(description='It\'s \\ 5%')"),
    ("databricks", VIEW, r"COMMENT ON TABLE `shop`.`orders` IS 'It\'s \\ 5%'"),
    ("databricks", COLUMN, r"ALTER TABLE `shop`.`orders` ALTER COLUMN `total` COMMENT 'It\'s \\ 5%'"),
    ("databricks", VIEW_COLUMN, r"COMMENT ON COLUMN `shop`.`orders`.`total` IS 'It\'s \\ 5%'"),
    (
        "databricks",
        Place("s", "a`b", column="c"),
        r"ALTER TABLE `s`.`a``b` ALTER COLUMN `c` COMMENT 'It\'s \\ 5%'",
    ),
    ("clickhouse", TABLE, r"ALTER TABLE `shop`.`orders` MODIFY COMMENT 'It\'s \\ 5%'"),
    ("clickhouse", COLUMN, r"ALTER TABLE `shop`.`orders` COMMENT COLUMN `total` 'It\'s \\ 5%'"),
    ("clickhouse", Place("s", "a`b"), r"ALTER TABLE `s`.`a\`b` MODIFY COMMENT 'It\'s \\ 5%'"),
    (
        "mssql",
        VIEW,
        "IF EXISTS (SELECT 1 FROM sys.fn_listextendedproperty(N'MS_Description', N'SCHEMA', N'shop', N'VIEW', "
        "N'orders', NULL, NULL)) EXEC sys.sp_updateextendedproperty @name = N'MS_Description', "
        "@value = N'It''s \\ 5%', @level0type = N'SCHEMA', @level0name = N'shop', @level1type = N'VIEW', "
        "@level1name = N'orders' ELSE EXEC sys.sp_addextendedproperty @name = N'MS_Description', "
        "@value = N'It''s \\ 5%', @level0type = N'SCHEMA', @level0name = N'shop', @level1type = N'VIEW', "
        "@level1name = N'orders'",
    ),
    (
        "mssql",
        Place("dbo", "it's", column="x"),
        "IF EXISTS (SELECT 1 FROM sys.fn_listextendedproperty(N'MS_Description', N'SCHEMA', N'dbo', N'TABLE', "
        "N'it''s', N'COLUMN', N'x')) EXEC sys.sp_updateextendedproperty @name = N'MS_Description', "
        "@value = N'It''s \\ 5%', @level0type = N'SCHEMA', @level0name = N'dbo', @level1type = N'TABLE', "
        "@level1name = N'it''s', @level2type = N'COLUMN', @level2name = N'x' "
        "ELSE EXEC sys.sp_addextendedproperty @name = N'MS_Description', "
        "@value = N'It''s \\ 5%', @level0type = N'SCHEMA', @level0name = N'dbo', @level1type = N'TABLE', "
        "@level1name = N'it''s', @level2type = N'COLUMN', @level2name = N'x'",
    ),
]


@pytest.mark.parametrize(
    ("dialect", "place", "expected"), GOLDEN, ids=[f"{row[0]}-{row[1].kind}" for row in GOLDEN]
)
def test_statement_of_a_dialect(dialect, place, expected):
    assert comment_sql(dialect, place, SHORT) == expected


LITERALS = [
    ("postgresql", "'a\\'' b\n''\\'"),
    ("redshift", "'a\\\\'' b\n''\\\\'"),
    ("mariadb", "'a\\\\'' b\n''\\\\'"),
    ("bigquery", r"'a\\\' b\n\'\\'"),
    ("databricks", "'a\\\\\\' b\n\\'\\\\'"),
]


@pytest.mark.parametrize(("dialect", "expected"), LITERALS, ids=[row[0] for row in LITERALS])
def test_backslash_quote_and_newline_in_a_literal(dialect, expected):
    assert DIALECTS[dialect].literal("a\\' b\n'\\") == expected


def test_statement_of_mysql_takes_the_definition_word_for_word():
    definition = ("`total` decimal(10,2) NOT NULL DEFAULT 0.00", " CHECK (`total` >= 0)")
    assert comment_sql("mysql", COLUMN, SHORT, definition) == (
        "ALTER TABLE `shop`.`orders` ALGORITHM=INPLACE, MODIFY COLUMN `total` decimal(10,2) NOT NULL DEFAULT 0.00 "
        "COMMENT 'It''s \\\\ 5%' CHECK (`total` >= 0)"
    )
    columns = [NewText("`a` int(11)", "A"), NewText("`b` int(11)", "B")]
    assert alter_table("mariadb", TABLE, columns, "T") == (
        "ALTER TABLE `shop`.`orders` ALGORITHM=INPLACE, MODIFY COLUMN `a` int(11) COMMENT 'A', "
        "MODIFY COLUMN `b` int(11) COMMENT 'B', COMMENT = 'T'"
    )


def test_every_dialect_has_a_golden_statement():
    assert {row[0] for row in GOLDEN} | {"mysql"} == set(DIALECTS)


@pytest.mark.parametrize(
    ("dialect", "place", "refused"),
    [
        ("mariadb", VIEW, True),
        ("mysql", VIEW_COLUMN, True),
        ("mariadb", COLUMN, False),
        ("trino", MATERIALIZED, True),
        ("redshift", MATERIALIZED, True),
        ("postgresql", MATERIALIZED, False),
        ("bigquery", Place("a", "b", "materialized view", "c"), True),
    ],
)
def test_places_that_cannot_carry_a_comment(dialect, place, refused):
    assert bool(refusal(dialect, place)) is refused


FITS = [
    ("short", Limit(), "short", False),
    ("exactly", Limit(7), "exactly", False),
    ("One. Two. Three is long.", Limit(12), "One. Two.", True),
    ("Version 1.25 is no end of a sentence", Limit(20), "Version 1.25 is no…", True),
    ("one two three four", Limit(12), "one two…", True),
    ("x" * 50, Limit(10), "xxxxxxxxx…", True),
    ("ééééé ééééé", Limit(10, "bytes"), "ééé…", True),
    ("🎟🎟🎟. 🎟🎟🎟", Limit(16, "UTF-16 bytes"), "🎟🎟🎟.", True),
    ("Ends here! And on", Limit(10), "Ends here!", True),
    ("一。二三四五六", Limit(4), "一。", True),
]


@pytest.mark.parametrize(("text", "limit", "expected", "cut"), FITS)
def test_long_text_ends_at_a_sentence_or_a_word(text, limit, expected, cut):
    short, note = fit(text, limit)
    assert (short, bool(note)) == (expected, cut)
    assert not limit.length or limit.measure(short) <= limit.length


def test_every_prefix_length_fits():
    text = "Größe in cm. Das ist 🎟 ein Satz! Noch einer; und so weiter"
    for unit in ("characters", "bytes", "UTF-16 bytes"):
        for length in range(4, 80):
            short, _ = fit(text, Limit(length, unit))
            assert Limit(length, unit).measure(short) <= length
            assert short.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x00b\x1b[0m\x7f", "ab[0m"),
        ("tab\tline\nend", "tab\tline\nend"),
        ("\r\n", "\n"),
        ("x\ud800y", "xy"),
    ],
)
def test_control_characters_are_taken_out(text, expected):
    assert clean(text) == expected


DDL = """CREATE TABLE `odd (``t` (
  `id` int(11) NOT NULL AUTO_INCREMENT COMMENT 'the, ''id'' \\\\ COMMENT \\'x\\'',
  `a,b``c'd` varchar(9) DEFAULT 'x) COMMENT ''y''' CHECK (`a,b``c'd` <> 'COMMENT \\'z'),
  `comp` text /*M!100301 COMPRESSED*/ DEFAULT NULL,
  `new
line` int(11) GENERATED ALWAYS AS (concat('COMMENT ',`id`)) VIRTUAL COMMENT 'g',
  PRIMARY KEY (`id`) COMMENT 'kept',
  CONSTRAINT `c` CHECK (`id` in (1,2))
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COMMENT='t, COMMENT=''x'''"""


def test_table_definition_is_taken_apart_without_losing_a_character():
    ddl = table_ddl.parse(DDL)
    assert {name: (column.before, column.after) for name, column in ddl.columns.items()} == {
        "id": ("`id` int(11) NOT NULL AUTO_INCREMENT", ""),
        "a,b`c'd": (
            "`a,b``c'd` varchar(9) DEFAULT 'x) COMMENT ''y'''",
            " CHECK (`a,b``c'd` <> 'COMMENT \\'z')",
        ),
        "comp": ("`comp` text /*M!100301 COMPRESSED*/ DEFAULT NULL", ""),
        "new\nline": ("`new\nline` int(11) GENERATED ALWAYS AS (concat('COMMENT ',`id`)) VIRTUAL", ""),
    }
    same = DDL.replace("COMMENT 'g'", "").replace("COMMENT='t, COMMENT=''x'''", "").replace("=7", "=9")
    assert table_ddl.parse(same).bare == ddl.bare
    assert table_ddl.parse(DDL.replace("NOT NULL ", "")).bare != ddl.bare
    assert table_ddl.parse(DDL.replace("'kept'", "'lost'")).bare != ddl.bare


def read(url: str, **settings) -> Catalog:
    catalog = read_catalog(url, Config(**settings))
    assert catalog is not None
    return catalog


def write(url: str, changes: list[Change], dry_run: bool = False) -> WriteReport:
    report = write_descriptions(url, changes, dry_run, Config())
    assert report is not None
    return report


def changes_for(catalog: Catalog, views: bool = True) -> list[Change]:
    """Give every place without a text a nasty one of its own."""
    return [
        Change(ref, "", f"{ref}: {NASTY}")
        for table in catalog.tables
        if views or table.kind == "table"
        for ref in table.refs()
        if not catalog.description(ref)
    ]


def value(url: str, query: str):
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        result = connection.exec_driver_sql(query, execution_options={"no_parameters": True}).scalar()
    engine.dispose()
    return result


def check_round_trip(url: str, changes: list[Change]) -> None:
    """Dry run touches nothing, the write reads back equal, the second write finds nothing to do."""
    before = read(url)
    dry = write(url, changes, dry_run=True)
    assert (sorted(dry.written), dry.skipped, dry.error) == (sorted(change.ref for change in changes), (), "")
    assert read(url) == before
    report = write(url, changes)
    assert sorted(report.written) == sorted(change.ref for change in changes)
    assert (report.skipped, report.error, report.preview) == ((), "", dry.preview)
    assert PASSWORD not in repr(report)
    after = read(url)
    assert {change.ref: after.description(change.ref) for change in changes} == {
        change.ref: change.after for change in changes
    }
    kept = {ref: before.description(ref) for table in before.tables for ref in table.refs()}
    changed = {change.ref for change in changes}
    assert all(after.description(ref) == text for ref, text in kept.items() if ref not in changed)
    again = write(url, changes)
    assert again.written == ()
    assert {reason for _, reason in again.skipped} == {"already says this"}
    assert again.preview == ""


@pytest.mark.parametrize("file", ["sql_rental.sql", "sql_hospital.sql", "sql_tickets.sql"])
def test_whole_schema_on_postgres(postgres_url, file):
    execute(postgres_url, (DATA / file).read_text(encoding="utf-8"))
    changes = changes_for(read(postgres_url))
    assert len(changes) > 80
    check_round_trip(postgres_url, changes)
    assert changes_for(read(postgres_url)) == []


def test_preview_is_the_sql_that_does_it(postgres_url):
    execute(postgres_url, (DATA / "sql_tickets.sql").read_text(encoding="utf-8"))
    changes = changes_for(read(postgres_url))
    dry = write(postgres_url, changes, dry_run=True)
    preview = dry.preview
    assert (dry.written, dry.altered, dry.error) == (tuple(change.ref for change in changes), (), "")
    assert preview.count("COMMENT ON ") == len(changes)
    execute(postgres_url, preview)
    assert changes_for(read(postgres_url)) == []


def test_foreign_table_of_postgres(postgres_server, postgres_url):
    name = postgres_url.rpartition("/")[2]
    admin = f"postgresql://postgres:s3cret%2Fp%40ss@127.0.0.1:{postgres_server.port}/{name}"
    if not value(admin, "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'"):
        pytest.skip("PostgreSQL's contrib extensions are not installed: apt-get install postgresql-contrib")
    execute(
        admin,
        "CREATE EXTENSION postgres_fdw",
        "CREATE SERVER lab FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'nowhere.invalid')",
        'CREATE FOREIGN TABLE "LAB_RSLT" ("RSLT_ID" int, "RSLT_VAL" numeric) SERVER lab',
    )
    check_round_trip(admin, changes_for(read(admin)))


@pytest.mark.slow
def test_whole_schema_on_duckdb(tmp_path):
    url = f"duckdb:///{tmp_path / 'shop.db'}"
    columns = ", ".join(f"c{number} INTEGER" for number in range(2000))
    execute(
        url,
        "CREATE SCHEMA raw",
        'CREATE TABLE raw.orders (id INTEGER PRIMARY KEY, "it\'s 100%" VARCHAR, "SELECT" INTEGER, "a""b" INTEGER)',
        "CREATE VIEW raw.totals AS SELECT id FROM raw.orders",
        "COMMENT ON COLUMN raw.orders.id IS 'Kept'",
        f"CREATE TABLE wide ({columns})",
    )
    changes = changes_for(read(url))
    assert len(changes) == 2007
    check_round_trip(url, changes)


MARIADB = r"""CREATE TABLE `odd ``t` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `a,b``c'd` varchar(40) CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'x,''y\\' COMMENT 'it''s; \\ CHECK (x)' CHECK (`a,b``c'd` <> 'COMMENT ''z'''),
  `hidden` int(11) INVISIBLE DEFAULT 3,
  `plus` int(11) GENERATED ALWAYS AS (`id` + 1) VIRTUAL,
  `stored` varchar(200) GENERATED ALWAYS AS (concat('COMMENT ', `hidden`)) STORED,
  `state` enum('a','b''c','d\\e') NOT NULL DEFAULT 'a' COMMENT 'old',
  `flags` set('x','y') DEFAULT NULL,
  `at` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `never` date DEFAULT '0000-00-00',
  `doc` json,
  `packed` text COMPRESSED,
  `price` decimal(10,2) NOT NULL DEFAULT 0.00 CHECK (`price` >= 0),
  `bits` bit(3) DEFAULT b'101',
  `key` uuid DEFAULT uuid(),
  `100%` int NULL,
  `new
line` int,
  PRIMARY KEY (`id`), KEY (`hidden`), CONSTRAINT positive CHECK (`hidden` > 0)
) ENGINE={engine} AUTO_INCREMENT=42 COMMENT='old, COMMENT=''x'''"""


@pytest.mark.parametrize("engine", ["InnoDB", "MyISAM", "Aria"])
def test_mariadb_loses_nothing_of_a_column(mariadb_url, engine):
    execute(
        mariadb_url,
        "SET SESSION sql_mode = ''",
        MARIADB.replace("{engine}", engine),
        "INSERT INTO `odd ``t` (hidden) VALUES (5), (6)",
    )
    show = "SHOW CREATE TABLE `odd ``t`"
    catalog = read(mariadb_url)
    before = definition(mariadb_url, show)
    changes = [
        Change(ref, catalog.description(ref) or "", f"{ref.column}: {NASTY.replace('🎟', 'ü')}")
        for table in catalog.tables
        for ref in table.refs()
    ]
    assert len(changes) == 17
    check_round_trip(mariadb_url, changes)
    after = definition(mariadb_url, show)
    assert after != before
    assert table_ddl.parse(after).bare == table_ddl.parse(before).bare
    assert value(mariadb_url, "SELECT sum(hidden) FROM `odd ``t`") == 11


def definition(url: str, show: str) -> str:
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        text = str(connection.exec_driver_sql(show, execution_options={"no_parameters": True}).one()[1])
    engine.dispose()
    return text


def test_mariadb_versioned_table_view_and_long_text(mariadb_url):
    name = mariadb_url.rpartition("/")[2]
    execute(
        mariadb_url,
        "CREATE TABLE history (a int, b int WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING",
        "CREATE VIEW seen AS SELECT a FROM history",
    )
    long = "A sentence of some length. " * 100
    report = write(
        mariadb_url,
        [
            Change(ColumnRef(f"{name}.history"), "", long),
            Change(ColumnRef(f"{name}.history", "b"), "", long),
            Change(ColumnRef(f"{name}.seen"), "", "A view"),
            Change(ColumnRef(f"{name}.seen", "a"), "", "Its column"),
        ],
    )
    assert report.written == (ColumnRef(f"{name}.history"), ColumnRef(f"{name}.history", "b"))
    assert {reason for _, reason in report.skipped} == {"mariadb keeps no comments of views"}
    assert "-- " + f"{name}.history: cut from 2700 to " in report.preview
    assert [ref for ref, _ in report.altered] == list(report.written)
    catalog = read(mariadb_url)
    for ref, limit in ((report.written[0], 2048), (report.written[1], 1024)):
        text = catalog.description(ref) or ""
        assert dict(report.altered)[ref] == text
        assert limit - 30 < len(text) <= limit
        assert text.endswith("length.")


WOULD_COPY = "the server would copy the whole table for this comment"


def test_columns_of_mariadb_that_need_a_copy_of_the_table(mariadb_url, monkeypatch):
    name = mariadb_url.rpartition("/")[2]
    execute(
        mariadb_url,
        "CREATE TABLE odd (doc text CHECK (json_valid(doc)))",
        "CREATE TABLE t (a int, doc json NOT NULL DEFAULT '{}', twice int AS (a * 2) STORED)",
        "INSERT INTO t (a) VALUES (1), (2)",
    )
    changes = [Change(change.ref, "", "Text") for change in changes_for(read(mariadb_url))]
    odd, twice = [change.ref for change in changes[:2]], ColumnRef(f"{name}.t", "twice")
    monkeypatch.setattr("docgen_sqlalchemy.alter._LARGEST_COPY_BYTES", 0)
    report = write(mariadb_url, changes)
    assert report.skipped == tuple((ref, WOULD_COPY) for ref in (*odd, twice))
    assert "`doc` json NOT NULL DEFAULT '{}' COMMENT 'Text' CHECK (json_valid(`doc`))" in report.preview
    assert len(report.written) == 3
    monkeypatch.undo()
    report = write(mariadb_url, [change for change in changes if change.ref in (*odd, twice)])
    assert (report.written, report.skipped) == ((*odd, twice), ())
    assert "ALGORITHM=COPY, MODIFY COLUMN `twice`" in report.preview
    assert value(mariadb_url, "SELECT sum(twice) FROM t") == 6


def test_mariadb_goes_on_where_the_server_refuses_to_stay_in_place(mariadb_url):
    execute(mariadb_url, "CREATE TABLE one (a int)", "CREATE TABLE two (a int)")
    refs = [change.ref for change in changes_for(read(mariadb_url))]
    refusal = pymysql.err.OperationalError(1846, "ALGORITHM=INPLACE is not supported")
    with _Stop("`one`", sqlalchemy.exc.OperationalError("ALTER", {}, refusal)):
        report = write(mariadb_url, [Change(ref, "", "Text") for ref in refs])
    assert report.written == tuple(refs[2:])
    assert report.skipped == tuple((ref, WOULD_COPY) for ref in refs[:2])


def test_mariadb_stops_where_more_than_comments_changed(mariadb_url):
    execute(mariadb_url, "CREATE TABLE one (a int DEFAULT 1)", "CREATE TABLE two (a int)")
    refs = [change.ref for change in changes_for(read(mariadb_url))]
    changes = [Change(ref, "", "Text") for ref in refs]

    def meddle(connection, cursor, statement, parameters, context, executemany):
        return statement.replace(" DEFAULT 1", ""), parameters  # what a lossy server would do

    event.listen(Engine, "before_cursor_execute", meddle, retval=True)
    try:
        report = write(mariadb_url, changes)
    finally:
        event.remove(Engine, "before_cursor_execute", meddle)
    assert report.written == tuple(refs[:2])
    assert (
        "one differs after the change in more than comments (it was: `a` int(11) DEFAULT 1)" in report.error
    )


def test_emoji_is_left_out_where_mariadb_would_mangle_it(mariadb_url):
    execute(mariadb_url, "CREATE TABLE t (a int)")
    ref = ColumnRef(mariadb_url.rpartition("/")[2] + ".t", "a")
    report = write(mariadb_url, [Change(ref, "", "Seats 🎟️👩‍🚀 sold, in €")])
    assert report.written == (ref,)
    assert f"-- {ref}: left out 🎟️👩‍🚀, which comments of this database cannot hold" in report.preview
    assert read(mariadb_url).description(ref) == "Seats sold, in €"


def test_what_changed_meanwhile_is_left_alone(postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE t (a int, b int, c int, d int)",
        "COMMENT ON COLUMN t.a IS 'by a person'",
        "COMMENT ON COLUMN t.b IS E'old\\r\\n\\x01'",
    )
    table = "public.t"
    report = write(
        postgres_url,
        [
            Change(ColumnRef(table, "a"), "", "new a"),
            Change(ColumnRef(table, "b"), "old\r\n\x01", "new b"),
            Change(ColumnRef(table, "c"), "", " \x00 "),
            Change(ColumnRef(table, "d"), "", "new d"),
            Change(ColumnRef(table, "d"), "", "newer d"),
            Change(ColumnRef(table, "gone"), "", "x"),
            Change(ColumnRef("public.gone"), "", "x"),
        ],
    )
    assert report.written == (ColumnRef(table, "b"), ColumnRef(table, "d"))
    assert report.skipped == (
        (ColumnRef(table, "a"), "text changed meanwhile"),
        (ColumnRef(table, "c"), "the new text is empty; nothing is blanked"),
        (ColumnRef(table, "d"), "named twice"),
        (ColumnRef(table, "gone"), "the column is gone"),
        (ColumnRef("public.gone"), "the table is gone"),
    )
    catalog = read(postgres_url)
    texts = [catalog.description(ColumnRef(table, name)) for name in "abcd"]
    assert texts == ["by a person", "new b", "", "new d"]


def test_role_without_the_right_writes_nothing(postgres_server, postgres_url):
    execute(
        postgres_url,
        "CREATE TABLE mine (a int)",
        "CREATE TABLE theirs (a int)",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO public",
    )
    name = postgres_url.rpartition("/")[2]
    postgres_server.execute(f"CREATE ROLE reader_{name} LOGIN PASSWORD '{PASSWORD}'")
    try:
        reader = postgres_server.url(name, f"reader_{name}")
        changes = changes_for(read(reader))
        assert len(changes) == 4
        with pytest.raises(WriteError, match="may not comment on") as caught:
            write(reader, changes)
        message = str(caught.value)
        assert f"role 'reader_{name}' may not comment on public.mine and 1 more, owned by 'docgen'" in message
        assert PASSWORD not in message
        assert changes_for(read(reader)) == changes
        refused = write(reader, changes, dry_run=True)
        assert (refused.preview[:3], refused.written) == ("-- ", ())
        postgres_server.execute(f"GRANT docgen TO reader_{name}")
        assert len(write(reader, changes).written) == 4
    finally:
        postgres_server.execute(f"DROP ROLE reader_{name}")


def test_role_without_the_right_on_mariadb(mariadb_server, mariadb_url):
    execute(mariadb_url, "CREATE TABLE t (a int)")
    name = mariadb_url.rpartition("/")[2]
    mariadb_server.execute(
        f"CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT ON {name}.* TO reader@'127.0.0.1'",
    )
    try:
        reader = mariadb_server.url(name, "reader")
        with pytest.raises(WriteError, match=r"nothing was written: .*ALTER command denied"):
            write(reader, changes_for(read(reader)))
    finally:
        mariadb_server.execute("DROP USER reader@'127.0.0.1'")


@pytest.mark.slow
def test_busy_table_is_an_error_not_a_wait(postgres_url, monkeypatch):
    monkeypatch.setattr("docgen_sqlalchemy.send._LOCK_TIMEOUT_S", 1)
    execute(postgres_url, "CREATE TABLE free (a int)", "CREATE TABLE taken (a int)")
    engine = sqlalchemy.create_engine(postgres_url, poolclass=sqlalchemy.NullPool)
    changes = changes_for(read(postgres_url))
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE taken IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(
            WriteError, match=r"nothing was written: public\.taken: locked by another session"
        ):
            write(postgres_url, changes)
    engine.dispose()
    assert changes_for(read(postgres_url)) == changes
    assert len(write(postgres_url, changes).written) == 4


class _Stop:
    """Raises in the middle of a write, just before the statement that has `marker` in it."""

    def __init__(self, marker: str, error: BaseException) -> None:
        self.marker, self.error = marker, error

    def __call__(self, connection, cursor, statement, parameters, context, executemany):
        if self.marker in statement and statement.startswith(("COMMENT", "ALTER")):
            raise self.error

    def __enter__(self):
        event.listen(Engine, "before_cursor_execute", self)

    def __exit__(self, *_):
        event.remove(Engine, "before_cursor_execute", self)


def test_interrupted_transaction_leaves_nothing(postgres_url, tmp_path):
    duck = f"duckdb:///{tmp_path / 'shop.db'}"
    for url in (postgres_url, duck):
        execute(url, "CREATE TABLE one (a int)", "CREATE TABLE two (a int)")
        changes = changes_for(read(url))
        with (
            _Stop('"two"', KeyboardInterrupt()),
            pytest.raises(WriteError, match="nothing was written: interrupted"),
        ):
            write(url, changes)
        assert changes_for(read(url)) == changes
        assert len(write(url, changes).written) == 4


def test_control_c_while_the_server_works(postgres_url):
    execute(postgres_url, "CREATE TABLE free (a int)", "CREATE TABLE taken (a int)")
    changes = changes_for(read(postgres_url))
    engine = sqlalchemy.create_engine(postgres_url, poolclass=sqlalchemy.NullPool)
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE taken IN ACCESS EXCLUSIVE MODE")
        timer.start()
        with pytest.raises(WriteError, match="nothing was written: interrupted"):
            write(postgres_url, changes)
    engine.dispose()
    assert changes_for(read(postgres_url)) == changes


def test_interrupted_mariadb_reports_what_is_done(mariadb_url):
    execute(mariadb_url, "CREATE TABLE one (a int)", "CREATE TABLE three (a int)", "CREATE TABLE two (a int)")
    changes = [Change(change.ref, "", "Text") for change in changes_for(read(mariadb_url))]
    with _Stop("`three`", KeyboardInterrupt()):
        report = write(mariadb_url, changes)
    name = mariadb_url.rpartition("/")[2]
    assert report.error == "interrupted"
    assert report.written == (ColumnRef(f"{name}.one"), ColumnRef(f"{name}.one", "a"))
    assert [change.ref for change in changes_for(read(mariadb_url))] == [change.ref for change in changes[2:]]
    again = write(mariadb_url, changes)
    assert again.written == tuple(change.ref for change in changes[2:])
    assert {reason for _, reason in again.skipped} == {"already says this"}


def test_failed_statement_rolls_everything_back(postgres_url):
    execute(postgres_url, "CREATE TABLE one (a int)", "CREATE TABLE two (a int)")
    changes = changes_for(read(postgres_url))
    dropper = threading.Thread(target=execute, args=(postgres_url, "DROP TABLE two"))

    def drop(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith("COMMENT") and not dropper.ident:
            dropper.start()
            dropper.join()

    event.listen(Engine, "before_cursor_execute", drop)
    try:
        with pytest.raises(
            WriteError, match=r'nothing was written: public\.two: .*"public\.two" does not exist'
        ):
            write(postgres_url, changes)
    finally:
        event.remove(Engine, "before_cursor_execute", drop)
    assert [change.ref for change in changes_for(read(postgres_url))] == [
        change.ref for change in changes[:2]
    ]


class _Meanwhile:
    """Does once, on the way of the first statement that begins like `marker`, what another session would do."""

    def __init__(self, marker: str, action) -> None:
        self.marker, self.action, self.done = marker, action, False

    def __call__(self, connection, cursor, statement, parameters, context, executemany):
        if not self.done and statement.startswith(self.marker):
            self.done = True
            self.action()

    def __enter__(self):
        event.listen(Engine, "before_cursor_execute", self)
        return self

    def __exit__(self, *_):
        event.remove(Engine, "before_cursor_execute", self)


def three_tables(url: str) -> tuple[str, list[Change]]:
    """Make tables one, three and two and give their schema and a text for each of their six places."""
    execute(
        url, *(f"CREATE TABLE {name} (a varchar(9) NOT NULL DEFAULT 'x')" for name in ("one", "three", "two"))
    )
    changes = [Change(change.ref, "", "Text") for change in changes_for(read(url))]
    assert len(changes) == 6
    return changes[0].ref.table.partition(".")[0], changes


def test_mariadb_keeps_what_was_altered_while_other_tables_were_written(mariadb_url):
    name, changes = three_tables(mariadb_url)
    others = (
        "ALTER TABLE two MODIFY a varchar(20) CHARACTER SET latin1 NULL DEFAULT 'mine', COMMENT 'By a person'",
        "DROP TABLE three",
    )
    with _Meanwhile("ALTER TABLE", lambda: execute(mariadb_url, *others)):
        report = write(mariadb_url, changes)
    assert report.error == ""
    assert report.written == (
        ColumnRef(f"{name}.one"),
        *(ColumnRef(f"{name}.{t}", "a") for t in ("one", "two")),
    )
    assert report.skipped == (
        (ColumnRef(f"{name}.three"), "the table is gone"),
        (ColumnRef(f"{name}.three", "a"), "the table is gone"),
        (ColumnRef(f"{name}.two"), "text changed meanwhile"),
    )
    ddl = definition(mariadb_url, "SHOW CREATE TABLE two")
    assert "`a` varchar(20) CHARACTER SET latin1" in ddl
    assert "DEFAULT 'mine' COMMENT 'Text'" in ddl
    assert "COMMENT='By a person'" in ddl


def test_alter_of_another_session_waits_for_ours(mariadb_url):
    execute(mariadb_url, "CREATE TABLE t (a int)")
    sql = "ALTER TABLE t MODIFY a bigint DEFAULT 7, COMMENT 'By a person'"
    other = threading.Thread(target=execute, args=(mariadb_url, sql))
    changes = [Change(change.ref, "", "Text") for change in changes_for(read(mariadb_url))]

    def begin():
        other.start()
        other.join(0.3)
        assert other.is_alive()  # our table is locked from the look at it to the end

    with _Meanwhile("ALTER TABLE `", begin):
        report = write(mariadb_url, changes)
    other.join(10)
    assert (len(report.written), report.error) == (2, "")
    ddl = definition(mariadb_url, "SHOW CREATE TABLE t")
    assert "`a` bigint(20) DEFAULT 7\n" in ddl
    assert "COMMENT='By a person'" in ddl


def test_mariadb_without_the_right_to_lock_is_written_all_the_same(mariadb_server, mariadb_url):
    name, changes = three_tables(mariadb_url)
    mariadb_server.execute(
        f"CREATE USER editor@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT, INSERT, CREATE, ALTER ON {name}.* TO editor@'127.0.0.1'",
    )
    try:
        report = write(mariadb_server.url(name, "editor"), changes)
    finally:
        mariadb_server.execute("DROP USER editor@'127.0.0.1'")
    assert (len(report.written), report.skipped, report.error) == (6, (), "")


@pytest.mark.slow
def test_one_table_that_fails_does_not_stop_the_others(mariadb_url, monkeypatch):
    monkeypatch.setattr("docgen_sqlalchemy.send._LOCK_TIMEOUT_S", 1)
    name, changes = three_tables(mariadb_url)
    busy = [change.ref for change in changes[:2]]
    engine = sqlalchemy.create_engine(mariadb_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM one")  # its transaction is open: nobody may alter the table
        report = write(mariadb_url, changes)
        with pytest.raises(WriteError, match=rf"nothing was written: {name}\.one: locked by another session"):
            write(mariadb_url, changes)
    engine.dispose()
    reason = "locked by another session for over 1 s; try again when it is free"
    assert report.skipped == tuple((ref, reason) for ref in busy)
    assert (report.written, report.error) == (tuple(change.ref for change in changes[2:]), "")
    assert "`one`" not in report.preview
    assert write(mariadb_url, changes).written == tuple(busy)


def test_lost_connection_stops_and_says_what_is_done(mariadb_server, mariadb_url):
    name, changes = three_tables(mariadb_url)

    def kill():
        query = f"SELECT id FROM information_schema.PROCESSLIST WHERE DB = '{name}'"
        for (number,) in mariadb_server.execute(query):
            mariadb_server.execute(f"KILL {number}")

    with _Meanwhile(f"ALTER TABLE `{name}`.`three`", kill):
        report = write(mariadb_url, changes)
    assert report.written == tuple(change.ref for change in changes[:2])
    assert report.skipped == ()
    assert report.error.startswith(f"{name}.three: ")


def test_later_transactions_look_again_before_they_write(postgres_url, monkeypatch):
    monkeypatch.setattr("docgen_sqlalchemy.send._TABLES_PER_TRANSACTION", 1)
    _, changes = three_tables(postgres_url)
    others = ("COMMENT ON COLUMN two.a IS 'By a person'", "ALTER TABLE three DROP COLUMN a")
    with _Meanwhile("COMMENT", lambda: execute(postgres_url, *others)):
        report = write(postgres_url, changes)
    assert report.error == ""
    assert [str(ref) for ref in report.written] == [
        "public.one",
        "public.one.a",
        "public.three",
        "public.two",
    ]
    assert report.skipped == (
        (ColumnRef("public.three", "a"), "the column is gone"),
        (ColumnRef("public.two", "a"), "text changed meanwhile"),
    )
    assert report.preview.count("COMMENT ON") == 4
    assert read(postgres_url).description(ColumnRef("public.two", "a")) == "By a person"


@pytest.fixture
def untransacted(monkeypatch):
    """PostgreSQL taken for a dialect whose DDL cannot be rolled back, read anew through SQLAlchemy alone."""
    rules = dataclasses.replace(DIALECTS["postgresql"], transaction=False)
    monkeypatch.setitem(DIALECTS, "postgresql", rules)


@pytest.mark.usefixtures("untransacted")
def test_each_table_is_looked_at_again_where_nothing_can_be_rolled_back(postgres_url):
    _, changes = three_tables(postgres_url)
    others = ("COMMENT ON TABLE two IS 'By a person'", "DROP TABLE three")
    with _Meanwhile("COMMENT", lambda: execute(postgres_url, *others)):
        report = write(postgres_url, changes)
    assert [str(ref) for ref in report.written] == ["public.one", "public.one.a", "public.two.a"]
    assert report.skipped == (
        (ColumnRef("public.three"), "the table is gone"),
        (ColumnRef("public.three", "a"), "the table is gone"),
        (ColumnRef("public.two"), "text changed meanwhile"),
    )
    again = write(postgres_url, changes)
    assert (again.written, again.error) == ((), "")


@pytest.mark.usefixtures("untransacted")
def test_one_statement_that_fails_does_not_stop_the_others(postgres_url):
    _, changes = three_tables(postgres_url)
    event.listen(Engine, "before_cursor_execute", _misspelled, retval=True)
    try:
        report = write(postgres_url, changes)
    finally:
        event.remove(Engine, "before_cursor_execute", _misspelled)
    assert report.written == tuple(
        change.ref for change in changes if change.ref.column or "three" not in change.ref.table
    )
    ((ref, reason),) = report.skipped
    assert ref == ColumnRef("public.three")
    assert reason.startswith('relation "public.nowhere" does not exist')


def _misspelled(connection, cursor, statement, parameters, context, executemany):
    return statement.replace('TABLE "public"."three"', 'TABLE "public"."nowhere"'), parameters


def test_sqlite_has_no_comments(tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    execute(url, "CREATE TABLE t (a int)")
    with pytest.raises(WriteError, match=r"sqlite has no comments: use `docgen apply .* --to FILE\.yml`"):
        write(url, changes_for(read(url)))


def test_write_to_no_database():
    with pytest.raises(SourceError, match=r"cannot connect to postgresql://127.0.0.1:1/db"):
        write("postgresql://me:s3cret@127.0.0.1:1/db", [Change(ColumnRef("public.t"), "", "x")])
    assert write_descriptions("models/", [], False, Config()) is None
