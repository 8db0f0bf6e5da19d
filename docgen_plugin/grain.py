"""What one row of a table is, said from its name and its most telling columns.

A table of versions, statistics or pairs does not hold one row per thing: where its columns do not tell what a row is,
a general sentence that is true stands instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from docgen_plugin.claims import unit_words
from docgen_plugin.kinds import is_participle
from docgen_plugin.model import Column, Table
from docgen_plugin.prefixes import own_name
from docgen_plugin.readings import frequencies
from docgen_plugin.slots import printed
from docgen_plugin.table_names import TableName
from docgen_plugin.words import display_forms, family, name_words, plural, singular, table_words

__all__ = ["composed_grain"]

_MOST = 3  # columns that a sentence names

# columns about the record or its loading, not about the thing
_AUDIT = frozenset(
    "created updated modified deleted inserted loaded ingested extracted synced etl batch dbt fivetran airbyte row hash "
    "version source file timestamp creator modifier editor updater creation modification ingestion deletion update create "
    "insert record sync load audit history concurrency".split()
)
# heads that tell nothing beside a thing
_DULL = frozenset(
    "id key index idx sort sequence order line number unique flag flags enabled active value count operation "
    "current latest meta metadata data object uuid guid sk pk fk payload json partition".split()
)
_DULL_PAIRS = frozenset(
    {("sort", "order"), ("display", "order"), ("date", "time"), ("row", "number"), ("revision", "count")}
)
# ends that make no noun: "status updated by", "section with", "is paid"
_NO_EDGE = frozenset(
    "by at on to from with in of for is are was were has have had can may should does do did not no and or as than "
    "per if when the a an after before since until into off over under between within without n num".split()
)
_NO_MIDDLE = frozenset(
    "with is are was were has have had can and or not than if when by at on in for n the a an since".split()
)
# "external_id": which thing it identifies is not said
_ADJECTIVES = frozenset(
    "external internal local global public private unique foreign primary secondary alternate original remote readable "
    "legacy old new previous next last first short long natural surrogate composite duplicate distinct related linked "
    "native canonical global main default custom own other parent child root raw hashed encrypted".split()
)
_TIME = frozenset("date day week month quarter year hour minute time datetime start end begin".split())
_LASTING = frozenset("seconds minutes hours days weeks months years".split())
_MOMENTS = frozenset({("date",), ("year",), ("start", "date"), ("end", "date"), ("begin", "date")})
# what says little without the thing: "order date"
_BARE = frozenset({("date",), ("number",), ("year",), ("time",)})
# a second column of the same stem says the same: "ad group", "ad group name"
_SAME = frozenset("name id key code type description title number status".split())

_VERSIONED = re.compile(
    r"^(?:_?fivetran_(?:start|end|active)|dbt_(?:valid_from|valid_to|scd_id)|_?valid_(?:from|to|until)(?:_\w+)?|"
    r"(?:row_)?effective_(?:from|to)(?:_\w+)?|version(?:_(?:number|no|num|id))?|is_(?:current|most_recent_record|latest)|"
    r"(?:is_)?current(?:_record)?_(?:flag|ind)|(?:row_)?is_current|\w*history_(?:id|operation|created_at)|"
    r"revision(?:_(?:id|number))?|rev|revtype)$",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"^(?:new|old|previous|prior|from|to)_value$|^changed_(?:field|column|property)", re.IGNORECASE
)
# the column that says which span of time a row of statistics covers, finest first
_DATED = (
    ("hour", re.compile(r"^(?:date_?)?hour(?:_\w+)?$|^hourly_\w+$", re.IGNORECASE)),
    (
        "day",
        re.compile(
            r"^(?:date|day|date_?day|day_date|calendar_date|(?:report|activity|metric|metrics|stat|stats|statistic|usage|"
            r"performance|business|submission|event|summary|segments)_(?:date|day))$",
            re.IGNORECASE,
        ),
    ),
    ("week", re.compile(r"^(?:date_)?week(?:_(?:start|end|date|of))*$", re.IGNORECASE)),
    ("month", re.compile(r"^(?:date_|year_?|calendar_)?month(?:_(?:start|end|date))*$", re.IGNORECASE)),
    ("year", re.compile(r"^(?:calendar_|date_)?year$", re.IGNORECASE)),
)
_EACH = {
    "hour": "hourly",
    "day": "daily",
    "week": "weekly",
    "month": "monthly",
    "quarter": "quarterly",
    "year": "yearly",
}
# what a table of statistics holds, by the word that says so
_HOLDS = {
    "performance": "performance",
    "report": "performance",
    "rpt": "performance",
    "reporting": "performance",
    "metrics": "metrics",
    "kpi": "metrics",
    "kpis": "metrics",
    "summary": "summary",
    "rollup": "totals",
    "rollups": "totals",
    "totals": "totals",
    "insights": "metrics",
}
_MEASURED = frozenset(
    "amount average bounces budget click clicks conversion conversions cost count ctr cpc cpm deposits duration "
    "earnings engagement engagements errors fee fees followers hours impressions installs likes minutes number "
    "opens orders percent percentage price profit quantity rate ratio reach requests revenue sales score "
    "sessions shares spend sum total units usage users value views visits volume".split()
)
_PLURALS = frozenset("metrics summaries statistics reports totals rollups aggregates".split())
# what cannot be counted: "one row per daily spend" is no English
_UNCOUNTED = frozenset(
    "access accounting advertising analytics billing completeness compliance consumption content data "
    "eligibility energy equipment feedback health information inventory metadata performance revenue sales "
    "savings software spend spending statistics stock storage traffic usage utilization weather metering retention "
    "telemetry logistics".split()
)


def composed_grain(table: Table) -> str:
    """Return what one row of a table is, from its name and its first telling columns.

    >>> columns = (Column("id", "int", primary_key=True), Column("cust_id", "int"), Column("order_dt", "date"))
    >>> composed_grain(Table("orders", "orders", columns=columns))
    'One row per order, with its customer and order date.'
    >>> composed_grain(Table("h", "order_history", columns=(*columns, Column("valid_from", "timestamp"))))
    'One row per version of an order, with its customer and order date.'
    """
    named = table_words(table.name)
    thing = printed(named.thing)
    if named.shape == "history":
        return _history(table, named, thing)
    if named.shape == "statistics" and _is_statistics(table, named):
        return _statistics(table, named)
    if named.shape == "by":
        return _by(table, named)
    if named.shape == "snapshot" or table.kind == "snapshot":
        return _history(table, named, thing, "Snapshots")
    ends = _ends(table, named)
    if ends:
        one, other = map(printed, ends)
        return f"One row per link between {_article(one)} {one} and {_article(other)} {other}."
    if named.shape == "statistics":  # an expense report and the like
        named = TableName((*named.thing, *name_words(named.mark)))
        thing = printed(named.thing)
    if named.period and _keyed(table, named.thing):
        return f"One row per {thing} and {named.period}{_with(_telling(table, named), 'its')}."
    measures = (
        len(named.thing) == 2 and named.thing[0] in _EACH.values() and plural(named.thing[1]) in _PLURALS
    )
    if named.thing[-1] in _UNCOUNTED or named.period or measures:
        each = f"{_EACH[named.period]} " if named.period else ""
        told = _with(_telling(table, named), "")
        each = each if each or told else "records of "  # more than an echo of the name
        return _sentence(f"{each}{_many(named.thing)}{told}")
    return f"One row per {thing}{_with(_telling(table, named), 'its')}."


def _history(table: Table, named: TableName, thing: str, word: str = "History") -> str:
    columns = _telling(table, named)
    if any(_CHANGED.match(column.name) for column in table.columns):
        return f"One row per change of {_article(thing)} {thing}{_with(columns, 'its')}."
    if table.kind == "snapshot" or any(_VERSIONED.match(column.name) for column in table.columns):
        return f"One row per version of {_article(thing)} {thing}{_with(columns, 'its')}."
    if named.thing[-1] in _UNCOUNTED:
        return _sentence(f"{word} of {thing}{_with(columns, '')}")
    return _sentence(f"{word} of {_many(named.thing)}{_with(columns, 'their')}")


def _is_statistics(table: Table, named: TableName) -> bool:
    """Return whether a table named so holds measures: "report" and "summary" may stand for a document as well."""
    if named.mark not in ("report", "rpt", "summary"):
        return True
    return bool(named.period or _period(table)) or len(_measures(table, named)) > 1


def _statistics(table: Table, named: TableName) -> str:
    period = named.period or _period(table)
    told = _with(_measures(table, named), "")
    if named.mark in ("rollup", "rollups", "summary", "agg", "aggregate") and _keyed(table, named.thing):
        # one that names no period is about the thing as a whole
        each = f" and {period}" if period else ""
        return f"One row per {printed(named.thing)}{each}{told}."
    if named.mark in ("report", "rpt") and not period:
        return _sentence(f"report on {_many(named.thing)}{told}")
    holds = _HOLDS.get(named.mark, "statistics")
    each = f"{_EACH[period]} " if period else ""
    return _sentence(f"{each}{holds} of {_many(named.thing)}{told}")


def _by(table: Table, named: TableName) -> str:
    """Return what a table of a measure of each thing holds: sales by region, cost per query."""
    measure = printed(named.measure)
    if named.between == "per" and named.thing != named.measure and _keyed(table, named.thing):
        return f"One row per {printed(named.thing)}{_with(_telling(table, named), 'its')}."
    each = f"{_EACH[named.period]} " if named.period and named.thing != named.measure else ""
    if named.thing == (*named.measure[:-1], singular(named.measure[-1])):
        return _sentence(f"{measure} for each {named.period}")
    whole = named.between in named.thing
    rest = named.thing[named.thing.index(named.between) + 1 :] if whole else named.thing
    return _sentence(f"{each}{measure} for each {printed((*rest[:-1], singular(rest[-1])))}")


def _period(table: Table) -> str:
    """Return the span of time that a row covers by the table's columns, "" when none says."""
    return next(
        (period for period, pattern in _DATED if any(pattern.match(column.name) for column in table.columns)),
        "",
    )


def _keyed(table: Table, thing: tuple[str, ...]) -> bool:
    """Return whether a table has a column that says which thing a row is of."""
    return any(
        words == thing or (words[: len(thing)] == thing and words[len(thing) :] in _KEYS)
        for words in (name_words(column.name) for column in table.columns)
    )


_KEYS = frozenset((end,) for end in "id key name code number uuid guid hash sk text".split())


def _ends(table: Table, named: TableName) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the two things that a plain link table joins, None when it is another."""
    words = tuple(map(singular, named.thing))
    others = {name_words(own_name(table, column)) for column in table.columns}
    refs = {tuple(map(singular, name[:-1])) for name in others if name[-1:] in (("id",), ("key",), ("guid",))}
    for cut in range(1, len(words)):
        one, other = words[:cut], words[cut:]
        if one == other or one not in refs or other not in refs:
            continue
        own = ("id",) in others or (*words, "id") in others
        left = [
            name
            for name in others
            if name not in ((), ("id",))
            and tuple(map(singular, name[:-1])) not in (one, other, words)
            and not _is_audit(name)
        ]
        if own or len(left) < 2:
            return one, other
    return None


def _is_audit(words: tuple[str, ...]) -> bool:
    return not _AUDIT.isdisjoint(words)


def _telling(table: Table, named: TableName) -> list[str]:
    """Return the first columns of a table that tell something of what a row is, as nouns, at most three."""
    found: list[tuple[str, ...]] = []
    for column in table.columns:
        words = _noun(table, column, named)
        if not words or words in _own(table, named) or not _is_spoken(words):
            continue
        if named.period and set(words) <= _TIME:
            continue
        if any(_is_within(words, other) or _is_within(other, words) for other in found):
            continue
        if _repeats([*named.thing, "with", *(word for noun in (*found, words) for word in noun)]):
            continue  # "form submission item decision, with its form submission item"
        found.append(words)
        if len(found) == _MOST:
            break
    return [printed(words) for words in found]


def _own(table: Table, named: TableName) -> tuple[tuple[str, ...], ...]:
    """Return the names by which a table's columns may mean its own thing."""
    thing, first = named.thing, named.thing[:-1]
    # a pair's second half is told beside its first: the tag of a posting tag
    paired = any(name_words(column.name)[: len(first)] == first for column in table.columns)
    names = [thing, (*thing, *name_words(named.mark)), *(() if paired else (thing[-1:],))]
    return tuple(form for name in names for form in (name, (*name[:-1], plural(name[-1]))))


def _is_within(words: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return whether two columns may mean the same: "tag" and "tags", "code" and "legacy code", a thing and its name."""
    return set(_stem(words)) <= set(map(singular, other))


def _repeats(words: Sequence[str]) -> bool:
    """Return whether three words in a row come twice, or one word twice in a row."""
    threes = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(threes)) < len(threes) or any(one == two for one, two in pairwise(words))


def _noun(table: Table, column: Column, named: TableName) -> tuple[str, ...]:
    """Return a column's name as a noun that can follow "its", () when it is none or tells nothing."""
    words = name_words(own_name(table, column))
    if column.name.startswith("_") or _is_audit(words) or table.key_columns == (column.name,):
        return ()
    if family(column.type) in ("bool", "json", "array", "binary", "ts"):
        return ()
    rest = words[len(named.thing) :]
    if words[: len(named.thing)] == named.thing and rest and rest not in _BARE:
        words = rest
    if words in _DULL_PAIRS or (len(words) == 1 and words[0] in _DULL):
        return ()
    if words[-1:] in (("id",), ("key",)):
        words = words[:-1]
        if words[-1] in _ADJECTIVES:
            return ()
    if not 1 <= len(words) <= 4:
        return ()
    if not unit_words().isdisjoint(words) or words[-1] in _LASTING:
        return ()
    if words[0] in _NO_EDGE or words[-1] in _NO_EDGE or words[-1] in (*_ADJECTIVES, "total"):
        return ()
    if not _NO_MIDDLE.isdisjoint(words[1:-1]):
        return ()
    if words[0] in ("date", "dates") and len(words) > 1:
        return words if len(words) == 2 and is_participle(words[1]) else ()  # date received
    if is_participle(words[-1]) or (set(words) <= _TIME and words not in _MOMENTS):
        return ()
    return words


def _is_spoken(words: tuple[str, ...]) -> bool:
    """Return whether every word of a name is one that people say: no letters without a reading."""
    known = frequencies()
    said = [word in display_forms() or word in known or singular(word) in known for word in words]
    return (
        all(word.isalpha() and len(word) > 2 for word in words) and any(said) and sum(said) >= len(said) - 1
    )


def _stem(words: tuple[str, ...]) -> tuple[str, ...]:
    while len(words) > 1 and words[-1] in _SAME:
        words = words[:-1]
    return tuple(map(singular, words))


def _measures(table: Table, named: TableName) -> list[str]:
    """Return the first columns of a table of statistics that measure something, at most three."""
    found: list[str] = []
    for column in table.columns:
        words = _noun(table, column, named)
        kind = family(column.type)
        measured = kind in ("", "int", "num") and words and words[-1] in _MEASURED
        if measured and _is_spoken(words) and printed(words) not in found:
            found.append(printed(words))
    return found[:_MOST]


def _with(columns: Sequence[str], whose: str) -> str:
    """Return ", with its a, b and c", "" for less than two columns."""
    if len(columns) < 2:
        return ""
    return f", with {whose} {', '.join(columns[:-1])} and {columns[-1]}".replace("  ", " ")


def _many(thing: tuple[str, ...]) -> str:
    head = thing.index("of") if "of" in thing[1:] else 0
    if head:  # episodes of care
        return f"{_many(thing[:head])} {printed(thing[head:])}"
    return printed((*thing[:-1], thing[-1] if thing[-1] in _UNCOUNTED else plural(thing[-1])))


# an "a" before a vowel's letter, an "an" before a letter's name
_CONSONANT = re.compile(r"(?:uni|use|usa|util|us\b|euro|one\b|once)")


def _article(said: str) -> str:
    """Return the article that a thing takes.

    >>> [_article(said) for said in ("order", "user", "SMS", "URL", "page")]
    ['an', 'a', 'an', 'a', 'a']
    """
    first = said.split()[0]
    if first.isupper():
        return "an" if first[0] in "AEFHILMNORSX" else "a"
    return "an" if first[0] in "aeiou" and not _CONSONANT.match(first) else "a"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
