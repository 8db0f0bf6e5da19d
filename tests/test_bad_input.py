"""Bad input through the command line: one line that says what, where and what to do; exit 1; nothing written."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from docgen_plugin.llama import default_model
from docgen_plugin.model import ColumnRef
from tests.journeys import Journey, command, in_process, ledger_rows, prepared
from tests.servers import PASSWORD, execute

TABLE = "CREATE TABLE orders (cust_id int, wobble_grade numeric(9, 2))"


def content(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, the ledger's own left out."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not {".docgen", "logs", "target"} & set(path.parts)
    }


def one_line(stderr: str) -> str:
    """Return the one line that says what is wrong; what docgen notes beside it is no error."""
    assert "Traceback" not in stderr
    lines = [line for line in stderr.splitlines() if not line.startswith(("note: ", "skipped: "))]
    assert len(lines) == 1, stderr
    assert lines[0].startswith("docgen: ")
    return lines[0]


@pytest.fixture
def till(tmp_path, monkeypatch) -> str:
    monkeypatch.chdir(tmp_path)
    execute(f"sqlite:///{tmp_path / 'till.db'}", TABLE)
    return "sqlite:///till.db"


def gguf(path: Path, *, architecture: bytes = b"llama", length: int | None = None) -> None:
    data = default_model().read_bytes()
    key = b"general.architecture"
    at = data.index(key) + len(key) + 4 + 8  # its type, its length
    assert data[at : at + 5] == b"llama"
    path.write_bytes((data[:at] + architecture + data[at + 5 :])[:length])


MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "no such model file"),
    "a folder": (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    "empty": (lambda path: path.write_bytes(b""), "GGUF"),
    "not GGUF": (lambda path: path.write_text("model weights, honestly\n" * 9, encoding="utf-8"), "GGUF"),
    "truncated": (lambda path: gguf(path, length=1_000_000), "truncated|incomplete|corrupt|ends|bounds"),
    "cut in the header": (lambda path: gguf(path, length=200), "truncated|incomplete|damaged|corrupt|read"),
    "unknown architecture": (
        lambda path: gguf(path, architecture=b"xyzzy"),
        "unknown architecture .xyzzy.",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_models(till, tmp_path, name):
    make, message = MODELS[name]
    make(tmp_path / "own.gguf")
    done = command(tmp_path, "suggest", till, "--model", "own.gguf", code=1)
    line = one_line(done.stderr)
    assert done.stdout == ""
    assert "own.gguf" in line
    assert re.search(message, line), line
    rows = ledger_rows(tmp_path / ".docgen" / "ledger.db", f"sqlite:///{tmp_path / 'till.db'}")
    # what the dictionary knows needs no model and is kept; the rest waits
    assert ColumnRef("main.orders", "wobble_grade") not in rows
    assert "generated" not in {row.origin for row in rows.values()}


def write(name: str, text: str = "") -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return make


TILL = "sqlite:///till.db"
# what is made in the folder, what is typed, what the line says
INPUTS: dict[str, tuple[Callable[[Path], object] | None, list[str], list[str]]] = {
    "no such folder": (None, ["suggest", "nowhere"], ["nowhere: is neither a dbt project's folder nor"]),
    "folder without a project": (None, ["suggest", "."], [".: is neither a dbt project's folder nor"]),
    "file that is no project": (write("a.txt"), ["coverage", "a.txt"], ["a.txt: is neither"]),
    "no such database file": (None, ["suggest", "duckdb:///gone.db"], ["gone.db: no such file"]),
    "refused connection": (
        None,
        ["suggest", "postgresql://ann:hunter2@127.0.0.1:1/shop"],
        ["cannot connect to postgresql://127.0.0.1:1/shop", "refused"],
    ),
    "unknown driver": (None, ["suggest", "nosuchdb://host/name"], ["nosuchdb", "pip install|no dialect"]),
    "missing driver": (None, ["suggest", "snowflake://host/name"], ["pip install 'snowflake-sqlalchemy'"]),
    "bad URL": (None, ["suggest", "postgresql://host:port/x"], ["cannot be read as a database URL"]),
    "settings that are not TOML": (
        write("docgen.toml", "model = \n"), ["status", TILL], ["docgen.toml: cannot be read as TOML", "line 1"],
    ),
    "unknown setting": (write("docgen.toml", "colour = 1\n"), ["status", TILL], ["unknown setting 'colour'"]),
    "setting of the wrong type": (
        write("docgen.toml", 'threads = "many"\n'), ["status", TILL], ["threads wants a whole number"],
    ),
    "setting that is neither true nor false": (
        write("docgen.toml", 'provenance = "maybe"\n'), ["status", TILL], ["provenance wants true or false, found 'maybe'"],
    ),
    "provenance of a database": (None, ["provenance", TILL], ["is no dbt project's folder"]),
    "pyproject that is not TOML": (write("pyproject.toml", "[tool"), ["status", TILL], ["pyproject.toml"]),
    "ledger that is no database": (
        write("notes.txt", "not a database " * 99), ["status", TILL, "--ledger", "notes.txt"],
        ["notes.txt: is damaged or no ledger"],
    ),
    "ledger that is a folder": (
        lambda folder: (folder / "box").mkdir(), ["suggest", TILL, "--ledger", "box"], ["box: "],
    ),
    "ledger in a folder that cannot be": (
        write("notes.txt"), ["suggest", TILL, "--ledger", "notes.txt/ledger.db"], ["notes.txt", "--ledger"],
    ),
    "ledger on a server that refuses": (
        None, ["suggest", TILL, "--ledger", "postgresql+psycopg://ann:hunter2@127.0.0.1:1/x"], ["refused"],
    ),
    "ledger without a driver": (None, ["suggest", TILL, "--ledger", "nosuchdb://x/y"], ["nosuchdb"]),
    "target that is no YAML": (None, ["apply", TILL, "--to", "texts.txt"], ["ends in .yml"]),
    "manifest that is not JSON": (None, ["suggest", "project"], ["manifest.json: is not JSON", "dbt parse"]),
    "manifest of another version": (None, ["suggest", "project"], ["manifest version", "v99", "dbt parse"]),
    "project file that is not YAML": (
        write("project/dbt_project.yml", "name: ["), ["suggest", "project"], ["dbt_project.yml", "not YAML"],
    ),
}  # fmt: skip
MANIFESTS = {
    "manifest that is not JSON": "{",
    "manifest of another version": json.dumps(
        {"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v99.json"}, "nodes": {}}
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_sources_settings_and_ledgers(till, tmp_path, name, capfd):
    make, arguments, messages = INPUTS[name]
    if make is not None:
        make(tmp_path)
    if name in MANIFESTS:
        write("project/dbt_project.yml", "name: shop\nprofile: shop\n")(tmp_path)
        write("project/target/manifest.json", MANIFESTS[name])(tmp_path)
    before = content(tmp_path)
    done = in_process(tmp_path, *arguments, code=1)
    line = one_line(done.stderr)
    assert done.stdout == ""
    assert capfd.readouterr() == ("", "")  # no library spoke past us
    for message in messages:
        assert any(part in line for part in message.split("|")), line
    assert "hunter2" not in line
    assert content(tmp_path) == before


@pytest.fixture(scope="module")
def accepted_project(tmp_path_factory) -> Path:
    """A small dbt project with suggestions that were accepted."""
    root: Path = tmp_path_factory.mktemp("bad") / "project"
    write("dbt_project.yml", "name: small\nprofile: small\n")(root)
    write("profiles.yml", "small: {target: d, outputs: {d: {type: duckdb, path: s.duckdb}}}\n")(root)
    write("models/orders.sql", "select 1 as cust_id, 2 as wobble_grade\n")(root)
    write("models/schema.yml", PROPERTIES)(root)
    with pytest.MonkeyPatch.context() as patch:
        prepared(patch, Journey(root, "."), ("suggest", "accept"))
    return root


PROPERTIES = "models:\n  - name: orders\n    columns:\n      - name: cust_id\n"
FILES = {
    "models:\n\t- name: orders\n": "cannot start any token (line 2, column 1)",
    "models: [\n": "is not YAML that dbt reads",
    "models:\n  - &one\n    name: orders\n    columns: []\n": "anchor",
    "models:\n  - name: orders\n  - name: orders\n": "orders has 2 entries in this file",
    "models:\n  - name: orders\n    name: orders\n": "'name:' twice",
    "models:\n  - name: orders\n    description: !!str\n": "tag",
}


@pytest.mark.parametrize("text", FILES, ids=FILES.values())
def test_property_files(accepted_project, tmp_path, monkeypatch, text):
    root = Path(shutil.copytree(accepted_project, tmp_path / "project"))
    monkeypatch.chdir(root)
    file = root / "models" / "schema.yml"
    file.write_text(text, encoding="utf-8")
    # older than the manifest, so that no dbt has to say the same once more
    os.utime(file, (0, 0))
    before = content(root)
    done = in_process(root, "apply", ".", code=1)
    assert done.stdout == ""
    assert one_line(done.stderr) == "docgen: nothing was written: 3 places skipped"
    (skipped,) = [line for line in done.stderr.splitlines() if line.startswith("skipped: ")]
    assert "model.small.orders and 2 more places: models/schema.yml: " in skipped
    assert FILES[text] in skipped
    assert content(root) == before
    file.write_text(PROPERTIES, encoding="utf-8")
    os.utime(file, (0, 0))
    assert "wrote 3 descriptions" in in_process(root, "apply", ".").stdout


def changed_attribute(flag: str, file: Path) -> bool:
    return bool(shutil.which("chattr")) and not subprocess.run(["chattr", flag, file], check=False).returncode


def test_property_file_that_may_not_be_changed(accepted_project, tmp_path, monkeypatch):
    root = Path(shutil.copytree(accepted_project, tmp_path / "project"))
    monkeypatch.chdir(root)
    file = root / "models" / "schema.yml"
    before = content(root)
    times = os.stat(file)
    file.chmod(0o444)
    # root may write all the same, unless the file system itself says no
    if os.access(file, os.W_OK) and not changed_attribute("+i", file):
        pytest.skip("root can write to any file here, and chattr is not to be had")
    try:
        done = in_process(root, "apply", ".", code=1)
    finally:
        changed_attribute("-i", file)
    assert one_line(done.stderr) == "docgen: nothing was written: 3 places skipped"
    assert "models/schema.yml: " in done.stderr
    assert content(root) == before
    assert os.stat(file).st_mtime_ns == times.st_mtime_ns
    assert [path.name for path in (root / "models").iterdir() if path.suffix == ".tmp"] == []


@pytest.mark.parametrize("fixture", ["postgres_url", "mariadb_url"])
def test_wrong_password(request, fixture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = sqlalchemy.make_url(request.getfixturevalue(fixture)).set(password="hunter2")
    line = one_line(in_process(tmp_path, "suggest", url.render_as_string(False), code=1).stderr)
    assert line.startswith(f"docgen: cannot connect to {url.get_backend_name()}://127.0.0.1:")
    assert "hunter2" not in line
    assert content(tmp_path) == {}


RIGHTS = {
    "postgres_url": (
        ["CREATE ROLE {role} LOGIN PASSWORD '{password}'", "GRANT CONNECT ON DATABASE {name} TO {role}"],
        ["GRANT SELECT ON orders TO {role}"],
        "may not comment on public.orders, owned by 'docgen'",
    ),
    "mariadb_url": (
        ["CREATE USER {role}@'127.0.0.1' IDENTIFIED BY '{password}'", "GRANT SELECT ON {name}.* TO {role}@'127.0.0.1'"],
        [],
        "ALTER command denied",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fixture", RIGHTS)
def test_role_without_the_right_to_comment(request, fixture, tmp_path, monkeypatch):
    as_admin, as_owner, message = RIGHTS[fixture]
    url = request.getfixturevalue(fixture)
    server = request.getfixturevalue(fixture.replace("url", "server"))
    names = {"role": f"reader_{tmp_path.name[-8:]}".lower().replace("-", "_"), "password": PASSWORD}
    names["name"] = url.rpartition("/")[2]
    execute(url, TABLE)
    server.execute(*(statement.format_map(names) for statement in as_admin))
    if as_owner:
        execute(url, *(statement.format_map(names) for statement in as_owner))
    journey = Journey(tmp_path, server.url(names["name"], names["role"]), run=in_process)
    prepared(monkeypatch, journey, ("suggest", "accept"))
    done = journey("apply", code=1)
    assert done.stdout == ""
    line = one_line(done.stderr)
    assert message in line
    assert "nothing was written" in line
    assert PASSWORD not in line
    coverage = Journey(tmp_path, url, run=in_process).json("coverage")
    assert coverage["missing"] == 3
