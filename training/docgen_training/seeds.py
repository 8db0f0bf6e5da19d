"""Seeds for the teacher: industry x use case x table role x naming style x dialect, drawn without repeats.

docgen-train seeds --count 3800 --seed 1 --out training/runs/seeds.jsonl
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from docgen_plugin.errors import DocgenError

__all__ = [
    "ROLES",
    "STYLES",
    "Industry",
    "Seed",
    "draw_seeds",
    "industries",
    "read_seeds",
    "use_cases",
    "write_seeds",
]

# table role -> how many of a hundred tables have it
ROLES = {
    "fact": 25,
    "dimension": 19,
    "event log": 15,
    "staging": 13,
    "snapshot": 10,
    "reference": 10,
    "bridge": 8,
}
# how names are spelled -> how many of a hundred tables spell them so
STYLES = {
    "snake_case, whole words": 30,
    "snake_case with abbreviations (cust_acct_nbr)": 22,
    "camelCase": 9,
    "PascalCase": 10,
    "UPPER_SNAKE with abbreviations": 10,
    "a short prefix of the table on every column (po_, c_)": 8,
    "type prefixes or suffixes (dt_, n_, _flg, _cd)": 6,
    "legacy names of at most eight characters, upper case (CSTACTNO)": 5,
}
_DIALECTS = (
    "postgresql",
    "mysql",
    "sqlserver",
    "oracle",
    "snowflake",
    "bigquery",
    "duckdb",
    "redshift",
    "databricks",
)
# a range of sectors goes by its first two digits
_FIRST = {"32": "31", "33": "31", "45": "44", "49": "48"}


@dataclass(frozen=True, slots=True)
class Industry:
    """One entry of NAICS 2022: its code (2, 3 or 6 digits; sectors may be ranges) and title."""

    code: str
    title: str

    @property
    def sector(self) -> str:
        """The first two digits of the sector that it belongs to."""
        return _FIRST.get(self.code[:2], self.code[:2])


@dataclass(frozen=True, slots=True)
class Seed:
    """What a teacher is asked to invent one table for."""

    number: int
    naics: str  # six digits
    industry: str
    use_case: str
    role: str
    style: str
    dialect: str
    columns: int
    opaque: int  # columns whose name tells nothing on purpose

    def line(self) -> str:
        """Return the seed as one line for a prompt."""
        opaque = f", {self.opaque} of them opaque" if self.opaque else ""
        return (
            f"{self.number} | {self.industry} | {self.use_case} | {self.role} | {self.style} | {self.dialect} | "
            f"{self.columns} columns{opaque}"
        )


def _lines(name: str) -> Iterator[list[str]]:
    text = files("docgen_training").joinpath("data", name).read_text("utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


@cache
def industries() -> tuple[Industry, ...]:
    """Return the sectors, subsectors and national industries of NAICS 2022 (US Census Bureau, public domain)."""
    return tuple(Industry(code, title) for code, title in _lines("naics_2022.tsv"))


@cache
def use_cases() -> dict[str, tuple[str, ...]]:
    """Return the taxonomy of analytical use cases: name -> sectors it belongs to, "*" for any."""
    return {name: tuple(sectors.split()) for name, sectors in _lines("use_cases.tsv")}


def _fitting(industry: Industry) -> list[str]:
    """Return the use cases that an industry may have, those of its sector and those of any."""
    return [name for name, sectors in use_cases().items() if {"*", industry.sector} & set(sectors)]


def draw_seeds(count: int, seed: int) -> Iterator[Seed]:
    """Yield `count` seeds, the same for the same arguments; no (industry, use case, role) comes twice.

    Every round visits each of the 1,012 national industries once, so a thousand seeds cover every sector and subsector.

    Raises:
        DocgenError: when there are not that many different seeds.
    """
    draw = random.Random(seed)
    national = [industry for industry in industries() if len(industry.code) == 6]
    most = sum(len(_fitting(industry)) for industry in national) * len(ROLES)
    if count > most:
        raise DocgenError(f"--count {count}: the taxonomy has only {most} different seeds; ask for fewer")
    seen: set[tuple[str, str, str]] = set()
    number = 0
    while number < count:
        order = draw.sample(national, len(national))
        for industry in order:
            if number == count:
                return
            fitting = _fitting(industry)
            own = [name for name in fitting if "*" not in use_cases()[name]]
            case = draw.choice(own if own and draw.random() < 0.8 else fitting)
            role = draw.choices(list(ROLES), list(ROLES.values()))[0]
            key = (industry.code, case, role)
            if key in seen:
                continue
            seen.add(key)
            number += 1
            yield Seed(
                number=number,
                naics=industry.code,
                industry=industry.title,
                use_case=case,
                role=role,
                style=draw.choices(list(STYLES), list(STYLES.values()))[0],
                dialect=draw.choice(_DIALECTS),
                columns=draw.randint(5, 8) if role in ("bridge", "reference") else draw.randint(8, 14),
                opaque=draw.choices((0, 1, 2), (62, 25, 13))[0],
            )


def write_seeds(path: Path, seeds: Iterable[Seed]) -> int:
    """Write seeds as JSON lines; return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(seed), ensure_ascii=False) + "\n" for seed in seeds]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def read_seeds(path: Path) -> list[Seed]:
    """Return the seeds of a file.

    Raises:
        DocgenError: naming file and line, for a line that is no seed.
    """
    seeds = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise DocgenError(f"{path}: cannot be read: {err}") from err
    for number, line in enumerate(lines, 1):
        try:
            seeds.append(Seed(**json.loads(line)))
        except (ValueError, TypeError) as err:
            raise DocgenError(
                f"{path}:{number}: not a seed: {err}; make the file with `docgen-train seeds`"
            ) from err
    return seeds
