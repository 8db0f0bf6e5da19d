"""Texts as YAML scalars that PyYAML and dbt read back exactly."""

from __future__ import annotations

import re

import yaml

__all__ = ["is_doc_reference", "render_flow", "render_scalar"]

FOLD_OVER = 100  # characters of text that fit on one line; also the width of folded lines
_LEAST_WIDTH = 40  # of a folded line, however deep it stands

_REFERENCE = re.compile(r"\{\{-?\s*doc\s*\(")
# YAML 1.1 and 1.2 words that are not strings in one reader or another
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf", "~"}
_PLAIN_START = re.compile(r"[^\W_]|[(]")
_NOT_PLAIN = re.compile(r":(?:\s|$)|\s#|[\t\n\r\x85\u2028\u2029\ufeff]")
_NOT_PRINTABLE = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_BREAK = re.compile(r"(?<=\S) (?=\S)")
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def is_doc_reference(text: str) -> bool:
    """Tell whether a description takes its text from a docs block.

    >>> is_doc_reference("{{ doc('orders') }}")
    True
    """
    return _REFERENCE.search(text) is not None


def render_scalar(text: str, column: int, old_style: str = "", newline: str = "\n") -> str:
    """Return a text as the value of a block mapping's key.

    `column` is where the key stands; `old_style` is the quote or block character to keep where the text
    allows it: a quote, "|" or ">". Lines after the first carry their own indentation.

    >>> render_scalar("Number of the order", 4)
    'Number of the order'
    >>> render_scalar("yes", 4), render_scalar("a: b", 4), render_scalar("it's", 4, "'")
    ('"yes"', '"a: b"', "'it''s'")
    """
    for candidate in _candidates(text, column, old_style):
        if _reads_back(candidate, column, text):
            return candidate.replace("\n", newline)
    return _double(text)


def render_flow(text: str, quoted: bool = False) -> str:
    """Return a text as a value inside braces or brackets.

    >>> render_flow("how, when"), render_flow("plain")
    ('"how, when"', 'plain')
    """
    if not quoted and _is_plain(text) and not re.search(r"[,\[\]{}?]|:", text):
        return text
    return _double(text)


def _candidates(text: str, column: int, old_style: str) -> list[str]:
    """Return the ways to write a text, the wanted one first; all of them are tried for real."""
    if "\n" in text.rstrip("\n") or (old_style == "|" and len(text) <= FOLD_OVER):
        return [_literal(text, column), _double(text)]
    if len(text) > FOLD_OVER or old_style == ">" or text.endswith("\n"):
        return [_folded(text, column), _double(text)]
    quoted = [_single(text)] if old_style == "'" else []
    plain = [text] if old_style not in ("'", '"') and _is_plain(text) else []
    return [*quoted, *plain, _double(text)]


def _is_plain(text: str) -> bool:
    if not _PLAIN_START.match(text) or _NOT_PLAIN.search(text) or _NOT_PRINTABLE.search(text):
        return False
    if text != text.strip() or text.lower() in _WORDS:
        return False
    # other readers take more for numbers and dates than PyYAML does
    return " " in text or text[0].isalpha() or text[0] == "("


def _single(text: str) -> str:
    if "\n" in text or "\r" in text or _NOT_PRINTABLE.search(text):
        return _double(text)
    return "'" + text.replace("'", "''") + "'"


def _double(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"

    escaped = "".join(_SHORT_ESCAPES.get(letter, letter) for letter in text)
    return '"' + _NOT_PRINTABLE.sub(escape, escaped) + '"'


def _literal(text: str, column: int) -> str:
    body = text.rstrip("\n")
    chomp = {0: "-", 1: ""}.get(len(text) - len(body), "+")
    if not body or body[0] in " \n" or _NOT_PRINTABLE.search(text):
        return _double(text)
    indent = " " * (column + 2)
    lines = [indent + line if line else "" for line in (body if chomp != "+" else text[:-1]).split("\n")]
    return "\n".join([f"|{chomp}", *lines])


def _folded(text: str, column: int) -> str:
    body = text.rstrip("\n")
    if not body or body != body.strip() or "\n" in body or _NOT_PRINTABLE.search(text):
        return _double(text)
    if len(text) - len(body) > 1:
        return _double(text)
    indent = " " * (column + 2)
    width = max(_LEAST_WIDTH, FOLD_OVER - len(indent))
    lines, line = [], ""
    for part in _BREAK.split(body):
        if line and len(line) + 1 + len(part) > width:
            lines.append(line)
            line = part
        else:
            line = f"{line} {part}" if line else part
    lines.append(line)
    return "\n".join([">" if text.endswith("\n") else ">-", *(indent + line for line in lines)])


def _reads_back(scalar: str, column: int, text: str) -> bool:
    document = f"{' ' * column}k: {scalar}\n"
    try:
        return all(
            yaml.load(document, loader) == {"k": text} for loader in (yaml.CSafeLoader, yaml.SafeLoader)
        )
    except (yaml.YAMLError, ValueError):
        return False
