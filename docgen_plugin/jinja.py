"""Text that dbt sends through Jinja, written so that it comes out as it went in."""

from __future__ import annotations

import re

__all__ = ["escape_jinja", "holds_jinja", "unescape_jinja"]

_OPENING = re.compile(r"\{(?=[{%#])")
_CLOSING = re.compile(r"[#}%]\}")
_BRACE = "{{ '{' }}"  # Jinja for one literal brace
_RETURN, _NEWLINE = '{{ "\\r" }}', '{{ "\\n" }}'


def escape_jinja(text: str) -> str:
    """Return a text that dbt's Jinja prints as the text itself.

    >>> escape_jinja("uses {{ x }} and {# y #}")
    "uses {{ '{' }}{ x }} and {{ '{' }}# y #}"
    >>> escape_jinja("{a}")
    '{a}'
    """
    escaped = _OPENING.sub(_BRACE, text)
    if escaped == text and not _CLOSING.search(text):
        return text  # dbt does not send it through Jinja at all
    # Jinja makes \r\n and \r to \n, and drops one newline at the end
    escaped = escaped.replace("\r", _RETURN)
    return escaped[:-1] + _NEWLINE if escaped.endswith("\n") else escaped


def unescape_jinja(text: str) -> str:
    """Return what dbt shows for a text that `escape_jinja` made.

    >>> unescape_jinja(escape_jinja("uses {{ x }}"))
    'uses {{ x }}'
    """
    return text.replace(_BRACE, "{").replace(_RETURN, "\r").replace(_NEWLINE, "\n")


def holds_jinja(text: str) -> bool:
    """Tell whether Jinja would find something to run in a text; a name that does is never written.

    dbt runs names too, and what comes out is another name.

    >>> holds_jinja("c{{ 7*6 }}"), holds_jinja("{a}")
    (True, False)
    """
    return _OPENING.search(text) is not None
