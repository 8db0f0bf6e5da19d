"""Databases as catalogs: every fact read, whatever the dialect, and each failure one clear line."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pluggy
import pytest
import sqlalchemy
from docgen_sqlalchemy import plugin
from docgen_sqlalchemy.connect import database
from docgen_sqlalchemy.plugin import read_catalog
from docgen_sqlalchemy.values import check_values
from sqlalchemy import event
from sqlalchemy.engine import Engine

from docgen_plugin import hookspecs
from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model import Catalog, Change, Column, ColumnRef, ForeignKey, Table
from docgen_plugin.plugins import manager
from docgen_plugin.store import Ledger
from tests import servers
from tests.servers import PASSWORD, execute

DATA = Path(__file__).parent / "data"


def read(url: str, **settings) -> Catalog:
    catalog = read_catalog(url, Config(**settings))
    assert catalog is not None
    return catalog


def table(catalog: Catalog, key: str) -> Table:
    found = catalog.table(key)
    assert found is not None, [table.key for table in catalog.tables]
    return found


def column(catalog: Catalog, key: str, name: str) -> Column:
    found = table(catalog, key).column(name)
    assert found is not None, table(catalog, key)
    return found


CHECKS = [
    (
        "postgresql",
        "CHECK (((s)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
        {"s": ("a", "b")},
    ),
    ("postgresql", "CHECK ((n = ANY (ARRAY[1, '-2'::integer, 3])))", {"n": ("1", "-2", "3")}),
    (
        "postgresql",
        "CHECK (((x = 'it''s'::text) OR (x IS NULL) OR (x = 'b'::text))) NOT VALID",
        {"x": ("it's", "b")},
    ),
    ("postgresql", "CHECK ((\"aB c\" = ANY (ARRAY['x'::text])))", {"aB c": ("x",)}),
    ("postgresql", "CHECK ((s <> 'a'::text))", {}),
    ("postgresql", "CHECK (((s = 'a'::text) OR (t = 'b'::text)))", {}),
    ("postgresql", "CHECK (((s = 'a'::text) OR (amount > 5)))", {}),
    ("postgresql", "CHECK ((NOT (s = ANY (ARRAY['a'::text]))))", {}),
    ("postgresql", "CHECK ((lower(s) = ANY (ARRAY['a'::text])))", {}),
    ("duckdb", "CHECK((s IN ('x', 'y')))", {"s": ("x", "y")}),
    ("mariadb", "`st``x` in ('a','b''c',3)", {"st`x": ("a", "b'c", "3")}),
    ("mariadb", "json_valid(`j`)", {}),
    ("mysql", "(`s` in (_utf8mb4'a',_utf8mb4'b'))", {"s": ("a", "b")}),
    ("sqlite", "status IN ('new', 'old') AND length(name) > 2", {"status": ("new", "old")}),
    ("mssql", "([s]='a' OR [s]='b')", {"s": ("a", "b")}),
    ("oracle", "STATE IN ('A','B')", {"STATE": ("A", "B")}),
    ("oracle", "this is ( no SQL 'at all'", {}),
]


@pytest.mark.parametrize(("dialect", "check", "expected"), CHECKS, ids=[check[1][:40] for check in CHECKS])
def test_allowed_values_of_a_check(dialect, check, expected):
    assert check_values(check, dialect) == expected


URLS = [
    ("postgresql://me:s3cret@db.example:5433/shop?sslmode=require", "postgresql://db.example:5433/shop"),
    ("postgresql+psycopg2://me@db.example/shop", "postgresql://db.example:5432/shop"),
    ("postgresql:///shop?host=/run/postgresql", "postgresql:///run/postgresql:5432/shop"),
    ("mysql+pymysql://me:s3cret@[::1]/shop", "mysql://[::1]:3306/shop"),
    ("snowflake://me:s3cret@account/db/schema?warehouse=w", "snowflake://account/db/schema"),
    ("databricks://token:s3cret@host?http_path=/x&catalog=main&schema=shop", "databricks://host/main/shop"),
    ("oracle://me:s3cret@host/?service_name=prod", "oracle://host:1521/prod"),
    (" PostgreSQL://me:s3cret@db.example/shop\n", "postgresql://db.example:5432/shop"),
    ("duckdb:///:memory:", "duckdb://:memory:"),
    ("sqlite://", "sqlite://:memory:"),
]


@pytest.mark.parametrize(("url", "name"), URLS)
def test_name_of_a_source_holds_no_secret(url, name):
    assert database(url).name == name


def test_file_database_is_named_by_its_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert database("duckdb:///shop.db").name == f"duckdb:///{tmp_path / 'shop.db'}"


@pytest.mark.parametrize("source", ["shop", "./models", "C:\\shop", "/srv/shop", "dbt project", ""])
def test_other_sources_are_left_to_others(source):
    assert read_catalog(source, Config()) is None


BAD = [
    ("nosuch://host/db", r"nosuch://host/db: SQLAlchemy knows no dialect 'nosuch'"),
    ("snowflake://me:s3cret@account/db", r"pip install 'snowflake-sqlalchemy'"),
    (
        "postgresql+pg8000://me:s3cret@host/db",
        r"driver 'pg8000' is not installed: pip install 'docgen-plugin\[postgres\]'",
    ),
    ("postgresql+psycopg_async://me:s3cret@127.0.0.1:1/db", r"driver 'psycopg_async' is asynchronous"),
    ("postgresql://me:s3cret@host:port/db", r"postgresql://\.\.\. cannot be read as a database URL"),
    ("sqlite:////no/such/file.db", r"sqlite:////no/such/file.db: no such file"),
    ("duckdb:////no/such/file.db", r"duckdb:////no/such/file.db: no such file"),
    (" PostgreSQL://me:s3cret@host:port/db", r"PostgreSQL://\.\.\. cannot be read as a database URL"),
    ("\tMariaDB://me:s3cret@127.0.0.1:1/db ", r"cannot connect to mariadb://127.0.0.1:1/db: .*refused"),
    ("postgresql://me:s3cret@127.0.0.1:1/db", r"cannot connect to postgresql://127.0.0.1:1/db: .*refused"),
    ("mariadb://me:s3cret@127.0.0.1:1/db", r"cannot connect to mariadb://127.0.0.1:1/db: .*refused"),
]


@pytest.mark.parametrize(("url", "message"), BAD, ids=[bad[0] for bad in BAD])
def test_bad_source_is_one_clear_line(url, message):
    with pytest.raises(SourceError, match=message) as caught:
        read_catalog(url, Config())
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["postgres_url", "mariadb_url"])
def test_wrong_password_is_refused_without_showing_it(request, fixture):
    url = request.getfixturevalue(fixture)
    wrong = url.replace("s3cret%2Fp%40ss", "wr%2Fng")
    with pytest.raises(SourceError, match="cannot connect to") as caught:
        read_catalog(wrong, Config())
    assert "wr/ng" not in str(caught.value)
    assert "wr%2Fng" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["postgres_url", "mariadb_url"])
def test_url_without_a_driver_opens_the_catalog_and_the_ledger(request, fixture):
    url = request.getfixturevalue(fixture)
    scheme, _, rest = url.partition("://")
    bare = f"{scheme.partition('+')[0].upper()}://{rest}"
    execute(url, "CREATE TABLE t (a int)")
    assert [table.name for table in read(bare).tables] == ["t"]
    with Ledger(bare) as ledger:
        assert ledger.counts("shop") == []
    assert "docgen_suggestion" in {table.name for table in read(bare).tables}


def test_file_that_is_no_database(tmp_path):
    for dialect in ("sqlite", "duckdb"):
        path = tmp_path / f"{dialect}.db"
        path.write_text("not a database at all, only some text " * 200, encoding="utf-8")
        with pytest.raises(SourceError, match=f"{dialect}.db: "):
            read_catalog(f"{dialect}:///{path}", Config())
        assert path.read_text(encoding="utf-8").startswith("not a database")


SCHEMAS = [
    # file, tables, views, materialized views, columns, foreign-key columns, columns with allowed values
    ("sql_rental.sql", 14, 2, 1, 91, 20, 6),
    ("sql_hospital.sql", 13, 1, 0, 83, 14, 5),
    ("sql_tickets.sql", 13, 1, 0, 76, 15, 7),
]


@pytest.mark.parametrize("expected", SCHEMAS, ids=[row[0] for row in SCHEMAS])
def test_schemas_of_three_kinds_are_counted_right(postgres_url, expected):
    file, *counts = expected
    execute(postgres_url, (DATA / file).read_text(encoding="utf-8"))
    catalog = read(postgres_url)
    kinds = [table.kind for table in catalog.tables]
    columns = [column for table in catalog.tables for column in table.columns]
    assert [
        kinds.count("table"),
        kinds.count("view"),
        kinds.count("materialized view"),
        len(columns),
        sum(column.foreign_key is not None for column in columns),
        sum(bool(column.values) for column in columns),
    ] == counts
    # the server's own count, asked another way
    engine = sqlalchemy.create_engine(postgres_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        own = connection.exec_driver_sql(
            "SELECT count(*) FROM information_schema.columns JOIN pg_class c ON c.oid = "
            "(quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass "
            "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND NOT c.relispartition"
        ).scalar()
        materialized = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "WHERE c.relkind = 'm' AND a.attnum > 0"
        ).scalar()
    engine.dispose()
    assert int(own or 0) + int(materialized or 0) == len(columns)
    assert catalog.kind == "postgresql"
    assert PASSWORD not in repr(catalog)
    assert "docgen" not in catalog.source


def test_facts_of_the_rental_shop(postgres_url):
    execute(postgres_url, (DATA / "sql_rental.sql").read_text(encoding="utf-8"))
    catalog = read(postgres_url)
    assert column(catalog, "rental.film", "rating") == Column(
        "rating", "rental.film_rating", values=("G", "PG", "PG-13", "R", "NC-17")
    )
    assert column(catalog, "rental.customer", "tier").values == ("basic", "silver", "gold")
    assert column(catalog, "rental.payment", "method").values == ("cash", "card", "voucher")
    country = column(catalog, "rental.city", "country")
    assert (country.not_null, country.values) == (True, ("DE", "FR", "NL", "US"))
    assert column(catalog, "rental.staff", "username").unique
    assert column(catalog, "rental.staff", "email").unique
    assert not column(catalog, "rental.film_actor", "film_id").unique
    assert column(catalog, "rental.film_actor", "film_id").primary_key
    assert column(catalog, "rental.film", "original_language_id").foreign_key == ForeignKey(
        "language", "language_id"
    )
    assert column(catalog, "rental.film", "rental_rate").type == "numeric(4,2)"
    assert column(catalog, "rental.film", "title").type == "character varying(255)"
    assert catalog.description(ColumnRef("rental.payment_2025")) is None
    assert catalog.notes == ("2 partitions left out: the partitioned table carries the text",)
    overdue = table(catalog, "rental.overdue")
    assert overdue.upstream == ("rental.film", "rental.inventory", "rental.rental")
    assert "due_at" in overdue.sql


def test_facts_of_the_helpdesk(postgres_url):
    execute(postgres_url, (DATA / "sql_tickets.sql").read_text(encoding="utf-8"))
    catalog = read(postgres_url)
    assert table(catalog, "desk.openTicket").description == "Tickets that still wait for us"
    assert column(catalog, "core.organization", "planTier").description == "What they pay for."
    assert column(catalog, "core.organization", "planTier").values == ("free", "team", "enterprise")
    assert column(catalog, "desk.ticket", "channel").values == ("email", "web", "phone", 'it\'s "other"')
    assert column(catalog, "desk.ticket", "priority").values == ("1", "2", "3", "4")
    assert column(catalog, "desk.ticket", "assigneeId").foreign_key == ForeignKey("core.user", "id")
    assert column(catalog, "desk.ticket", "parentTicketId").foreign_key == ForeignKey("ticket", "id")
    assert column(catalog, "desk.satisfactionRating", "score").values == ()
    names = [column.name for column in table(catalog, "audit.select").columns]
    assert names == ["order", "100% done", 'it\'s "quoted"', "line\nbreak", "naïve 🎟", "a.b"]
    assert {table.schema for table in read(postgres_url, schemas=("d*", "audit")).tables} == {"desk", "audit"}
    with pytest.raises(SourceError, match="no schema matches nope; there are: audit, core, desk, public"):
        read(postgres_url, schemas=("nope",))


def test_odd_tables_of_postgres(postgres_url):
    wide = ", ".join(f"c{number} int" for number in range(1600))
    execute(
        postgres_url,
        "CREATE TABLE nothing ()",
        f"CREATE TABLE wide ({wide})",
        'CREATE SCHEMA "a.b"',
        "CREATE SCHEMA a",
        'CREATE TABLE "a.b".c (x int)',
        'CREATE TABLE a."b.c" (y int)',
        "CREATE TABLE dropped (a int, b int, c int)",
        "ALTER TABLE dropped DROP COLUMN b",
        "CREATE TABLE parent (a int PRIMARY KEY, b int UNIQUE, UNIQUE (a, b))",
        "CREATE TABLE child (a int, b int, FOREIGN KEY (a, b) REFERENCES parent (a, b), FOREIGN KEY (b) REFERENCES parent (b))",
        "CREATE UNIQUE INDEX ON child (a) WHERE b > 0",
        "CREATE UNIQUE INDEX ON child (lower(b::text))",
    )
    catalog = read(postgres_url)
    assert table(catalog, "public.nothing").columns == ()
    assert len(table(catalog, "public.wide").columns) == 1600
    assert [column.name for column in table(catalog, '"a.b".c').columns] == ["x"]
    assert [column.name for column in table(catalog, 'a."b.c"').columns] == ["y"]
    assert [column.name for column in table(catalog, "public.dropped").columns] == ["a", "c"]
    assert column(catalog, "public.child", "b").foreign_key == ForeignKey("parent", "b")
    assert column(catalog, "public.child", "a").foreign_key == ForeignKey("parent", "a")
    assert not column(catalog, "public.child", "a").unique
    assert column(catalog, "public.parent", "b").unique
    assert not column(catalog, "public.parent", "a").unique


def test_foreign_tables_and_extensions(postgres_server, postgres_url, tmp_path):
    name = postgres_url.rpartition("/")[2]
    file = postgres_server.folder / "wards.csv"
    with file.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([["ICU1", "Intensive care"], ["SUR2", "Surgery"]])
    admin = f"postgresql+psycopg://postgres:s3cret%2Fp%40ss@127.0.0.1:{postgres_server.port}/{name}"
    engine = sqlalchemy.create_engine(admin)
    with engine.connect() as connection:
        available: set[str] = set(
            connection.exec_driver_sql("SELECT name FROM pg_available_extensions").scalars()
        )
    engine.dispose()
    if not {"file_fdw", "pg_stat_statements"} <= available:
        pytest.skip("PostgreSQL's contrib extensions are not installed: apt-get install postgresql-contrib")
    execute(
        admin,
        "CREATE EXTENSION file_fdw",
        "CREATE EXTENSION pg_stat_statements",
        "CREATE SERVER files FOREIGN DATA WRAPPER file_fdw",
        f"CREATE FOREIGN TABLE ward_file (ward_cd text, ward_nm text) SERVER files OPTIONS (filename '{file}', format 'csv')",
        "COMMENT ON FOREIGN TABLE ward_file IS 'Wards as the registry sends them'",
    )
    catalog = read(admin)
    assert [(table.key, table.kind, table.description) for table in catalog.tables] == [
        ("public.ward_file", "foreign table", "Wards as the registry sends them")
    ]
    assert any("belong to extensions" in note for note in catalog.notes)


@pytest.mark.slow
def test_locked_table_does_not_keep_the_catalog_waiting(postgres_url, monkeypatch):
    monkeypatch.setattr("docgen_sqlalchemy.postgres._LOCK_TIMEOUT_S", 1)
    execute(postgres_url, "CREATE TABLE t (a int)", "CREATE VIEW v AS SELECT a FROM t")
    engine = sqlalchemy.create_engine(postgres_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        catalog = read(postgres_url)
    engine.dispose()
    assert [table.key for table in catalog.tables] == ["public.t", "public.v"]
    assert table(catalog, "public.v").upstream == ("public.t",)
    assert table(catalog, "public.v").sql == ""
    assert catalog.notes == ("the queries of 1 views were not read: canceling statement due to lock timeout",)


def test_plugin_with_a_scheme_of_its_own_is_asked_first(tmp_path):
    class Stranger:
        @hookimpl
        def read_catalog(self, source, config):
            return Catalog(source, "datahub", ()) if source.startswith("datahub://") else None

    url = f"sqlite:///{tmp_path / 'shop.db'}"
    execute(url, "CREATE TABLE t (a INTEGER)")
    plugins = pluggy.PluginManager("docgen")
    plugins.add_hookspecs(hookspecs)
    plugins.register(Stranger())
    plugins.register(plugin)  # the last one registered would be asked first
    assert plugins.hook.read_catalog(source="datahub://x", config=Config()).kind == "datahub"
    assert plugins.hook.read_catalog(source=url, config=Config()).kind == "sqlite"


def test_plugin_is_found_by_its_entry_point(tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    execute(url, "CREATE TABLE t (a INTEGER)")
    catalog = manager().hook.read_catalog(source=url, config=Config())
    assert [table.key for table in catalog.tables] == ["main.t"]


def test_plugin_imports_no_heavy_library():
    code = (
        "import sys, docgen_sqlalchemy.plugin; print({'sqlalchemy', 'sqlglot', 'duckdb'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_missing_server_skips_a_test_but_fails_in_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"Shop is not installed .*: apt-get install shop"):
        servers._find("no-such-server", [], "Shop", "apt-get install shop")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"Shop is not installed .*: apt-get install shop"):
        servers._find("no-such-server", [], "Shop", "apt-get install shop")


def count_statements(url: str) -> int:
    statements: list[str] = []

    def note(connection, cursor, statement, parameters, context, executemany):
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        read(url)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return len(statements)


def many_tables(first: int, last: int) -> list[str]:
    tables = [
        f"CREATE TABLE t{number} (id int PRIMARY KEY, name varchar(20) UNIQUE, other int REFERENCES t{first}(id))"
        for number in range(first, last)
    ]
    return [*tables, f"CREATE VIEW v{first} AS SELECT id FROM t{first}"]


@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["postgres_url", "mariadb_url", "duckdb_url"])
def test_queries_do_not_grow_with_tables(request, fixture):
    url = request.getfixturevalue(fixture)
    execute(url, *many_tables(0, 5))
    few = count_statements(url)
    last = 60 if fixture == "mariadb_url" else 300  # a file per table makes the other one slow
    execute(url, *many_tables(5, last))
    assert count_statements(url) == few
    assert len(read(url).tables) == last + 2
    assert few <= 16


@pytest.fixture
def duckdb_url(tmp_path):
    url = f"duckdb:///{tmp_path / 'shop.db'}"
    execute(url, "SELECT 1")
    return url


def test_facts_of_duckdb(duckdb_url, tmp_path):
    columns = ", ".join(f"c{number} INTEGER" for number in range(2000))
    execute(
        duckdb_url,
        "CREATE TYPE mood AS ENUM ('happy', 'it''s ok')",
        "CREATE SCHEMA raw",
        "CREATE TABLE raw.orders (id INTEGER PRIMARY KEY, feeling mood, state VARCHAR CHECK (state IN ('open', 'shut')), code VARCHAR UNIQUE, total DECIMAL(10, 2) NOT NULL)",
        "CREATE TABLE raw.lines (order_id INTEGER REFERENCES raw.orders (id), line INTEGER, PRIMARY KEY (order_id, line))",
        "CREATE VIEW raw.totals AS SELECT id, total FROM raw.orders",
        "COMMENT ON VIEW raw.totals IS 'One row per order'",
        "COMMENT ON COLUMN raw.totals.id IS 'The order'",
        f"CREATE TABLE wide ({columns})",
        "CREATE TEMP TABLE scratch (x INTEGER)",
    )
    execute(duckdb_url, f"ATTACH '{tmp_path / 'other.db'}' AS other", "CREATE TABLE other.main.x (y INTEGER)")
    catalog = read(duckdb_url)
    assert [table.key for table in catalog.tables] == ["main.wide", "raw.lines", "raw.orders", "raw.totals"]
    assert column(catalog, "raw.orders", "feeling") == Column("feeling", "ENUM", values=("happy", "it's ok"))
    assert column(catalog, "raw.orders", "state").values == ("open", "shut")
    assert column(catalog, "raw.orders", "code").unique
    assert column(catalog, "raw.orders", "total").type == "DECIMAL(10,2)"
    assert column(catalog, "raw.lines", "order_id").foreign_key == ForeignKey("orders", "id")
    assert table(catalog, "raw.totals").kind == "view"
    assert table(catalog, "raw.totals").description == "One row per order"
    assert "FROM raw.orders" in table(catalog, "raw.totals").sql
    assert column(catalog, "raw.totals", "id").description == "The order"
    assert len(table(catalog, "main.wide").columns) == 2000
    assert [table.key for table in read(duckdb_url, schemas=("main",)).tables] == ["main.wide"]


def test_duckdb_file_that_is_open_here_already(duckdb_url):
    engine = sqlalchemy.create_engine(duckdb_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a INTEGER)")
        connection.commit()
        assert [table.key for table in read(duckdb_url).tables] == ["main.t"]
    engine.dispose()


def test_duckdb_file_that_another_process_writes(duckdb_url):
    path = duckdb_url.removeprefix("duckdb:///")
    code = f"import duckdb; held = duckdb.connect({path!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(SourceError, match=r"cannot connect to duckdb:.*lock") as caught:
            read(duckdb_url)
        other.communicate("\n")
    assert "\n" not in str(caught.value)


def test_duckdb_view_without_its_table_spoils_nothing(duckdb_url):
    execute(
        duckdb_url,
        "CREATE TABLE t (a INTEGER)",
        "CREATE VIEW v AS SELECT a FROM t",
        "DROP TABLE t",
        "CREATE TABLE u (b INTEGER)",
    )
    assert [column.name for column in table(read(duckdb_url), "main.u").columns] == ["b"]


def test_facts_of_mariadb(mariadb_url):
    execute(
        mariadb_url,
        "CREATE TABLE parent (id int PRIMARY KEY, kind enum('a', 'b''c', 'd\\\\e') NOT NULL, flags set('x', 'y')) COMMENT 'Parents'",
        "CREATE TABLE child (id int AUTO_INCREMENT PRIMARY KEY, parent_id int, mail varchar(20) UNIQUE COMMENT 'Mail', "
        "state varchar(10) CHECK (state IN ('on', 'off')), note text COMPRESSED, FOREIGN KEY (parent_id) REFERENCES parent (id))",
        "CREATE VIEW seen AS SELECT id, mail FROM child",
        "CREATE SEQUENCE counter",
    )
    catalog = read(mariadb_url)
    name = mariadb_url.rpartition("/")[2]
    assert [table.key for table in catalog.tables] == [f"{name}.child", f"{name}.parent", f"{name}.seen"]
    assert table(catalog, f"{name}.parent").description == "Parents"
    assert column(catalog, f"{name}.parent", "kind") == Column(
        "kind", "enum", not_null=True, values=("a", "b'c", "d\\e")
    )
    assert column(catalog, f"{name}.parent", "flags").values == ("x", "y")
    assert column(catalog, f"{name}.child", "parent_id").foreign_key == ForeignKey("parent", "id")
    assert column(catalog, f"{name}.child", "mail") == Column("mail", "varchar(20)", "Mail", unique=True)
    assert column(catalog, f"{name}.child", "state").values == ("on", "off")
    assert column(catalog, f"{name}.child", "note").type == "text"
    assert table(catalog, f"{name}.seen").kind == "view"
    assert table(catalog, f"{name}.seen").description == ""
    assert catalog.kind == "mariadb"


@pytest.mark.slow
def test_database_of_mariadb_is_found_in_any_case(caseless_mariadb_server):
    caseless_mariadb_server.execute("CREATE DATABASE testshop", "CREATE DATABASE testshop2")
    url = caseless_mariadb_server.url("TestShop")
    execute(url, "CREATE TABLE Orders (Id int)")
    assert [table.key for table in read(url).tables] == ["testshop.orders"]
    report = plugin.write_descriptions(
        url, [Change(ColumnRef("testshop.orders", "Id"), "", "Number")], False, Config()
    )
    assert report is not None
    assert report.written == (ColumnRef("testshop.orders", "Id"),)
    assert column(read(url), "testshop.orders", "Id").description == "Number"


def test_facts_of_sqlite_through_any_dialects_way(tmp_path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    execute(
        url,
        "CREATE TABLE parent (id INTEGER PRIMARY KEY, code VARCHAR(20) NOT NULL UNIQUE, state TEXT CHECK (state IN ('new', 'old')))",
        "CREATE TABLE child (a INTEGER, b INTEGER REFERENCES parent (id), PRIMARY KEY (a, b))",
        "CREATE TABLE gone (x INTEGER)",
        "CREATE VIEW seen AS SELECT id FROM parent",
        "CREATE VIEW broken AS SELECT x FROM gone",
        "DROP TABLE gone",
    )
    catalog = read(url)
    assert [table.key for table in catalog.tables] == [
        "main.broken",
        "main.child",
        "main.parent",
        "main.seen",
    ]
    assert column(catalog, "main.parent", "state").values == ("new", "old")
    assert column(catalog, "main.parent", "code").unique
    assert column(catalog, "main.parent", "code").type == "VARCHAR(20)"
    assert column(catalog, "main.child", "b").foreign_key == ForeignKey("parent", "id")
    assert table(catalog, "main.seen").kind == "view"
    assert "FROM parent" in table(catalog, "main.seen").sql
    assert [column.name for column in table(catalog, "main.seen").columns] == ["id"]
    assert table(catalog, "main.broken").columns == ()
    assert any("broken cannot be read" in note for note in catalog.notes)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "duckdb", "postgresql", "mariadb"])
def test_views_know_where_their_columns_come_from(dialect, request, tmp_path):
    if dialect in ("sqlite", "duckdb"):
        url = f"{dialect}:///{tmp_path / 'views.db'}"
    else:
        url = request.getfixturevalue("postgres_url" if dialect == "postgresql" else "mariadb_url")
    execute(
        url,
        "CREATE TABLE orders (id integer, customer_id integer, total integer)",
        "CREATE TABLE customers (customer_id integer, name varchar(40))",
        "CREATE TABLE refunds (id integer, total integer)",
        "CREATE VIEW sales (order_id, buyer, total, gross) AS "
        "SELECT o.id, c.name, o.total, o.total * 2 FROM orders o JOIN customers c ON c.customer_id = o.customer_id",
        "CREATE VIEW every AS SELECT id, total FROM orders UNION ALL SELECT id, total FROM refunds",
        "CREATE VIEW copied AS WITH s AS (SELECT * FROM sales) SELECT order_id AS number, gross FROM s",
    )
    catalog = read(url)
    assert catalog.notes == ()
    found = {}
    for one in catalog.tables:
        for column in one.columns:
            if column.lineage is not None:
                inputs = [str(ref).partition(".")[2] for ref in column.lineage.inputs]
                found[f"{one.name}.{column.name}"] = (column.lineage.kind, *inputs)
    assert found == {
        "sales.order_id": ("rename", "orders.id"),
        "sales.buyer": ("rename", "customers.name"),
        "sales.total": ("pass-through", "orders.total"),
        "sales.gross": ("derived", "orders.total"),
        "every.id": ("union", "orders.id", "refunds.id"),
        "every.total": ("union", "orders.total", "refunds.total"),
        "copied.number": ("rename", "sales.order_id"),
        "copied.gross": ("pass-through", "sales.gross"),
    }
