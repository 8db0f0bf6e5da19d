"""Batches from several files of rows: shares that move, a last phase of its own, files that are none."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from docgen_training.mixture import Mixture
from docgen_training.plan import Share

from docgen_plugin.errors import DocgenError

ARRAYS = ("tokens", "positions", "tree", "targets")
WIDTH = 8


def rows_file(path: Path, first: int, count: int, width: int = WIDTH) -> Path:
    """Write rows whose tokens tell which row they are: `first`, `first` + 1, ..."""
    numbers = np.arange(first, first + count, dtype=np.int32)[:, None].repeat(width, 1)
    np.savez(path, **dict.fromkeys(ARRAYS, numbers))  # type: ignore[arg-type]
    return path


@pytest.fixture
def files(tmp_path):
    return [rows_file(tmp_path / f"{first}.npz", first, 10) for first in (0, 100, 200)]


def numbers(batch):
    """Return which rows a batch holds."""
    return [int(row[0]) for row in batch.tokens]


# (start, end, style) of each file, where the style phase begins, progress -> the shares of a batch
WEIGHTS = [
    ([(1, 1, 0)], 0.75, {0.0: [1], 0.5: [1], 0.9: [1]}),
    ([(3, 1, 0), (1, 1, 0)], 0.75, {0.0: [0.75, 0.25], 0.5: [2 / 3, 1 / 3], 0.8: [1.4 / 2.4, 1 / 2.4]}),
    ([(1, 0, 0), (0, 1, 0)], 1.0, {0.0: [1, 0], 0.25: [0.75, 0.25], 0.75: [0.25, 0.75]}),
    ([(1, 0, 1), (0, 1, 0), (0, 0, 3)], 0.5, {0.0: [1, 0, 0], 0.25: [0.5, 0.5, 0], 0.5: [0.25, 0, 0.75]}),
    ([(0, 0, 1), (0, 0, 1)], 0.0, {0.0: [0.5, 0.5], 1.0: [0.5, 0.5]}),
]


@pytest.mark.parametrize(("shares", "style_from", "wanted"), WEIGHTS)
def test_weights(files, shares, style_from, wanted):
    mixture = Mixture(
        [Share(path, *one) for path, one in zip(files, shares, strict=False)], style_from, seed=1
    )
    for progress, weights in wanted.items():
        assert mixture.weights(progress).tolist() == pytest.approx(weights), progress


def test_a_batch_is_drawn_by_the_shares(files):
    shares = [Share(files[0], 1, 1), Share(files[1], 3, 3), Share(files[2], 0, 0, 1)]
    mixture = Mixture(shares, 0.5, seed=1)
    counts = Counter(number // 100 for number in numbers(mixture.batch(400, 0.0, "cpu")))
    assert set(counts) == {0, 1}
    assert 0.65 < counts[1] / 400 < 0.85
    assert {number // 100 for number in numbers(mixture.batch(20, 0.5, "cpu"))} == {2}


def test_every_row_comes_before_one_comes_again(files):
    mixture = Mixture([Share(files[0], 1, 1)], 0.75, seed=1)
    first, second = (numbers(mixture.batch(10, 0.0, "cpu")) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second  # in a new order


def test_batches_are_the_same_for_the_same_seed(files):
    shares = [Share(path, 1, 1) for path in files]

    def drawn(seed):
        mixture = Mixture(shares, 0.75, seed)
        return [numbers(mixture.batch(8, 0.1, "cpu")) for _ in range(4)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_batch_is_tensors_of_one_shape(files):
    import torch

    batch = Mixture([Share(files[0], 1, 1)], 0.75, seed=1).batch(3, 0.0, "cpu")
    for name in ARRAYS:
        values = getattr(batch, name)
        assert (values.dtype, tuple(values.shape)) == (torch.int64, (3, WIDTH))


def test_rows_of_two_widths_are_refused(files, tmp_path):
    other = rows_file(tmp_path / "wide.npz", 0, 3, width=12)
    with pytest.raises(DocgenError, match=r"--data: rows of \[8, 12\] tokens cannot be mixed"):
        Mixture([Share(files[0], 1, 1), Share(other, 1, 1)], 0.75, seed=1)


def test_shares_of_nothing_are_refused(files):
    with pytest.raises(DocgenError, match="--data: no file has a share of the first batches"):
        Mixture([Share(files[0], 0, 1), Share(files[1], 0, 0, 1)], 0.75, seed=1)


def broken(path, kind):
    """Make of a good file of rows a bad one."""
    data = path.read_bytes()
    if kind == "one array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "an array lacks":
        np.savez(path, tokens=np.zeros((3, 4)))
    elif kind == "cut off":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "gone":
        path.unlink()
    else:
        path.write_bytes(kind.encode())


@pytest.mark.parametrize("kind", ["", "not rows", "cut off", "one array", "an array lacks", "gone"])
def test_a_file_that_is_no_rows(files, kind):
    broken(files[0], kind)
    with pytest.raises(
        DocgenError, match=r"0\.npz: not a file of encoded rows: .*docgen-train encode"
    ) as caught:
        Mixture([Share(files[0], 1, 1)], 0.75, seed=1)
    assert "\n" not in str(caught.value)
