"""What a training run shows while it lasts, and its curve."""

import io
import re

import pytest
from docgen_training.progress import Reporter, plot_losses
from rich.console import Console


def console(terminal):
    """Return a console that writes into a text, wide enough for a line."""
    return Console(file=io.StringIO(), force_terminal=terminal, width=200, color_system=None)


def shown(told):
    """Return what a console was told."""
    file = told.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_elsewhere_than_on_a_terminal_a_line_comes_now_and_then(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr("docgen_training.progress.time.monotonic", lambda: clock[0])
    told = console(terminal=False)
    with Reporter(console=told) as reporter:
        for step in range(1, 8):
            reporter.show(step, step * 20_000, 2.5, step * 10.0, 7800, step / 10)
            clock[0] += 12
    assert shown(told).splitlines() == [
        "step 1  0.02M tokens  loss 2.500  2,000 tok/s  2 h 10 min left",
        "step 4  0.08M tokens  loss 2.500  2,000 tok/s  2 h 10 min left",
        "step 7  0.14M tokens  loss 2.500  2,000 tok/s  2 h 10 min left",
    ]


def test_on_a_terminal_a_bar_moves():
    told = console(terminal=True)
    with Reporter(console=told) as reporter:
        reporter.show(1, 1000, 4.0, 1.0, 100, 0.25)
        reporter.show(2, 4000, 3.0, 2.0, 50, 0.5)
    assert " 50% step 2  0.00M tokens  loss 3.000  3,000 tok/s  50 s left" in shown(told)


def test_the_speed_is_that_of_the_last_steps():
    told = console(terminal=True)
    with Reporter(console=told) as reporter:
        for step in range(200):
            reporter.show(step, step * (10 if step < 100 else 1000), 1.0, float(step), 60, 0.5)
    assert re.findall(r"([\d,]+) tok/s", shown(told))[-1] == "1,000"


def test_of_a_known_card_the_share_is_told():
    told = console(terminal=False)
    with Reporter(rate_unit=0.0001, console=told) as reporter:
        reporter.show(1, 4000, 1.0, 1.0, 60, 0.5)
    assert shown(told) == "step 1  0.00M tokens  loss 1.000  4,000 tok/s  1 min left  40% of the card\n"


@pytest.mark.parametrize("losses", [[], [(1000, 3.0)], [(1000, 3.0), (2000, 2.0)]])
def test_the_curve_is_a_picture(tmp_path, losses):
    plot_losses(losses, tmp_path / "losses.png")
    assert (tmp_path / "losses.png").read_bytes().startswith(b"\x89PNG")
