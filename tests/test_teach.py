"""The teacher: its answers read, its three kinds asked for real, a run that goes on where it was stopped."""

import json
import socket
import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from click.testing import CliRunner
from docgen_training.answers import SOURCE, read_answers
from docgen_training.cli import cli
from docgen_training.records import read_records
from docgen_training.seeds import Seed, draw_seeds, write_seeds
from docgen_training.teach import Endpoint, LocalModel, Prepared, open_teacher, rules, teach

from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.model import ForeignKey
from tests.tiny_models import CHATML, Shape, write_gguf

SEED = Seed(7, "111110", "Soybean Farming", "soil sampling", "fact", "snake_case", "postgresql", 2, 0)
DIALECTS = "postgresql mysql sqlserver oracle snowflake bigquery duckdb redshift databricks".split()


def block(*lines, number=7, name="fct_sample", text="One row per soil sample."):
    """Return an answer in the form of the rules."""
    body = "\n".join(f"  {line}" for line in lines or ("ph FLOAT -- Acidity of the soil.",))
    return f"-- {number} {text}\nCREATE TABLE {name} (\n{body}\n);\n"


def only(text, dialect="postgresql"):
    """Return the one answer of a text to seed 7."""
    (answer,) = read_answers(text, {7: replace(SEED, dialect=dialect)})
    return answer


def columns(*lines, dialect="postgresql"):
    """Return the columns of an answer with these lines."""
    answer = only(block(*lines), dialect)
    assert answer.record is not None, answer.fault
    return answer.record.table.columns


def test_an_answer_becomes_a_record():
    answer = only(
        block("sample_id BIGINT PRIMARY KEY, -- Unique identifier of the sample.", "ph FLOAT -- Acidity.")
    )
    assert (answer.number, answer.fault) == (7, "")
    record = answer.record
    assert record is not None
    assert (record.source, record.license, record.seed) == (SOURCE, "Apache-2.0", SEED)
    assert (record.table.name, record.table.key) == ("fct_sample", f"{SOURCE}/fct_sample")
    assert record.table.description == "One row per soil sample."
    assert [one.name for one in record.table.columns] == ["sample_id", "ph"]
    assert [one.description for one in record.table.columns] == [
        "Unique identifier of the sample.",
        "Acidity.",
    ]


MARKS = [
    ("a BIGINT PRIMARY KEY -- A.", {"primary_key": True}),
    ("a BIGINT NOT NULL UNIQUE -- A.", {"not_null": True, "unique": True}),
    ("a BIGINT NULL -- A.", {"not_null": False}),
    ("a INT REFERENCES dim_field(field_id) -- A.", {"foreign_key": ForeignKey("dim_field", "field_id")}),
    (
        "a INT REFERENCES farm.dim_field (field_id) -- A.",
        {"foreign_key": ForeignKey("dim_field", "field_id")},
    ),
    ("a INT REFERENCES dim_field -- A.", {"foreign_key": ForeignKey("dim_field", "")}),
    ("a TEXT CHECK (a IN ('clay', 'loam')) -- A.", {"values": ("clay", "loam")}),
    ("a TEXT CHECK (a IN ('it''s', 'a, b', '')) -- A.", {"values": ("it's", "a, b", "")}),
    ("a INT CHECK (a IN (-1, 0, 1)) -- A.", {"values": ("-1", "0", "1")}),
    ("a INT CHECK (a IN (1, 2) OR a IS NULL) -- A.", {"values": ("1", "2")}),
    ("a INT CHECK (a NOT IN (8, 9)) -- A.", {"values": ()}),
    ("a INT CHECK (NOT (a IN (8, 9))) -- A.", {"values": ()}),
    ("a INT CHECK (a BETWEEN 1 AND 14) -- A.", {"values": ()}),
    ("a CHAR(1) DEFAULT 'N' NOT NULL CHECK (a IN ('Y','N')) -- A.", {"values": ("Y", "N"), "not_null": True}),
    ("a NUMERIC(12,2) -- A -- B, C.", {"type": "DECIMAL(12, 2)", "description": "A -- B, C."}),
]


@pytest.mark.parametrize(("line", "marks"), MARKS)
def test_what_a_line_declares(line, marks):
    (column,) = columns(line)
    assert {name: getattr(column, name) for name in marks} == marks


KEYS = [
    ("PRIMARY KEY (a, b)", ["a", "b"]),
    ("primary key (A)", ["a"]),
    ("CONSTRAINT pk_sample PRIMARY KEY (b)", ["b"]),
    ("UNIQUE (a, b)", []),
    ("FOREIGN KEY (b) REFERENCES dim_field (field_id)", []),
    ("CHECK (a <> b)", []),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("line", "key"), KEYS)
def test_a_line_of_its_own_for_the_table(line, key, dialect):
    found = columns("a INT NOT NULL, -- A.", "b INT, -- B.", line, dialect=dialect)
    assert [column.name for column in found if column.primary_key] == key
    assert [column.not_null for column in found] == [True, False]


QUOTED = [
    ("postgresql", '"Soil pH" FLOAT -- A.'),
    ("oracle", '"Soil pH" NUMBER(4,1) -- A.'),
    ("mysql", "`Soil pH` FLOAT -- A."),
    ("bigquery", "`Soil pH` FLOAT64 -- A."),
    ("databricks", "`Soil pH` FLOAT -- A."),
    ("sqlserver", "[Soil pH] REAL -- A."),
]


@pytest.mark.parametrize(("dialect", "line"), QUOTED)
def test_quoted_names(dialect, line):
    assert columns(line, dialect=dialect)[0].name == "Soil pH"


NATIVE = [
    ("sqlserver", "a NVARCHAR(10) CHECK (a IN (N'x', N'y')) -- A.", "NVARCHAR(10)", ("x", "y")),
    ("oracle", "a VARCHAR2(10) -- A.", "VARCHAR2(10)", ()),
    ("bigquery", "a STRING -- A.", "STRING", ()),
    ("mysql", "a TINYINT(1) -- A.", "TINYINT(1)", ()),
    ("snowflake", "a VARIANT -- A.", "VARIANT", ()),
    ("duckdb", "a HUGEINT -- A.", "INT128", ()),
]


@pytest.mark.parametrize(("dialect", "line", "kind", "values"), NATIVE)
def test_types_in_the_seeds_dialect(dialect, line, kind, values):
    (column,) = columns(line, dialect=dialect)
    assert (column.type, column.values) == (kind, values)


AROUND = [
    block(),
    f"```sql\n{block()}```\n",
    f"Sure! Here is table 7 (as asked):\n\n{block()}\nAnything else?\n)\n",
    block().replace("\n", "\n\n"),
    block().replace("CREATE", "```sql\nCREATE") + "```",
    block().replace(");", ")"),
    block().replace("\n", "\r\n"),
]


@pytest.mark.parametrize("text", AROUND)
def test_fences_and_prose_are_passed_over(text):
    answer = only(text)
    assert answer.record is not None, answer.fault
    assert [column.description for column in answer.record.table.columns] == ["Acidity of the soil."]


FAULTS = [
    (block(number=9), 9, "there is no seed 9"),
    (block("a INT, -- A.", "b INT"), 7, "a line without a description: b INT"),
    (block("a INT, -- A.", "-- the rest", "b INT -- B."), 7, "2 columns, but 3 descriptions"),
    (block("a INT, -- A.", "PRIMARY KEY (a) -- The key."), 7, "1 columns, but 2 descriptions"),
    (block("a INT, -- A.", "A TEXT -- Another."), 7, "a column name comes twice"),
    (block("a INT(((, -- A."), 7, "not a statement in postgresql: "),
    (block("a, -- A.").replace("CREATE TABLE", "SELECT"), 7, "not a CREATE TABLE statement"),
    (block("a -- A.").replace("CREATE TABLE fct_sample", "SELECT"), 7, "not a CREATE TABLE statement"),
    (block("a INT -- A.").replace(");", ""), 7, "the statement does not end"),
    (block("a INT -- A.").replace(");", ") ENGINE=InnoDB;"), 7, "the statement does not end"),
    ("-- 7 One row per sample.\n);\n", 7, "not a statement in postgresql"),
    (block(f"a INT CHECK ({'(' * 9000}a IN (1){')' * 9000}) -- A."), 7, "not a statement in postgresql"),
]


@pytest.mark.parametrize(("text", "number", "fault"), FAULTS, ids=range(len(FAULTS)))
def test_a_fault_is_named(text, number, fault):
    answer = only(text)
    assert (answer.number, answer.record) == (number, None)
    assert answer.fault.startswith(fault)
    assert "\n" not in answer.fault


NOTHING = ["", "I cannot do that.", "-- 7\n", "CREATE TABLE t (\n  a INT -- A.\n);", ");"]


@pytest.mark.parametrize("text", NOTHING)
def test_a_text_without_answers(text):
    assert list(read_answers(text, {7: SEED})) == []


def test_a_cut_off_block_does_not_hide_and_does_not_take_the_next():
    text = block(number=7).replace(");", "") + block("b INT -- B.", number=8, name="second")
    first, second = read_answers(text, {7: SEED, 8: replace(SEED, number=8)})
    assert (first.number, first.fault) == (7, "the statement does not end")
    assert second.record is not None
    assert (second.number, second.record.table.name) == (8, "second")


class Recorded:
    """A teacher that answers by a function and remembers what it was asked."""

    name = "recorded"

    def __init__(self, reply):
        self.reply = reply
        self.asked = []

    def answer(self, seeds):
        numbers = [seed.number for seed in seeds]
        self.asked.append(numbers)
        return self.reply(numbers, len(self.asked))


def every(numbers, _call):
    return "\n".join(block(number=number, name=f"t{number}") for number in numbers)


def test_teach_asks_in_batches_and_answers_in_order(tmp_path):
    seeds = list(draw_seeds(5, seed=1))
    teacher = Recorded(every)
    told = []
    answers = list(teach(seeds, teacher, tmp_path / "new" / "kept", 2, lambda *one: told.append(one)))
    assert teacher.asked == [[1, 2], [3, 4], [5]]
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert [answer.number for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer.record.seed for answer in answers if answer.record] == seeds


def test_teach_goes_on_from_kept_answers(tmp_path):
    seeds = list(draw_seeds(4, seed=1))
    kept = tmp_path / "kept"

    def dies(numbers, call):
        if call > 1:
            raise ModelError("the server went away")
        return every(numbers, call)

    with pytest.raises(ModelError, match="went away"):
        list(teach(seeds, Recorded(dies), kept, 2))
    second, third = Recorded(every), Recorded(every)
    answers = list(teach(seeds, second, kept, 2))
    assert second.asked == [[3, 4]]
    assert [answer.record is not None for answer in answers] == [True] * 4
    assert list(teach(seeds, third, kept, 2)) == answers
    assert third.asked == []


def test_teach_asks_once_more_for_what_it_could_not_read(tmp_path):
    seeds = list(draw_seeds(4, seed=1))

    def learns(numbers, call):
        return "\n".join(
            block("a INT", number=number) if number in (2, 3) and call < 3 else block(number=number)
            for number in numbers
            if number != 4
        )

    teacher = Recorded(learns)
    answers = list(teach(seeds, teacher, tmp_path / "kept", 2))
    assert teacher.asked == [[1, 2], [3, 4], [2, 3], [4]]
    assert [answer.record is not None for answer in answers] == [True, True, True, False]
    assert answers[3].fault == "the teacher did not answer it"


def test_teach_gives_up_after_the_second_answer(tmp_path):
    seeds = list(draw_seeds(1, seed=1))
    teacher = Recorded(lambda numbers, call: block("a INT", number=1))
    (answer,) = teach(seeds, teacher, tmp_path / "kept")
    assert teacher.asked == [[1], [1]]
    assert answer.fault == "a line without a description: a INT"


def test_an_unreadable_answer_never_replaces_a_read_one(tmp_path):
    seeds = list(draw_seeds(2, seed=1))
    kept = tmp_path / "kept"
    kept.write_text(block(number=1, name="good") + block("a INT", number=1))
    (first, second) = teach(seeds, Recorded(every), kept)
    assert first.record is not None
    assert second.record is not None
    assert (first.record.table.name, second.record.table.name) == ("good", "t2")


def never(wait_s):
    """Stand in for a wait where none may come."""
    pytest.fail(f"waits {wait_s} s")


class Server(HTTPServer):
    """A chat server that gives prepared replies, each once, and remembers what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: deque[tuple[int, str]] = deque()  # status, body
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []  # path, headers, body

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def say(self, text):
        """Prepare a chat answer."""
        self.replies.append((200, json.dumps({"choices": [{"message": {"content": text}}]})))


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server = self.server
        assert isinstance(server, Server)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append((self.path, dict(self.headers), body))
        status, text = server.replies.popleft()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args):
        pass


@contextmanager
def _serving():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with _serving() as started:
        yield started


def test_an_endpoint_is_asked_and_answers(server, tmp_path):
    seeds = list(draw_seeds(2, seed=1))
    server.say(every([1, 2], 1))
    teacher = Endpoint(f"{server.url}/", "some-model", "a-key")
    answers = list(teach(seeds, teacher, tmp_path / "kept"))
    assert teacher.name == "some-model"
    assert [answer.record is not None for answer in answers] == [True, True]
    ((path, headers, body),) = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer a-key"
    assert (body["model"], body["max_tokens"] > 500) == ("some-model", True)
    system, user = body["messages"]
    assert system == {"role": "system", "content": rules()}
    assert user["content"].splitlines() == ["Seeds:", *(seed.line() for seed in seeds)]


def test_without_a_key_none_is_sent(server):
    server.say(None)
    assert Endpoint(server.url, "m").answer([SEED]) == ""
    assert "Authorization" not in server.asked[0][1]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_server_is_asked_again(server, status):
    waits: list[float] = []
    server.replies += [(status, "later"), (status, "later")]
    server.say("at last")
    assert Endpoint(server.url, "m", wait=waits.append).answer([SEED]) == "at last"
    assert waits == [2.0, 8.0]
    assert len(server.asked) == 3


def test_a_server_that_stays_busy_is_given_up(server):
    waits: list[float] = []
    server.replies += [(429, "later")] * 4
    with pytest.raises(ModelError, match=r"answers 429, after 4 tries; run the same command later"):
        Endpoint(server.url, "m", wait=waits.append).answer([SEED])
    assert waits == [2.0, 8.0, 30.0]
    assert len(server.asked) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_names_what_to_check(server, status):
    server.replies.append((status, "no\nsuch"))
    with pytest.raises(ModelError, match=f"answers {status}") as caught:
        Endpoint(server.url, "m", "very-secret", wait=never).answer([SEED])
    line = str(caught.value)
    assert server.url in line
    assert "--model" in line
    assert "DOCGEN_TEACHER_KEY" in line
    assert "very-secret" not in line
    assert "\n" not in line


NO_CHAT = [
    ("<html>hello</html>", "does not answer JSON"),
    ("", "does not answer JSON"),
    ("{}", "not the answer of a chat server"),
    ("[]", "not the answer of a chat server"),
    ('{"choices": []}', "not the answer of a chat server"),
    ('{"choices": [{"message": null}]}', "not the answer of a chat server"),
    ('{"choices": [{"message": {"content": ["a"]}}]}', "not the answer of a chat server"),
    ('{"error": "no credit"}', "no credit"),
]


@pytest.mark.parametrize(("text", "said"), NO_CHAT)
def test_what_is_no_chat_server(server, text, said):
    server.replies.append((200, text))
    with pytest.raises(ModelError, match=said) as caught:
        Endpoint(server.url, "m", wait=never).answer([SEED])
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there():
    with socket.socket() as taken:  # bound but not listening: nobody answers, and nobody else gets the port
        taken.bind(("127.0.0.1", 0))
        waits: list[float] = []
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(ModelError, match=r"cannot be reached: .*refused, after 4 tries"):
            Endpoint(url, "m", wait=waits.append).answer([SEED])
    assert waits == [2.0, 8.0, 30.0]


def test_an_address_that_is_none():
    with pytest.raises(ModelError, match=r"notaport.*is no address: .*; check --teacher"):
        Endpoint("http://127.0.0.1:notaport/v1", "m", wait=never).answer([SEED])


@pytest.mark.parametrize("key", ["a-secret\n", "schlüssel", "a\x00b"])
def test_a_key_that_cannot_be_sent_is_not_shown(key):
    with pytest.raises(ModelError, match="DOCGEN_TEACHER_KEY") as caught:
        Endpoint("http://127.0.0.1/v1", "m", key)
    assert key.strip() not in str(caught.value)


@pytest.fixture(scope="module")
def chat_vocabulary(tiny_instruct_gguf):
    return tiny_instruct_gguf.with_suffix(".model")


@pytest.mark.slow
def test_a_local_model_that_talks_nonsense_is_a_fault(chat_vocabulary, tmp_path):
    chat = [("tokenizer.chat_template", CHATML)]
    shape = Shape(context=8192, end_pull=1.9)
    path = write_gguf(tmp_path / "wide.gguf", chat_vocabulary, shape, end="<|im_end|>", metadata=chat)
    teacher = open_teacher(str(path), "", threads=1)
    assert teacher.name == "wide"
    (answer,) = teach(list(draw_seeds(1, seed=1)), teacher, tmp_path / "kept")
    assert answer.record is None
    assert answer.fault
    assert (tmp_path / "kept").read_text().strip()  # what it said is kept, whatever it is


def test_a_local_model_too_small_for_the_rules(chat_vocabulary, tmp_path):
    chat = [("tokenizer.chat_template", CHATML)]
    path = write_gguf(
        tmp_path / "small.gguf", chat_vocabulary, Shape(context=512), end="<|im_end|>", metadata=chat
    )
    with pytest.raises(ModelError, match=r"small: .*context.*; ask for fewer tables at once with --batch"):
        LocalModel(path, threads=1).answer([SEED])


@pytest.mark.parametrize("data", [b"", b"no model", b"GGUF\x03\x00\x00\x00"])
def test_a_file_that_is_no_model(tmp_path, data):
    (tmp_path / "bad.gguf").write_bytes(data)
    with pytest.raises(ModelError, match=r"bad\.gguf: cannot be loaded by llama\.cpp") as caught:
        open_teacher(str(tmp_path / "bad.gguf"), "")
    assert "\n" not in str(caught.value)


def test_prepared_answers(tmp_path):
    seeds = list(draw_seeds(3, seed=1))
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "b.sql").write_text(block(number=2, name="second"))
    (folder / "a.sql").write_text(block(number=1, name="first").rstrip())
    (folder / "notes.txt").write_text(block(number=3, name="not read"))
    teacher = open_teacher(str(folder), "")
    assert isinstance(teacher, Prepared)
    assert teacher.name == "answers"
    first, second, third = teach(seeds, teacher, tmp_path / "kept")
    assert first.record is not None
    assert second.record is not None
    assert [first.record.table.name, second.record.table.name] == ["first", "second"]
    assert third.fault == "the teacher did not answer it"
    assert not (tmp_path / "kept").exists()
    one = Prepared(folder / "a.sql")
    assert [answer.record is not None for answer in teach(seeds, one, tmp_path / "kept")] == [
        True,
        False,
        False,
    ]


def test_prepared_answers_that_cannot_be_read(tmp_path):
    with pytest.raises(ModelError, match=r"has no \.sql file"):
        Prepared(tmp_path)
    (tmp_path / "a.sql").write_bytes(b"\xff")
    for path in (tmp_path, tmp_path / "a.sql"):
        with pytest.raises(ModelError, match="cannot be read"):
            Prepared(path)


URIS = [
    ("https://host.invalid/v1", "wants the name of the model there: add --model NAME"),
    ("no/such/place", "is neither an address nor a file"),
]


@pytest.mark.parametrize(("uri", "said"), URIS)
def test_a_teacher_that_names_nothing(uri, said):
    with pytest.raises(DocgenError, match=said):
        open_teacher(uri, "")


def test_the_key_is_taken_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("DOCGEN_TEACHER_KEY", "from-outside")
    server.say("hello")
    assert open_teacher(server.url, "m").answer([SEED]) == "hello"
    assert server.asked[0][1]["Authorization"] == "Bearer from-outside"


def test_the_command_teaches_and_tells_what_failed(server, tmp_path):
    write_seeds(tmp_path / "seeds.jsonl", draw_seeds(3, seed=1))
    server.say(every([1, 2], 1))
    server.say(block("a INT", number=3))
    server.say("I am sorry.")
    out = tmp_path / "teacher.jsonl.xz"
    line = ["teach", str(tmp_path / "seeds.jsonl"), "--teacher", server.url, "--model", "m", "--batch", "2"]
    run = CliRunner().invoke(cli, [*line, "--out", str(out)], catch_exceptions=False)
    assert run.exit_code == 0
    assert "seed 3: a line without a description: a INT" in run.stderr
    assert f"{out}: 2 of 3 tables, by m" in run.stdout
    assert [record.table.name for record in read_records(out)] == ["t1", "t2"]
    assert [record.seed and record.seed.number for record in read_records(out)] == [1, 2]
