"""Consistent training tables composed from the lexicon: known entities, column concepts, naming styles.

docgen-train synthesize --tables 60000 --seed 1 --out training/runs/synthetic.jsonl.xz
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from docgen_plugin.concepts import Concept, Entity, fill_slot, lexicon, printed
from docgen_plugin.model import Column, ForeignKey, Table
from docgen_plugin.words import abbreviations, name_words, plural, singular
from docgen_training.records import Record

__all__ = ["UNCLEAR", "identifier_fillers", "synthesize"]

# the honest answer for a column whose name and type tell nothing
UNCLEAR = "Unclear from the schema."

# names that say nothing; {n} is a number, {l} a letter
_OPAQUE = (
    "x{n}", "attr_{n}", "attribute{n}", "flag{n}", "col_{n}", "column{n}", "field_{n}", "fld{n}", "var{n}", "val_{n}",
    "udf_{n}", "user_defined_{n}", "custom_field_{n}", "c{n}", "f{n}", "z{n}", "spare_{n}", "filler{n}", "reserved_{n}",
    "misc_{n}", "param{n}", "p{n}", "text{n}", "num{n}", "char_{n}", "date{n}", "data{n}", "q{n}", "v{n}", "ext_{n}",
    "dummy_{n}", "extra{n}", "k{n}", "{l}{l}{n}", "{l}_{l}", "{l}{l}{l}{n}", "t{n}_{l}", "option{n}", "opt_{n}", "unk_{n}",
)  # fmt: skip

_SQL_TYPES = {
    "postgresql": {
        "text": ("text", "character varying(60)", "varchar(255)"), "int": ("integer", "bigint", "smallint"),
        "num": ("numeric(12,2)", "double precision", "real"), "bool": ("boolean",), "date": ("date",),
        "time": ("time",), "ts": ("timestamp with time zone", "timestamp"), "json": ("jsonb", "json"),
        "array": ("text[]",), "binary": ("bytea",), "uuid": ("uuid",), "geo": ("geometry",),
    },
    "bigquery": {
        "text": ("STRING",), "int": ("INT64",), "num": ("NUMERIC", "FLOAT64"), "bool": ("BOOL",), "date": ("DATE",),
        "time": ("TIME",), "ts": ("TIMESTAMP", "DATETIME"), "json": ("JSON",), "array": ("ARRAY<STRING>",),
        "binary": ("BYTES",), "uuid": ("STRING",), "geo": ("GEOGRAPHY",),
    },
    "snowflake": {
        "text": ("VARCHAR", "TEXT"), "int": ("NUMBER(38,0)", "INTEGER"), "num": ("NUMBER(18,2)", "FLOAT"),
        "bool": ("BOOLEAN",), "date": ("DATE",), "time": ("TIME",), "ts": ("TIMESTAMP_NTZ",), "json": ("VARIANT",),
        "array": ("ARRAY",), "binary": ("BINARY",), "uuid": ("VARCHAR",), "geo": ("GEOGRAPHY",),
    },
    "mssql": {
        "text": ("nvarchar(100)", "varchar(50)"), "int": ("int", "bigint"), "num": ("decimal(18,4)", "money", "float"),
        "bool": ("bit",), "date": ("date",), "time": ("time(7)",), "ts": ("datetime2", "datetime"),
        "json": ("nvarchar(max)",), "array": ("nvarchar(max)",), "binary": ("varbinary(max)",),
        "uuid": ("uniqueidentifier",), "geo": ("geography",),
    },
}  # fmt: skip

_STYLES = ("snake",) * 11 + ("camel",) * 3 + ("pascal",) * 3 + ("upper",) * 3 + ("flat",)
_PREFIXES = ("stg_", "dim_", "fct_", "fact_", "int_", "raw_", "src_", "tbl_", "base_", "mart_")
_SYSTEMS = ("crm", "erp", "sap", "app", "core", "ops", "web", "pos", "hr", "fin")
_QUALIFIERS = (
    "daily", "weekly", "monthly", "historical", "external", "internal", "regional", "active", "archived", "pending",
    "partner", "vendor", "customer", "employee", "product", "account", "project", "site", "store", "device", "group",
    "annual", "planned", "online", "local", "national", "temporary", "preferred", "primary", "planned", "related",
)  # fmt: skip
_KIND_WORDS = (
    "event", "record", "entry", "item", "line", "detail", "request", "assignment", "adjustment", "schedule", "rule",
    "history", "summary", "snapshot", "audit", "transaction", "document", "log", "batch", "change", "note", "group",
    "type", "category", "setting", "contact", "report", "result", "link", "version", "allocation", "message",
)  # fmt: skip
_VALUES = (
    ("open", "closed", "cancelled"), ("active", "inactive"), ("new", "in_progress", "done"), ("Y", "N"),
    ("pending", "approved", "rejected"), ("draft", "submitted", "published", "archived"), ("low", "medium", "high"),
    ("A", "I", "D"), ("credit", "debit"), ("M", "F", "U"), ("email", "phone", "web"), ("paid", "unpaid", "overdue"),
    ("small", "medium", "large"), ("monthly", "quarterly", "annual"), ("1", "2", "3"), ("success", "failure", "error"),
)  # fmt: skip


@cache
def _shortenings() -> dict[str, tuple[str, ...]]:
    """Return full words -> the abbreviations that mean them."""
    found: dict[str, list[str]] = {}
    for short, meanings in abbreviations().items():
        for long, certainty in meanings:
            if certainty != "keep":
                found.setdefault(long.lower(), []).append(short)
    return {long: tuple(shorts) for long, shorts in found.items()}


def _abbreviate(words: Sequence[str], chance: float, draw: random.Random) -> list[str]:
    written: list[str] = []
    index = 0
    while index < len(words):
        for size in (3, 2, 1):
            shorts = _shortenings().get(" ".join(words[index : index + size]), ())
            if shorts and draw.random() < chance:
                written.append(draw.choice(shorts))
                index += size
                break
        else:
            word = words[index]
            if len(word) > 7 and draw.random() < chance * 0.15:
                word = word[0] + "".join(letter for letter in word[1:] if letter not in "aeiou")
            written.append(word)
            index += 1
    return written


def _render(words: Sequence[str], style: str) -> str:
    if style == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if style == "pascal":
        return "".join(word.capitalize() for word in words)
    if style == "flat":
        return "".join(words)
    joined = "_".join(words)
    return joined.upper() if style == "upper" else joined


class _TableWriter:
    """Draws one table: its entity, its columns and how all of them are spelled."""

    def __init__(
        self,
        draw: random.Random,
        entities: Sequence[Entity],
        concepts: Sequence[Concept],
        fillers: Sequence[tuple[str, ...]] = (),
    ) -> None:
        self.draw = draw
        self.fillers = fillers
        self.entities = entities
        self.concepts = concepts
        self.style = draw.choice(_STYLES)
        self.chance = draw.choice((0.0, 0.0, 0.15, 0.4, 0.7, 0.9))
        self.typed = draw.random() < 0.8
        self.types = _SQL_TYPES[draw.choice(sorted(_SQL_TYPES))]
        self.known = draw.choice(entities)
        self.thing = self._thing()
        self.said: dict[str, str] = {}  # column name -> its words, for the columns worth naming in the grain

    def _thing(self) -> tuple[str, ...]:
        if self.fillers:
            return self.draw.choice(self.fillers)[:3]
        words = tuple(self.known.name.split())
        roll = self.draw.random()
        if roll < 0.2 and len(words) < 3:
            words = (self.draw.choice(_QUALIFIERS), *words)
        elif roll < 0.42:
            words = (*words[:2], self.draw.choice(_KIND_WORDS))
        return words

    def table(self) -> Table:
        draw = self.draw
        columns: list[Column] = []
        if draw.random() < 0.8:
            columns.append(self._key())
        specific = [] if self.fillers else list(self.known.columns)
        draw.shuffle(specific)
        for words, kind, text in specific[: draw.randint(3, 10)]:
            columns.append(self._column(words.split(), kind, self._adapted(text), telling=True))
        for _ in range(draw.randint(8, 15) if self.fillers else draw.randint(3, 11)):
            columns.append(self._concept_column())
        if draw.random() < 0.4:
            columns += [self._opaque() for _ in range(draw.randint(1, 3))]
        first, rest = columns[:1], columns[1:]
        if draw.random() < 0.3:
            draw.shuffle(rest)
        unique = {column.name.lower(): column for column in (*first, *rest)}
        name = self._table_name()
        return Table(
            key=name,
            name=name,
            description=self._grain(tuple(unique.values())),
            columns=tuple(unique.values()),
        )

    def _adapted(self, text: str) -> str:
        # the specific text speaks of the known entity; a derived thing keeps it only where it is not named
        known, thing = self.known.name, printed(self.thing)
        return text if thing == known else text.replace(f"the {known}", f"the {thing}")

    def _table_name(self) -> str:
        draw = self.draw
        words = list(self.thing)
        if draw.random() < 0.6:
            words[-1] = plural(words[-1])
        words = _abbreviate(words, self.chance * 0.4, draw)
        name = _render(words, self.style)
        roll = draw.random()
        if roll < 0.3 and self.style in ("snake", "flat"):
            prefix = draw.choice(_PREFIXES)
            system = f"{draw.choice(_SYSTEMS)}__" if prefix == "stg_" and draw.random() < 0.6 else ""
            name = prefix + system + name
        elif roll < 0.4 and self.style == "pascal":
            name = draw.choice(("Dim", "Fact", "Stg", "Tbl")) + name
        elif roll < 0.4 and self.style == "upper":
            name = draw.choice(("STG_", "T_", "DIM_", "FCT_", "SRC_")) + name
        return name

    def _grain(self, columns: Sequence[Column]) -> str:
        """Return what one row is: the thing, and which of its columns say most about it."""
        thing = printed(self.thing)
        telling = [self.said[column.name] for column in columns if column.name in self.said][:12]
        count = min(len(telling), self.draw.choice((2, 3, 3)))
        if count < 2:
            return f"One row per {thing}."
        picked = sorted(self.draw.sample(range(len(telling)), count))
        parts = [telling[index] for index in picked]
        return f"One row per {thing}, with its {', '.join(parts[:-1])} and {parts[-1]}."

    def _column(self, words: Sequence[str], kind: str, text: str, telling: bool = False) -> Column:
        draw = self.draw
        spoken = printed(words)
        if len(self.thing) < 3 and draw.random() < 0.15 and words[0] != self.thing[-1]:
            words = [*self.thing, *words]
        name = _render(_abbreviate(words, self.chance, draw), self.style)
        identifier = words[-1] in ("id", "key", "uuid") and len(words) > 1
        foreign = ForeignKey("_".join((*words[:-2], plural(words[-2]))), words[-1]) if identifier else None
        if telling and kind in ("text", "num", "int", "date") and len(words) <= 4:
            # a key is named by what it points to: "with its customer and order date"
            self.said[name] = spoken.removesuffix(" ID") if identifier else spoken
        values = (
            draw.choice(_VALUES) if kind == "text" and words[-1] in _CODED and draw.random() < 0.5 else ()
        )
        return Column(
            name=name,
            type=draw.choice(self.types[kind]) if self.typed else "",
            description=text,
            not_null=draw.random() < 0.25,
            unique=draw.random() < 0.02,
            foreign_key=foreign if draw.random() < 0.5 else None,
            values=values,
        )

    def _key(self) -> Column:
        draw = self.draw
        roll = draw.random()
        words = ("id",) if roll < 0.35 else (*self.thing, "id") if roll < 0.85 else (*self.thing[-1:], "key")
        text = f"Unique identifier of the {printed(self.thing)}."
        if words[-1] == "key":
            text = f"Surrogate key of the {printed(self.thing)}."
        name = _render(_abbreviate(words, self.chance, draw), self.style)
        kind = draw.choice(("int", "int", "text", "uuid"))
        declared = draw.random() < 0.7
        return Column(
            name=name,
            type=draw.choice(self.types[kind]) if self.typed else "",
            description=text,
            primary_key=declared,
            not_null=declared,
        )

    def _concept_column(self) -> Column:
        draw = self.draw
        concept = draw.choice(self.concepts)
        while not concept.suits(self.thing):
            concept = draw.choice(self.concepts)
        kind = draw.choice(concept.types or ("text",))
        # one name, the first most often: variants are rarer in the wild too
        name = concept.names[0] if draw.random() < 0.5 else draw.choice(concept.names)
        if self.fillers:
            name = next((other for other in concept.names if "{x}" in other or "{other}" in other), name)
        text = concept.text
        words = name.split()
        for slot, filling in (("{other}", self._other()), ("{x}", self._noun_phrase(kind))):
            if slot in words:
                at = words.index(slot)
                words[at : at + 1] = filling
                text = fill_slot(text, slot, tuple(filling))
        if "{entity}" in words:
            at = words.index("{entity}")
            words[at : at + 1] = self.thing
        return self._column(
            words, kind, text.replace("{entity}", printed(self.thing)), telling=bool(self.fillers)
        )

    def _other(self) -> list[str]:
        if self.fillers:
            return list(self.draw.choice(self.fillers)[:2])
        return self.draw.choice(self.entities).name.split()

    def _noun_phrase(self, kind: str) -> list[str]:
        """Return a few words that can stand in a measure's name: an entity, or words of some column."""
        if self.draw.random() < 0.4:
            return self._other()[-2:]
        words = self.draw.choice(self.draw.choice(self.entities).columns)[0].split()
        stop = {
            "id",
            "date",
            "at",
            "is",
            "has",
            "code",
            "flag",
            "count",
            "number",
            "total",
            "timestamp",
            "average",
        }
        kept = [word for word in words if word not in stop][-2:]
        return kept or self._other()[-1:]

    def _opaque(self) -> Column:
        draw = self.draw
        name = draw.choice(_OPAQUE)
        name = name.replace("{n}", draw.choice((str(draw.randint(0, 40)), f"{draw.randint(0, 20):02d}")))
        while "{l}" in name:
            name = name.replace("{l}", draw.choice("abcdefghjkmnpqrstuvwxyz"), 1)
        kind = draw.choice(("text", "int", "num", "text", "bool"))
        return Column(
            name=name.upper() if self.style == "upper" else name,
            type=draw.choice(self.types[kind]) if self.typed else "",
            description=UNCLEAR,
        )


_CODED = frozenset("status type category level priority class stage mode state reason method channel".split())


def identifier_fillers(records: Iterable[Record], most: int = 60_000) -> list[tuple[str, ...]]:
    """Return distinct runs of one to three plain words from the table and column names of records."""
    found: dict[tuple[str, ...], None] = {}
    for record in records:
        for name in (record.table.name, *(column.name for column in record.table.columns)):
            words = tuple(word for word in name_words(name) if word.isalpha() and len(word) > 2)[:3]
            if words and words[-1] not in _NOT_LAST:
                found.setdefault((*words[:-1], singular(words[-1])))
    return list(found)[:most]


_NOT_LAST = frozenset("the and for from with has ids not can was were are per".split())


def synthesize(tables: int, seed: int, fillers: Sequence[tuple[str, ...]] = ()) -> Iterator[Record]:
    """Yield `tables` records, the same for the same seed, lexicon and fillers."""
    known = lexicon()
    entities = tuple(entity for entity in known.entities.values() if len(entity.columns) >= 4)
    # a concept without a slot is soon known by heart; copying is learnt from those with one
    slotted = tuple(
        concept for concept in known.concepts if any("{x}" in n or "{other}" in n for n in concept.names)
    )
    concepts = (*known.concepts, *slotted * 4) if fillers else known.concepts
    for number in range(tables):
        writer = _TableWriter(random.Random(f"{seed}/{number}"), entities, concepts, fillers)
        yield Record(writer.table(), "docgen-plugin/synthetic", "Apache-2.0")
