"""Identifiers as words: split, expanded, singular; and SQL types as families. Facts in lexicon/."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from importlib.resources import files

from docgen_plugin.readings import frequencies, read_shortening, segments, spoken
from docgen_plugin.table_names import LAYERS, TableName, read_table_name

__all__ = [
    "FAMILIES",
    "abbreviations",
    "display_forms",
    "entity_words",
    "expand",
    "family",
    "is_initials",
    "is_shortening",
    "name_words",
    "plural",
    "singular",
    "split_identifier",
    "table_words",
    "tell_abbreviations",
    "vocabulary",
]

FAMILIES = ("text", "int", "num", "bool", "date", "time", "ts", "json", "array", "binary", "uuid", "geo")

# in the dictionary's names only as variants of the full word
_READ_ANYWAY = frozenset("dt nbr cd qty amt desc num ind".split())

_ORDINALS = frozenset("st nd rd th".split())

# any name may have one of these: they tell what a shortening means only right beside it
_ROLES = frozenset("id cd no nbr num nm name dt date typ type key code ts tm ind flg flag".split())

# so few letters stand for too many words: without a word beside them that tells which, they stay as they are
_SHORT = 3
_INITIALS = 4
_VOWEL = re.compile(r"[aeiouy]")

# "length_min" is in minutes, "min_length" is the least
_LASTING = frozenset(
    "length duration runtime time delay elapsed lasted wait lag uptime downtime timeout".split()
)

# what a system puts behind a name, not a word of it: Salesforce's custom fields and objects, their relations and
# parts (developer.salesforce.com, "Custom Objects"); Stitch's columns of several types (help.qlik.com, "Understanding
# Data Typing", Columns with mixed data types)
_SUFFIX = re.compile(r"(?<=[^\W_])__(?:c|pc|r|s|bo|de|fl|it|st)$", re.IGNORECASE)
# one word with a digit in it; "base 64 URL" would be some base amount
_UNCUT = frozenset("base32 base58 base64".split())
_CHUNK = re.compile(r"[^\W_]+")
_PLURAL_ACRONYM = re.compile(r"[A-Z]{2,}s(?![a-z])")

# order matters: the first pattern found in the lower-case type wins
_TYPE_PATTERNS = (
    (r"\[\]|^array|^list\b|^_\w|^repeated", "array"),
    (r"interval|duration", "num"),
    (r"uuid|guid|uniqueidentifier", "uuid"),
    (r"json|variant|object|struct|record|map|hstore|xml|super\b", "json"),
    (r"geo|^point|polygon|linestring|spatial", "geo"),
    (r"timestamp|datetime|timestamptz|timestamp_", "ts"),
    (r"^date", "date"),
    (r"^time", "time"),
    (r"bool|^bit$|^bit\(1\)|^tinyint\(1\)", "bool"),
    (r"binary|blob|bytea|bytes|image|raw", "binary"),
    (r"char|text|string|enum|clob|name|citext|inet|cidr|macaddr|^set\b|url|uri|email", "text"),
    (r"^number\(\d+(,\s*0)?\)|^decimal\(\d+(,\s*0)?\)$|^numeric\(\d+(,\s*0)?\)$", "int"),
    (r"int|serial|long|short|year|oid", "int"),
    (r"num|dec|double|float|real|money|currency|percent|fixed", "num"),
)
_TYPES = tuple((re.compile(pattern), family) for pattern, family in _TYPE_PATTERNS)


def split_identifier(name: str) -> list[str]:
    """Return the lower-case words of an identifier in any naming style.

    >>> split_identifier("CustAcctNbr"), split_identifier("CUST-ACCT-NBR"), split_identifier("addr1")
    (['cust', 'acct', 'nbr'], ['cust', 'acct', 'nbr'], ['addr', '1'])
    >>> split_identifier("userIDs"), split_identifier("HTTPStatusCode")
    (['user', 'ids'], ['http', 'status', 'code'])
    >>> split_identifier("Renewal_Date__c")
    ['renewal', 'date']
    """
    return list(_split(name))


@lru_cache(maxsize=100_000)
def _split(name: str) -> tuple[str, ...]:
    own = _SUFFIX.sub("", name)
    return tuple(word.lower() for chunk in _CHUNK.findall(own) for word in _cut(chunk))


def _cut(chunk: str) -> Iterator[str]:
    """Yield the words of a run of letters and digits: cut at digits, at humps and before an acronym's last letter."""
    if chunk.lower() in _UNCUT:
        yield chunk
        return
    start = 0
    for index in range(1, len(chunk)):
        before, here, after = chunk[index - 1], chunk[index], chunk[index + 1 : index + 2]
        digit = before.isdigit() != here.isdigit()
        hump = before.islower() and here.isupper()
        acronym = before.isupper() and here.isupper() and after.islower()
        if acronym and _PLURAL_ACRONYM.fullmatch(chunk, start):  # IDs, URLs
            acronym = False
        if digit or hump or acronym:
            yield chunk[start:index]
            start = index
    yield chunk[start:]


@cache
def family(sql_type: str) -> str:
    """Return the type family of an SQL type, "" when the type is empty or unknown; source: FAMILIES.

    >>> family("character varying(40)"), family("NUMBER(38,0)"), family("timestamp with time zone")
    ('text', 'int', 'ts')
    >>> family("bigint"), family("double precision"), family("")
    ('int', 'num', '')
    """
    lowered = sql_type.strip().lower()
    if not lowered:
        return ""
    for pattern, name in _TYPES:
        if pattern.search(lowered):
            return name
    return ""


@cache
def _read(name: str) -> tuple[tuple[str, ...], ...]:
    text = files("docgen_plugin").joinpath("lexicon", name).read_text(encoding="utf-8")
    return tuple(tuple(line.split("\t")) for line in text.splitlines() if line and not line.startswith("#"))


@cache
def abbreviations() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return abbreviation -> ((expansion, certainty), ...), the most frequent meaning first.

    Certainty is `sure` or `usual` (expanded before the model sees the name), `context` (left to the
    model) or `keep` (an acronym that is written as it is).
    """
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for short, long, certainty in _read("abbreviations.tsv"):
        found[short] = (*found.get(short, ()), (long, certainty))
    return found


@cache
def display_forms() -> dict[str, str]:
    """Return word -> how it is printed in a sentence, for acronyms: {"id": "ID", "url": "URL", ...}."""
    return {row[0].lower(): row[0] for row in _read("acronyms.tsv")}


@cache
def _expansions() -> dict[str, tuple[str, ...]]:
    return {
        short: tuple(meanings[0][0].lower().split())
        for short, meanings in abbreviations().items()
        if meanings[0][1] in ("sure", "usual")
    }


@cache
def vocabulary() -> frozenset[str]:
    """Return the words that names of the dictionary are made of: what a reading of an abbreviation may lead to."""
    folder = files("docgen_plugin").joinpath("lexicon")
    names: list[str] = []
    for row in map(json.loads, folder.joinpath("concepts.jsonl").read_text("utf-8").splitlines()):
        names += row["names"]
    for row in map(json.loads, folder.joinpath("entities.jsonl").read_text("utf-8").splitlines()):
        names += [row["entity"], *(column[0] for column in row["columns"])]
    return frozenset(word for name in names for word in name.split())


# "otherwise", and words that stand beside anything: "net_charge_in_cents" is no network
_NO_SUPPORT = frozenset({"*", "in", "of", "on", "or", "a"})


@cache
def _readings() -> dict[str, tuple[tuple[frozenset[str], tuple[str, ...]], ...]]:
    """Return shortening -> (words beside it, meaning); no words beside it is the meaning that holds otherwise."""
    found: dict[str, list[tuple[frozenset[str], tuple[str, ...]]]] = {}
    for short, near, long in _read("readings.tsv"):
        found.setdefault(short, []).append((frozenset(near.split()) - _NO_SUPPORT, tuple(long.split())))
    return {short: tuple(sorted(lines, key=lambda line: not line[0])) for short, lines in found.items()}


def _beside(words: list[str], index: int) -> tuple[str, ...]:
    """Return what a shortening means beside the other words of its name, () where no line says."""
    word = words[index]
    lines = () if word in LAYERS else _readings().get(word, ())
    if not lines:
        return ()
    next_to = {*words[max(index - 1, 0) : index], *words[index + 1 : index + 2]}
    beside = {other for other in words if other not in _ROLES} | next_to
    return next((long for near, long in lines if not near or not near.isdisjoint(beside - {word})), ())


_told: dict[str, tuple[str, ...]] = {}  # the team's own abbreviations, for this process: `tell_abbreviations`


def tell_abbreviations(told: Mapping[str, str]) -> None:
    """Read names by a team's own abbreviations from here on, lower case -> meaning; they win over all lists."""
    meanings = {short: tuple(long.split()) for short, long in told.items()}
    if meanings != _told:
        _told.clear()
        _told.update(meanings)
        name_words.cache_clear()
        table_words.cache_clear()


def is_shortening(word: str) -> bool:
    """Return whether a word of a name is a listed shortening, lower case."""
    return word in _told or word in abbreviations() or word in _readings()


@lru_cache(maxsize=20_000)
def is_initials(word: str) -> bool:
    """Return whether a word is two to four letters that no list knows and that nobody can say: initials.

    >>> [is_initials(word) for word in ("kqz", "id", "map", "stg", "sprkl")]
    [True, False, False, False, False]
    """
    if not 2 <= len(word) <= _INITIALS or not word.isascii() or not word.isalpha() or _VOWEL.search(word):
        return False
    return not (word in LAYERS or word in frequencies() or word in vocabulary() or word in spoken())


@lru_cache(maxsize=50_000)
def _read_letters(word: str) -> tuple[str, ...]:
    """Return what a word that no list knows stands for by its letters: a shortening, several run together, itself."""
    long = read_shortening(word)
    if long:
        return (long,)
    parts = segments(word, abbreviations())
    return tuple(expand(list(parts))) if parts else (word,)


@cache
def _reading(word: str) -> tuple[str, ...]:
    """Return an abbreviation's most frequent meaning if the dictionary knows that word, () for no abbreviation.

    Up to three letters with several meanings are read only by the words beside them.
    """
    meanings = abbreviations().get(word, ())
    if word in LAYERS or (word in vocabulary() and word not in _READ_ANYWAY):
        return (word,)
    if not meanings:
        return ()
    if len(word) <= _SHORT and word not in _READ_ANYWAY and (len(meanings) > 1 or len(word) < _SHORT):
        return (word,)
    long, certainty = meanings[0]
    # a longer meaning (arr: annual recurring revenue) is too much to read into a word that may mean another
    return (long.lower(),) if certainty == "context" and long.lower() in vocabulary() else (word,)


def expand(words: list[str]) -> list[str]:
    """Return the words with every abbreviation written out that has one meaning, or one that fits the dictionary.

    >>> expand(["cust", "acct", "nbr"]), expand(["hire", "dt"])
    (['customer', 'account', 'number'], ['hire', 'date'])
    """
    expansions = _expansions()
    written: list[str] = []
    for index, word in enumerate(words):
        parts = (
            _told.get(word)
            or _beside(words, index)
            or expansions.get(word)
            or _reading(word)
            or _read_letters(word)
        )
        if word in _ORDINALS and index and words[index - 1].isdigit():
            written[-1] += word  # 1st, not 1 state
            continue
        if word in _told:
            pass
        elif word == "no":
            # "order_no" is a number, "no_show" is not
            parts = ("number",) if index and index == len(words) - 1 else ("no",)
        elif word == "min" and index and words[index - 1] in _LASTING:
            parts = ("minutes",)
        elif word == "sec" and index and words[index - 1].isdigit():
            parts = ("seconds",)
        for part in parts:
            # `amt_amount`, `dob_date`: the expansion must not say a word twice
            if not written or written[-1] != part or part.isdigit():
                written.append(part)
    return written


@cache
def name_words(name: str) -> tuple[str, ...]:
    """Return an identifier as the words a person would read: split, then expanded.

    >>> name_words("CustAcctNbr")
    ('customer', 'account', 'number')
    """
    return tuple(expand(split_identifier(name)))


@lru_cache(maxsize=10_000)
def table_words(table_name: str) -> TableName:
    """Return what a table's name says, its layer and source left out and the thing written out; see `table_names`.

    >>> table_words("stg_shop__cust_order_history").thing, table_words("stg_shop__cust_order_history").shape
    (('customer', 'order'), 'history')
    """
    parts = [split_identifier(part) for part in _SUFFIX.sub("", table_name).strip("_").split("__")]
    words = parts[-1]
    mark = len(words) == 1 or words[:1] in (["v"], ["version"])
    if len(parts) > 1 and mark and read_table_name(["x", *words]).thing == ("x",):
        words = [*parts[-2], *words]  # orders__v2, orders__daily
    named = read_table_name(words)
    thing = expand(list(named.thing)) or ["record"]
    measure = tuple(expand(list(named.measure)))
    return replace(named, thing=(*thing[:-1], singular(thing[-1])), measure=measure)


def entity_words(table_name: str) -> tuple[str, ...]:
    """Return the words for what a table is about: no layer prefix or source name, last word singular.

    A table of versions or statistics is about the thing that they are of.

    >>> entity_words("stg_shopify__order_lines"), entity_words("DimCustomer"), entity_words("fct_orders")
    (('order', 'line'), ('customer',), ('order',))
    >>> entity_words("order_line_history"), entity_words("ad_daily_stats"), entity_words("cost_per_query")
    (('order', 'line'), ('ad',), ('query',))
    """
    return table_words(table_name).thing


_IRREGULAR = {
    "people": "person",
    "children": "child",
    "men": "man",
    "women": "woman",
    "indices": "index",
    "vertices": "vertex",
    "matrices": "matrix",
    "criteria": "criterion",
    "analyses": "analysis",
    "diagnoses": "diagnosis",
    "bases": "base",
    "feet": "foot",
    "leaves": "leaf",
    "shelves": "shelf",
    "lives": "life",
    "buses": "bus",
    "caches": "cache",
    "statuses": "status",
    "bonuses": "bonus",
    "lenses": "lens",
    "viruses": "virus",
    "campuses": "campus",
    "movies": "movie",
    "cookies": "cookie",
}
_PLURALS = {one: many for many, one in _IRREGULAR.items()}
_INVARIANT = frozenset(
    "series species news status address analysis basis bonus business access process progress class pass "
    "canvas gas bus lens data metadata media sms gps dns aws sales savings statistics analytics goods details "
    "logistics premises headquarters telemetry inventory equipment information content traffic stock staff "
    "revenue spend usage diagnosis focus radius census virus campus corpus loss less excess success".split()
)


def singular(word: str) -> str:
    """Return the singular of an English noun, lower case, by rule and a list of exceptions.

    >>> [singular(word) for word in ("orders", "addresses", "categories", "status", "boxes", "people")]
    ['order', 'address', 'category', 'status', 'box', 'person']
    >>> singular("urls"), singular("hgvs")
    ('url', 'hgvs')
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _INVARIANT or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if not _VOWEL.search(word) and word[:-1] not in display_forms():
        return word  # initials
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    return word[:-1]


def plural(word: str) -> str:
    """Return the plural of an English noun, lower case; a word that looks plural stays.

    >>> [plural(word) for word in ("order", "address", "category", "day", "orders", "person")]
    ['orders', 'addresses', 'categories', 'days', 'orders', 'people']
    """
    if word in _PLURALS:
        return _PLURALS[word]
    if word in _IRREGULAR or (word.endswith("s") and singular(word) != word):
        return word
    if word in ("status", "address", "process", "bonus", "business", "class", "bus", "lens", "loss", "pass"):
        return word + "es"
    if word in ("analysis", "diagnosis", "basis"):
        return word[:-2] + "es"
    if word in _INVARIANT:
        return word
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
