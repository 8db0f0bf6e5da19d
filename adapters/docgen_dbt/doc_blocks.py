"""Docs blocks: what the project's markdown files hold now, and new ones for texts that many columns share."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from docgen_dbt import files
from docgen_dbt.document import Refused
from docgen_dbt.files import FileText
from docgen_dbt.places import Text
from docgen_dbt.project import Project
from docgen_dbt.references import References
from docgen_dbt.scalars import is_doc_reference
from docgen_plugin.errors import WriteError
from docgen_plugin.jinja import escape_jinja, unescape_jinja

__all__ = ["DocBlocks", "block_texts"]

_SHARED_BY = 3  # columns of one name with one text: from here on a block is shorter than the texts
_BLOCK = re.compile(r"\{%-?\s*docs\s+(\w+)\s*-?%\}(.*?)\{%-?\s*enddocs\s*-?%\}", re.DOTALL)
_START = re.compile(r"\{%-?\s*docs\s+(\w+)")
_JINJA_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_CALL = re.compile(r"""\s*\{\{\s*doc\(\s*(['"])(\w+)\1\s*\)\s*\}\}\s*""")


def block_texts(markdown: str) -> dict[str, str | None]:
    """Return what each docs block of a markdown file says, None where only dbt can tell.

    >>> block_texts("{% docs id %} Key {% enddocs %} {% docs x %}{{ var('y') }}{% enddocs %}")
    {'id': 'Key', 'x': None}
    """
    found: dict[str, str | None] = {}
    for name, raw in _BLOCK.findall(_JINJA_COMMENT.sub("", markdown)):
        text = unescape_jinja(raw.strip())
        found[name] = text if escape_jinja(text) == raw.strip() else None
    return found


class DocBlocks:
    """The docs blocks of a project as its files are now; collects new ones for the file of the setting.

    Raises:
        WriteError: when the setting names a file that dbt would not read docs from, or that cannot be read.
    """

    def __init__(self, project: Project, manifest: Mapping[str, Any], setting: str = "") -> None:
        self._project, self._references = project, References(manifest)
        self._shown = self._checked(setting) if setting else ""
        self._texts: dict[str, str | None] = {}
        self._file: FileText | None = None
        for path in project.files():
            if path.suffix.lower() == ".md":
                self._read(project.show(path))
        if self._shown:
            try:
                self._file = files.read_file(project.root / self._shown)
            except Refused as err:
                raise WriteError(f"{self._shown}: {err} (setting doc_blocks)") from err
        docs = manifest.get("docs")
        blocks = docs.values() if isinstance(docs, Mapping) else ()
        self._taken = {str(block.get("name")) for block in blocks if isinstance(block, Mapping)}
        self._taken |= set(self._texts)
        self._added: dict[str, str] = {}

    def text(self, raw: str) -> str | None:
        """Return what a description says that is one doc() call, None where it is more or names no block we know."""
        call = _CALL.fullmatch(raw)
        if call is not None and call[2] in self._texts:
            return self._texts[call[2]]
        return self._references.text(raw)

    def says(self, raw: str) -> str | None:
        """Return what a description says once dbt has run it, None where only dbt can tell."""
        return self.text(raw) if is_doc_reference(raw) else unescape_jinja(raw)

    def share(self, texts: Sequence[Text]) -> list[Text]:
        """Return the texts with a doc() call where columns of one name share one: at least three, or a block is there."""
        if not self._shown:
            return list(texts)
        groups: dict[tuple[str, str], list[Text]] = {}
        for text in texts:
            if text.column and not text.reference and _is_sharable(text.after):
                groups.setdefault((text.column.lower(), text.after), []).append(text)
        calls: dict[tuple[str, str], str] = {}
        for (column, after), group in groups.items():
            many = len({(text.place, text.column) for text in group}) >= _SHARED_BY
            name = self._standing(column, after, many) or (self._add(column, after) if many else "")
            if name:
                calls[column, after] = "{{ doc('" + name + "') }}"
        return [
            text
            if text.reference
            else replace(text, reference=calls.get((text.column.lower(), text.after), ""))
            for text in texts
        ]

    def finish(self, used: Collection[str]) -> tuple[str, FileText, bytes] | None:
        """Return the file as users name it, as it is, and its new content with the blocks that calls in `used` name.

        None when there is nothing to add.
        """
        names = [name for name in self._added if "{{ doc('" + name + "') }}" in used]
        if not names or self._file is None:
            return None
        text = self._file.text
        newline = "\r\n" if "\r\n" in text else "\n"
        lines = []
        for name in names:
            body = escape_jinja(self._added[name]).replace("\n", newline)
            lines.append(newline.join([f"{{% docs {name} %}}", body, "{% enddocs %}", ""]))
        gap = "" if not text else newline if text.endswith(newline) else newline * 2
        return self._shown, self._file, self._file.encode(text + gap + newline.join(lines))

    def _checked(self, setting: str) -> str:
        path = PurePosixPath(setting.replace("\\", "/"))
        folders = self._project.docs or self._project.folders
        inside = not path.is_absolute() and ".." not in path.parts
        if not inside or path.suffix != ".md" or not any(path.is_relative_to(one) for one in folders):
            raise WriteError(
                f"setting doc_blocks {setting!r}: dbt reads docs from markdown files in {', '.join(folders)} of the "
                f"project; name one such as {folders[0]}/docs.md"
            )
        return str(path)

    def _read(self, shown: str) -> None:
        try:
            text = files.read_file(self._project.root / shown).text
        except Refused:
            return  # dbt will say so better than we can
        known = block_texts(text)
        # a block in a comment is none, but its name is not ours to give
        self._texts.update({name: known.get(name) for name in _START.findall(text)})

    def _standing(self, column: str, after: str, many: bool) -> str:
        """Return the block that says a text; for few columns only one that was named after them."""
        own = re.compile(re.escape(_slug(column)) + r"(_\d+)?")
        names = [name for name, text in {**self._texts, **self._added}.items() if text == after]
        named = [name for name in names if own.fullmatch(name)]
        return next(iter(named or (names if many else ())), "")

    def _add(self, column: str, after: str) -> str:
        name = slug = _slug(column)
        number = 1
        while name in self._taken:
            number += 1
            name = f"{slug}_{number}"
        self._taken.add(name)
        self._added[name] = after
        return name


def _slug(column: str) -> str:
    """Return a column's name as a block may be called.

    >>> _slug("order id"), _slug("1st")
    ('order_id', 'column_1st')
    """
    slug = re.sub(r"\W+", "_", column, flags=re.ASCII).strip("_")
    return slug if re.match(r"[A-Za-z_]", slug) else f"column_{slug}".rstrip("_")


def _is_sharable(text: str) -> bool:
    """Tell whether a docs block gives a text back as it is: dbt strips it, and Jinja changes carriage returns."""
    return text == text.strip() and "\r" not in text
