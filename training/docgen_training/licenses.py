"""Under which licence a source stands: read from its LICENSE file, brought to its SPDX name, and held to a list.

A file is recognised by sentences that only its licence has; one that holds several licences is named with all of
them ("MIT AND GPL-3.0-only"), so that a restricted one is never hidden behind a permissive one.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from docgen_plugin.console import visible
from docgen_plugin.errors import DocgenError

__all__ = ["PERMISSIVE", "Terms", "license_file", "recognise", "spdx"]

# SPDX name -> how else people write it, without "the", "license", "version" and signs: https://spdx.org/licenses/
_SPELLINGS = {
    "Apache-2.0": "apache2.0 apache2 asl2.0 apachesoftware2.0",
    "MIT": "mit mitexpat expat",
    "BSD-2-Clause": "bsd2clause 2clausebsd simplifiedbsd bsdsimplified freebsd",
    "BSD-3-Clause": "bsd3clause 3clausebsd newbsd bsdnew modifiedbsd revisedbsd",
    "MPL-2.0": "mpl2.0 mpl2 mozillapublic2.0",
    "CC0-1.0": "cc01.0 cc0 cc01.0universal creativecommonszero1.0universal",
    "CC-BY-4.0": "ccby4.0 ccattribution4.0 creativecommonsattribution4.0 creativecommonsattribution4.0international",
    "Unlicense": "unlicense",
    "ISC": "isc",
}
PERMISSIVE = tuple(_SPELLINGS)

_BY_SPELLING = {one: name for name, others in _SPELLINGS.items() for one in others.split()}
_FILLING = re.compile(r"\b(?:the|licen[cs]e|version|v(?=\.?\s?\d))\b|\bv(?=\d)|[^a-z0-9.]+")
_OPERATOR = re.compile(r"(\s+(?:AND|OR)\s+|[()])")  # of an SPDX expression

# sentences from the licences' own texts, as `_flat` leaves them; a tuple wants all of its sentences
_BSD = (
    "redistribution and use in source and binary forms, with or without modification, are permitted provided "
    "that the following conditions are met"
)
_TELLTALES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Apache-2.0", ("apache license version 2.0, january 2004",)),
    ("Apache-2.0", ("licensed under the apache license, version 2.0 (the license )",)),
    (
        "MIT",
        (
            "permission is hereby granted, free of charge, to any person obtaining a copy of this software and "
            "associated documentation files",
            "the above copyright notice and this permission notice",
        ),
    ),
    ("BSD-2-Clause", (_BSD,)),
    ("BSD-3-Clause", (_BSD, "endorse or promote products")),
    ("BSD-4-Clause", (_BSD, "all advertising materials mentioning")),
    ("MPL-2.0", ("mozilla public license version 2.0",)),
    ("MPL-2.0", ("subject to the terms of the mozilla public license, v. 2.0",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("CC-BY-4.0", ("creative commons attribution 4.0 international",)),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    *(
        (
            "ISC",
            (
                f"permission to use, copy, modify, {both} distribute this software for any purpose with or without "
                "fee is hereby granted, provided that the above copyright notice",
            ),
        )
        for both in ("and/or", "and")
    ),
    # not on the list, but named all the same: the user should read which one it is
    ("GPL-2.0-only", ("gnu general public license version 2, june 1991",)),
    ("GPL-3.0-only", ("gnu general public license version 3, 29 june 2007",)),
    ("LGPL-2.1-only", ("gnu lesser general public license version 2.1, february 1999",)),
    ("LGPL-3.0-only", ("gnu lesser general public license version 3, 29 june 2007",)),
    ("AGPL-3.0-only", ("gnu affero general public license version 3, 19 november 2007",)),
    ("CC-BY-SA-4.0", ("attribution-sharealike 4.0 international",)),
    ("CC-BY-ND-4.0", ("attribution-noderivatives 4.0 international",)),
    ("CC-BY-NC-4.0", ("attribution-noncommercial 4.0 international",)),
    ("CC-BY-NC-SA-4.0", ("attribution-noncommercial-sharealike 4.0 international",)),
    ("CC-BY-NC-ND-4.0", ("attribution-noncommercial-noderivatives 4.0 international",)),
    ("EPL-2.0", ("eclipse public license - v 2.0",)),
    ("BUSL-1.1", ("business source license 1.1",)),
    ("SSPL-1.0", ("server side public license version 1",)),
    ("Elastic-2.0", ("elastic license 2.0",)),
    ("JSON", ("shall be used for good, not evil",)),
    ("LicenseRef-Commons-Clause", ("commons clause",)),
    ("LicenseRef-additional-conditions", ("with the following additional conditions",)),
    ("LicenseRef-in-portions", ("portions of this software are licensed as follows",)),
)
_WEAKER = {"BSD-4-Clause": ("BSD-2-Clause", "BSD-3-Clause"), "BSD-3-Clause": ("BSD-2-Clause",)}

# LICENSE, license.md, UNLICENSE, COPYING; LICENSE-MIT, LICENSE.docs.txt, but not license_check.py
_FILE = re.compile(r"(?i:(?:un)?licen[cs]e|copying)(?:\.(?i:txt|md|rst))?|(?:LICEN[CS]E|COPYING)[-._]\w.*")
_MOST_CHARACTERS = 1_000_000


def spdx(name: str) -> str:
    """Return the SPDX name for what people write, the text itself where it is none that we know.

    >>> spdx("Apache License, Version 2.0"), spdx("the mit licence"), spdx("CC BY 4.0"), spdx("internal")
    ('Apache-2.0', 'MIT', 'CC-BY-4.0', 'internal')
    >>> spdx("(mit OR apache-2.0) AND isc")
    '(MIT OR Apache-2.0) AND ISC'
    """
    return "".join(_BY_SPELLING.get(_squeezed(part), part) for part in _split(name))


def _split(name: str) -> list[str]:
    """Return the names of an SPDX expression and, between each two, what joins them; a plain name stays whole."""
    name = " ".join(name.split())
    return _OPERATOR.split(name) if re.search(r" (?:AND|OR) ", name) else [name]


def _squeezed(name: str) -> str:
    return _FILLING.sub("", name.casefold())


def recognise(text: str) -> str:
    """Return the SPDX name of the licence that a text is, several joined by AND, "" for none that we know.

    >>> recognise('Licensed under the Apache License, Version 2.0 (the "License"); with the "Commons Clause"')
    'Apache-2.0 AND LicenseRef-Commons-Clause'
    """
    flat = _flat(text)
    found = {name for name, sentences in _TELLTALES if all(one in flat for one in sentences)}
    for name, weaker in _WEAKER.items():
        if name in found:
            found.difference_update(weaker)
    return " AND ".join(sorted(found))


def _flat(text: str) -> str:
    """Return a text in lower case and without line ends, quotes and the marks of comments and Markdown."""
    return " ".join(re.sub(r"[^a-z0-9.,:;()/&'-]+", " ", text.casefold()).split())


def license_file(folder: Path) -> tuple[str, Path] | None:
    """Return the licence of the nearest LICENSE or COPYING file, "" where it is unknown, and the file.

    The folder itself is looked at, then those above it, up to the root of the repository (the folder with `.git`).
    Of several files beside each other all hold: one may be meant for the code and another for the texts.

    Raises:
        DocgenError: when such a file cannot be read.
    """
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        try:
            names = sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else []
        except OSError:  # a folder above that is not ours to list
            return None
        files = [path for path in names if _FILE.fullmatch(path.name)]
        if files:
            return _of_files(files)
        if (place / ".git").exists():
            break
    return None


def _of_files(files: list[Path]) -> tuple[str, Path]:
    found: set[str] = set()
    for path in files:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                name = recognise(file.read(_MOST_CHARACTERS))
        except OSError as err:
            raise DocgenError(
                f"{path}: cannot be read: {err.strerror}; name the licence with --license"
            ) from err
        if not name:
            return "", path
        found.update(name.split(" AND "))
    return " AND ".join(sorted(found)), files[0]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the user says about licences: the one that holds, and those accepted beside the permissive ones."""

    given: str = ""
    allowed: tuple[str, ...] = ()

    def check(self) -> None:
        """Return nothing when no licence was given, or one that is accepted.

        Raises:
            DocgenError: when it is not.
        """
        if self.given.strip():
            self._accepted("--license", self.given)

    def settle(self, where: str, stated: str, folder: Path | None) -> str:
        """Return the licence for a source: the given one, else what it states, else that of its LICENSE file.

        Raises:
            DocgenError: when there is none, or it is not accepted.
        """
        if self.given.strip():
            return self._accepted("--license", self.given)
        if stated.strip():
            return self._accepted(where, stated)
        found = license_file(folder) if folder is not None else None
        if found is None:
            raise DocgenError(f"{where}: states no licence; {_ADVICE}")
        name, path = found
        if not name:
            raise DocgenError(f"{path}: is none of the licences that are recognised; {_ADVICE}")
        return self._accepted(str(path), name)

    def _accepted(self, where: str, name: str) -> str:
        name = spdx(name)
        known = {_squeezed(one) for one in (*PERMISSIVE, *map(spdx, self.allowed))}
        parts = [part for part in _split(name)[::2] if part]
        if _squeezed(name) in known or all(_squeezed(part) in known for part in parts):
            return name
        raise DocgenError(
            f"{where}: the licence {name!r} is none of {', '.join(PERMISSIVE)}; "
            f"if you may train on such texts, add --allow-license {visible(shlex.quote(name))}"
        )


_ADVICE = (
    f"name it with --license NAME, and if it is none of {', '.join(PERMISSIVE)} "
    "repeat it with --allow-license NAME"
)
