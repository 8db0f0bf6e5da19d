"""The metadata at the head of a GGUF file, read without llama.cpp: what a file is, before anything is loaded.

The format: ggml-org/ggml, docs/gguf.md, version 2 and 3, little-endian.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from docgen_plugin.errors import ModelError

__all__ = ["Value", "check_file", "read_header"]

Value = str | int | float | bool

_STRING, _ARRAY = 8, 9
# gguf_metadata_value_type -> struct
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_LONGEST = 64 << 20  # bytes of one text: more is a broken file


def check_file(path: Path) -> None:
    """Check that a file is there, can be read and begins as a GGUF does.

    Raises:
        ModelError: when it is not so.
    """
    try:
        with path.open("rb") as file:
            head = file.read(24)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError as err:
        raise ModelError(f"{path}: no such model file: check the path given as --model") from err
    except OSError as err:
        raise ModelError(f"{path}: the model cannot be read: {err.strerror or err}") from err
    if head[:4] != b"GGUF":
        what = "an empty file" if not size else "not a GGUF file"
        raise ModelError(
            f"{path}: {what} (a GGUF begins with the letters GGUF): name another or convert it first"
        )
    if size < 24:
        raise ModelError(f"{path}: truncated after {size} bytes: fetch the file again")


def read_header(path: Path) -> Mapping[str, Value]:
    """Return the metadata of a GGUF, lists left out; the vocabulary and what follows it is not read.

    Raises:
        ModelError: when the file cannot be read, is no GGUF, or ends in its header.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            file.seek(4)
            return _fields(file)
    except OSError as err:
        raise ModelError(f"{path}: the model cannot be read: {err.strerror or err}") from err
    except (struct.error, ValueError, KeyError) as err:
        raise ModelError(f"{path}: truncated or damaged in its header: fetch the file again") from err


def _fields(file: BinaryIO) -> dict[str, Value]:
    version, _tensors, count = _unpack(file, "IQQ")
    if version not in (2, 3):
        raise ValueError(f"version {version}")
    found: dict[str, Value] = {}
    for _ in range(count):
        key = _text(file)
        # a vocabulary is long and only models have one
        if key.startswith("tokenizer."):
            break
        (kind,) = _unpack(file, "I")
        value = _value(file, kind)
        if value is not None:
            found[key] = value
    return found


def _value(file: BinaryIO, kind: int) -> Value | None:
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        value: Value = _unpack(file, _NUMBERS[kind])[0]
        return value
    inner, length = _unpack(file, "IQ")
    for _ in range(length):
        _value(file, inner)
    return None


def _text(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > _LONGEST:
        raise ValueError(f"a text of {length} bytes")
    data = file.read(length)
    if len(data) < length:
        raise ValueError("end of file")
    return data.decode("utf-8", "replace")


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    # "<": as the format packs them, without padding
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))
