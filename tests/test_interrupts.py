"""A Ctrl-C that Python drops is remembered."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from docgen_plugin import interrupts

ROOT = Path(__file__).parent.parent

CALLBACK = ctypes.CFUNCTYPE(None)


@pytest.fixture(autouse=True)
def plain_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def dropped() -> None:
    """Press Ctrl-C inside a callback from C, where Python cannot raise anything."""
    CALLBACK(press)()


def test_one_that_a_callback_swallows(capfd):
    with interrupts.remembered():
        assert not interrupts.came()
        dropped()
        assert interrupts.came()
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
    assert capfd.readouterr().err == ""
    interrupts.check()  # forgotten with the block
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_is_raised_as_ever():
    with interrupts.remembered():
        interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_other_dropped_errors_are_still_reported(capfd):
    def fail() -> None:
        raise ValueError("not of ours")

    before, sys.unraisablehook = sys.unraisablehook, sys.__unraisablehook__
    try:
        with interrupts.remembered():
            CALLBACK(fail)()
    finally:
        sys.unraisablehook = before
    assert "not of ours" in capfd.readouterr().err


def test_other_handlers_and_threads_are_left_alone():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.remembered():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
    found = []

    def elsewhere() -> None:
        with interrupts.remembered():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from docgen_plugin.cli import main
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.plugins import manager
from tests.fakes import FakeModel
from tests.test_interrupts import dropped

class Loading(FakeModel):
    @hookimpl(tryfirst=True)
    def load_generator(self, uri, config):
        dropped()
        return self.generator

manager().register(Loading())
main(["suggest", "sqlite:///till.db"])
"""


def test_a_lost_one_stops_suggest_all_the_same(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "till.db") as connection:
        connection.execute("CREATE TABLE gronks (wobble_grade int, fizz_ratio int)")
    connection.close()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT))],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1].startswith("docgen: interrupted; ")
    assert "Traceback" not in done.stderr
