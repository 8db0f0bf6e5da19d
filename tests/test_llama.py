"""The engine on real llama.cpp with tiny untrained models: what is asked, what comes back, what is refused."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from docgen_plugin import llama, model_files, prompt
from docgen_plugin.bespoke import Bespoke
from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError
from docgen_plugin.files import digest
from docgen_plugin.generate import Answer, Generator, TableRequest, load
from docgen_plugin.llama_native import NativeContext, NativeModel
from docgen_plugin.model import Column, ColumnRef, Table
from docgen_plugin.threads import default_threads
from tests.tiny_models import bespoke_gguf, synthetic_request, synthetic_tables, write_gguf

ONE_THREAD = Config(threads=1)

EVIL = (
    "<desc>",
    "</s>",
    "</s><s><ctx>x<desc>",
    'he said "no"',
    "it's",
    "100%",
    "%s %d",
    "two\nlines",
    "tab\there",
    "nul\x00inside",
    "😀 emoji",
    "größe",
    "列名",
    "\ud800 alone",
    " ",
    "x" * 10_000,
    "many words " * 2_000,
)


@pytest.fixture(scope="module", params=[1, 3], ids=["1-thread", "3-threads"])
def generator(request, tiny_bespoke_gguf: Path) -> Iterator[Generator]:
    loaded = load(str(tiny_bespoke_gguf), Config(threads=request.param))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def native(tiny_bespoke_gguf: Path) -> Iterator[NativeModel]:
    model = NativeModel(tiny_bespoke_gguf, 0)
    yield model
    model.close()


def _by_ref(answers: Iterator[Answer]) -> dict[ColumnRef, Answer]:
    found: dict[ColumnRef, Answer] = {}
    for answer in answers:
        assert answer.ref not in found
        found[answer.ref] = answer
    return found


def _texts(answers: Iterator[Answer]) -> dict[ColumnRef, tuple[str, int]]:
    return {ref: (answer.text, answer.tokens) for ref, answer in _by_ref(answers).items()}


def test_every_place_is_answered_once(generator):
    requests = [synthetic_request(table) for table in synthetic_tables(7, 9)]
    answers = _by_ref(generator.describe(requests))
    assert set(answers) == {ref for request in requests for ref in request.table.refs()}
    assert all(answer.logprob < 0 for answer in answers.values())
    assert all(1 <= answer.tokens <= 60 for answer in answers.values())
    assert len({answer.text for answer in answers.values()}) > len(answers) / 4  # they depend on the question


def test_name_and_device(generator, tiny_bespoke_gguf):
    name, _, version = generator.name.partition("@")
    assert name == "tiny-bespoke"
    assert version == digest(tiny_bespoke_gguf)[:12]
    assert generator.device in ("CPU, 1 thread", "CPU, 3 threads")


@pytest.mark.slow
def test_answers_do_not_depend_on_company_or_order(generator):
    requests = [synthetic_request(table) for table in synthetic_tables(6, 40, seed=3)]
    together = _texts(generator.describe(requests))
    draw = random.Random(0)
    shuffled = []
    for request in requests:
        some = draw.sample(request.columns, 11)
        shuffled.append(TableRequest(request.table, tuple(some), hints=request.hints))
    draw.shuffle(shuffled)
    apart = _texts(answer for request in shuffled for answer in generator.describe([request]))
    assert apart == {ref: together[ref] for ref in apart}
    assert _texts(generator.describe(requests)) == together


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 70])
def test_tables_of_any_width(generator, count):
    columns = tuple(Column(f"column_{number}", "integer") for number in range(count))
    table = Table("wide", "wide", columns=columns)
    answers = _by_ref(
        generator.describe([TableRequest(table, tuple(c.name for c in columns), with_table=True)])
    )
    assert set(answers) == set(table.refs())


@pytest.mark.slow
def test_a_table_of_2000_columns(tiny_bespoke_gguf):
    loaded = load(str(tiny_bespoke_gguf), ONE_THREAD)
    columns = tuple(Column(f"column_{number}", "integer") for number in range(2_000))
    table = Table("wide", "wide", columns=columns)
    names = tuple(column.name for column in columns)
    answers = _by_ref(loaded.describe([TableRequest(table, names, with_table=True)]))
    assert set(answers) == set(table.refs())
    loaded.close()


def test_nothing_asked_nothing_answered(generator):
    table = Table("quiet", "quiet", columns=(Column("id"),))
    assert list(generator.describe([TableRequest(table, ())])) == []
    assert list(generator.describe([])) == []


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_odd_names_and_texts(generator, native, evil):
    column = Column(evil, evil, evil, values=(evil, evil))
    table = Table("odd", evil, description=evil, columns=(column, Column("plain")), upstream=(evil,))
    request = TableRequest(table, (evil, "plain"), True, {evil: (evil, evil), "": (evil,)})
    for unit in Bespoke(native).units(request):
        ids = [unit.prefix, *(question.ids for question in unit.questions)]
        assert unit.prefix[0] == native.opening()
        assert native.opening() not in unit.prefix[1:]
        assert unit.prefix.count(native.mark("<ctx>")) == 1
        assert all(native.ending() not in one for one in ids)
        for question in unit.questions:
            assert question.ids[-1] == native.mark("<desc>")
            assert question.ids.count(native.mark("<desc>")) == 1
            assert len(unit.prefix) + len(question.ids) + Bespoke.answer_tokens <= 512
    assert set(_by_ref(generator.describe([request]))) == set(table.refs())


def test_long_hints_keep_the_question(generator, native):
    table = Table("t", "orders", columns=(Column("amount", "numeric"),))
    for hints in (("y" * 10_000,), ("word " * 2_000,), ("many " * 40,) * 30):
        request = TableRequest(table, ("amount",), hints={"amount": hints})
        (unit,) = Bespoke(native).units(request)
        (question,) = unit.questions
        assert question.ids[0] == native.mark("<ask>")
        assert question.ids[-1] == native.mark("<desc>")
        assert len(list(generator.describe([request]))) == 1


def test_long_names_narrow_the_window(native):
    columns = tuple(Column(f"{'very long name of a column ' * 3}{number}", "text") for number in range(32))
    units = list(
        Bespoke(native).units(TableRequest(Table("t", "t", columns=columns), tuple(c.name for c in columns)))
    )
    assert len(units) > 1
    assert [one.ref.column for unit in units for one in unit.questions] == [column.name for column in columns]


def test_prompts_are_tokenized_as_in_training(native, tiny_bespoke_gguf):
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(tiny_bespoke_gguf.with_suffix(".model")))
    for table in synthetic_tables(3, 20, seed=5):
        request = synthetic_request(table)
        (unit,) = Bespoke(native).units(request)
        names = [column.name for column in table.columns]
        marks = {piece: pieces.piece_to_id(piece) for piece in prompt.MARKS}
        expected = [pieces.bos_id(), *prompt.encode(prompt.prefix(table, names), marks, pieces.encode)]
        assert list(unit.prefix) == expected
        for column, question in zip(table.columns, unit.questions[1:], strict=True):
            segments = prompt.question(column, request.hints.get(column.name, ()), request.table)
            assert list(question.ids) == prompt.encode(segments, marks, pieces.encode)
    for text in ("", " a  b", "Größe <desc> </s>", "a | b", "😀", "42.5"):
        assert list(native.tokenize(text)) == pieces.encode(text)


def test_answers_hold_no_control_or_byte_pieces(generator):
    for answer in generator.describe(synthetic_request(table) for table in synthetic_tables(5, 12)):
        assert "<" not in answer.text
        assert "\ufffd" not in answer.text
        assert answer.text == " ".join(answer.text.split())


def test_requests_are_taken_lazily(generator):
    taken = []

    def requests() -> Iterator[TableRequest]:
        for table in synthetic_tables(200, 16):
            taken.append(table.key)
            yield synthetic_request(table)

    answers = generator.describe(requests())
    next(answers)
    assert len(taken) < 20


def test_threads_answer_alike(tiny_bespoke_gguf):
    requests = [synthetic_request(table) for table in synthetic_tables(5, 20, seed=12)]
    found = []
    for threads in (1, 2, 3):
        loaded = load(str(tiny_bespoke_gguf), Config(threads=threads))
        found.append(_texts(loaded.describe(requests)))
        loaded.close()
    assert found[0] == found[1] == found[2]


def test_requests_are_taken_in_the_callers_thread(generator):
    seen = set()

    def requests() -> Iterator[TableRequest]:
        for table in synthetic_tables(5, 8):
            seen.add(threading.current_thread())
            yield synthetic_request(table)

    assert len(list(generator.describe(requests()))) == 45
    assert seen == {threading.current_thread()}


def test_an_error_in_the_requests_comes_through(generator):
    def requests() -> Iterator[TableRequest]:
        yield synthetic_request(next(synthetic_tables(1, 8)))
        raise LookupError("the ledger went away")

    before = threading.active_count()
    with pytest.raises(LookupError, match="went away"):
        list(generator.describe(requests()))
    assert threading.active_count() == before


def test_an_error_in_the_engine_comes_through(generator, monkeypatch):
    def fail(self, tokens):
        raise ModelError("llama.cpp stopped")

    request = synthetic_request(next(synthetic_tables(1, 8)))
    with monkeypatch.context() as patched:
        patched.setattr(NativeContext, "decode", fail)
        with pytest.raises(ModelError, match=r"llama\.cpp stopped"):
            list(generator.describe([request]))
    assert len(list(generator.describe([request]))) == 9


def test_an_abandoned_run_leaves_no_trace(generator):
    requests = [synthetic_request(table) for table in synthetic_tables(4, 16, seed=8)]
    expected = _texts(generator.describe(requests))
    abandoned = generator.describe(requests)
    next(abandoned)
    del abandoned
    assert _texts(generator.describe(requests)) == expected


def test_ctrl_c_stops_and_leaves_the_model_usable(generator):
    requests = [synthetic_request(table) for table in synthetic_tables(4, 16, seed=8)]
    expected = _texts(generator.describe(requests))
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012  the interrupt comes somewhere in the loop
        timer.start()
        for number in range(10_000):
            table = next(synthetic_tables(1, 30, seed=number))
            done += generator.describe([synthetic_request(table)])
    timer.join()
    assert done
    assert _texts(generator.describe(requests)) == expected


def test_close_twice_and_answers_before_it(tiny_bespoke_gguf):
    loaded = load(str(tiny_bespoke_gguf), ONE_THREAD)
    answers = loaded.describe([synthetic_request(next(synthetic_tables(1, 4)))])
    assert next(answers).tokens
    loaded.close()
    loaded.close()
    del answers


def test_loading_is_quiet(tiny_bespoke_gguf, capfd):
    load(str(tiny_bespoke_gguf), ONE_THREAD).close()
    assert capfd.readouterr() == ("", "")


def test_threads(tiny_bespoke_gguf):
    assert 1 <= default_threads() <= 8
    loaded = load(str(tiny_bespoke_gguf), Config())
    assert loaded.device.startswith(f"CPU, {default_threads()} thread")
    loaded.close()


def _truncated(folder: Path, whole: Path) -> Path:
    path = folder / "cut.gguf"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return path


def _cut_in_header(folder: Path, whole: Path) -> Path:
    path = folder / "header.gguf"
    path.write_bytes(whole.read_bytes()[:3_000])
    return path


def _tiny_file(folder: Path, whole: Path) -> Path:
    path = folder / "tiny.gguf"
    path.write_bytes(whole.read_bytes()[:10])
    return path


def _text(folder: Path, whole: Path) -> Path:
    path = folder / "text.gguf"
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    return path


def _empty(folder: Path, whole: Path) -> Path:
    path = folder / "empty.gguf"
    path.touch()
    return path


def _folder(folder: Path, whole: Path) -> Path:
    path = folder / "folder.gguf"
    path.mkdir()
    return path


def _unknown_architecture(folder: Path, whole: Path) -> Path:
    path = folder / "strange.gguf"
    return write_gguf(path, whole.with_suffix(".model"), architecture="perceptron9000")


def _foreign_grammar(folder: Path, whole: Path) -> Path:
    path = folder / "future.gguf"
    return write_gguf(path, whole.with_suffix(".model"), metadata=[("docgen.grammar", "docgen-99")])


def _without_marks(folder: Path, whole: Path) -> Path:
    from tests.tiny_models import instruct_gguf

    chat = instruct_gguf(folder / "chat.gguf")
    path = folder / "unmarked.gguf"
    return write_gguf(path, chat.with_suffix(".model"), metadata=[("docgen.grammar", prompt.GRAMMAR)])


BAD_FILES = [
    (lambda folder, whole: folder / "none.gguf", "no such model file"),
    (_folder, "cannot be read"),
    (_empty, "an empty file"),
    (_text, "not a GGUF file"),
    (_tiny_file, "truncated after 10 bytes"),
    (_cut_in_header, "truncated or damaged"),
    (_truncated, "truncated or damaged"),
    (_unknown_architecture, "unknown architecture 'perceptron9000'"),
    (_foreign_grammar, "made for the grammar docgen-99, this version of docgen speaks docgen-1"),
    (_without_marks, "lacks <ctx>"),
]


@pytest.mark.parametrize(("make", "line"), BAD_FILES, ids=[line[:24] for _, line in BAD_FILES])
def test_bad_files_are_refused_in_one_line(tmp_path, tiny_bespoke_gguf, capfd, make, line):
    path = make(tmp_path, tiny_bespoke_gguf)
    with pytest.raises(ModelError) as caught:
        load(str(path), ONE_THREAD)
    message = str(caught.value)
    assert line in message
    assert str(path) in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_a_missing_default_is_said_clearly(monkeypatch):
    monkeypatch.setattr(model_files, "_DEFAULT", "not-there.gguf")
    with pytest.raises(ModelError, match="no embedded model: name a GGUF file with --model"):
        load("", ONE_THREAD)


def test_other_uris_are_left_to_other_plugins(tmp_path):
    assert llama.load_generator("openai:gpt", ONE_THREAD) is None
    with pytest.raises(ModelError, match="openai:gpt: no such model in the package, the cache, a registry"):
        load("openai:gpt", ONE_THREAD)


def test_a_path_needs_no_ending(tmp_path, tiny_bespoke_gguf):
    path = tmp_path / "model.bin"
    path.write_bytes(tiny_bespoke_gguf.read_bytes())
    loaded = load(str(path), ONE_THREAD)
    assert loaded.name.startswith("tiny-bespoke@")
    loaded.close()


def test_import_is_light():
    code = "import sys, docgen_plugin.llama; print([n for n in ('llama_cpp', 'numpy', 'jinja2') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_another_model_has_another_version(tmp_path, generator):
    other = load(str(bespoke_gguf(tmp_path / "tiny-bespoke.gguf", seed=9)), ONE_THREAD)
    assert other.name.startswith("tiny-bespoke@")
    assert other.name != generator.name
    other.close()
