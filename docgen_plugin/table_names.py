"""What a table's name says beside the thing that it is about: layers of a warehouse, history, periods, statistics.

Works on the words of a name as they are spelled, lower case; `words` writes them out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["LAYERS", "TableName", "read_table_name"]

# marks of a layer or of a kind of model, however they are written in names
LAYERS = frozenset(
    "stg staging int intermediate base raw src source tbl table dim dimension fct fact mart rpt report vw view v "
    "dwh dw ods edw lnd landing tmp temp snapshot snap seed ref lkp lookup hist xref bridge brg agg mv obt "
    "t d f dbo mst master".split()
)
_LEADING = (LAYERS - frozenset("report view table lookup master bridge landing".split())) | frozenset(
    "fivetran airbyte sdc enriched enhanced deduped deduplicated unioned".split()
)
# words that are a mark of a layer unless they make a compound with what follows: base station, view count
_COMPOUNDS = {
    "base": "station salary price rate unit currency layer point pay rent fare case camp year url fee amount class "
    "object type model cost wage plan metal oil address period",
    "dimension": "value type member attribute",
    "fact": "check checker sheet finding",
    "raw": "material data",
    "seed": "lot packet variety type treatment bank company orchard",
    "snapshot": "policy schedule repository type retention",
    "source": "system type code file document status category account path table record data name of",
    "staging": "area environment",
    "temp": "reading sensor log worker agency employee staff assignment probe",
}
_COMPOUND_HEADS = {first: frozenset(heads.split()) for first, heads in _COMPOUNDS.items()}

# marks at the end of a name
_TRAILING = frozenset(
    "stg staging tbl dim dims fct fact vw mv dwh ods tmp snap lkp lookup xref brg obt mst mstr raw all final enhanced "
    "enriched cleaned cleansed deduped deduplicated unioned flattened denormalized normalized parsed overview overviews "
    "t d f v".split()
)
# marks behind a plural only: "orders_view" is a layer, "page_view", "lead_source" and "knowledge_base" are things
_TRAILING_PLURAL = frozenset(
    "view source base ref temp bridge seed mart int landing filtered joined combined merged clean latest current "
    "extended transformed pivoted stage prep".split()
)
# "..._table" and "..._master" that are things of their own
_TABLES = frozenset("route routing rate rating life league price pivot hash mortality tax lookup".split())
_MASTERS = frozenset("scrum web post station head harbor harbour quiz".split())
# "order_details" are the lines of an order, "customer_details" the customer
_ITEMIZED = frozenset(
    "order invoice sale sales purchase receipt bill journal shipment transaction payment quote payroll return".split()
)

_HISTORY = frozenset("history hist".split())
_SNAPSHOT = frozenset("snapshot snapshots snap".split())
_STATISTICS = frozenset(
    "stats stat statistics statistic performance reporting metrics kpis kpi insights summary rollup rollups agg "
    "aggregate aggregates aggregated aggregation totals report rpt".split()
)
# a report of these is a document: that there is one is the row
_DOCUMENTS = frozenset(
    "expense bug incident police accident inspection lab laboratory crime weather audit credit medical status damage "
    "test error crash progress annual financial trip service injury case claim invoice issue problem safety field "
    "work evaluation".split()
)
_PERIODS = {
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "annual": "year",
    "nightly": "day",
}
_SPANS = frozenset({*_PERIODS.values(), "minute", "second"})
# "daily active users" is a measure of its own
_MEASURES = frozenset("active recurring".split())
# what can be summed: "sales by region" has a row for a region, "jobs by project" need not
_SUMMED = frozenset(
    "sales revenue cost costs spend count counts total totals amount amounts number usage average avg rate rates hours "
    "consumption volume price time duration value profit".split()
)


@dataclass(frozen=True, slots=True)
class TableName:
    """A table's name, read: the words of the thing, and what one row says of it."""

    thing: tuple[str, ...]  # without the marks; the last word as it is spelled
    shape: str = ""  # history, snapshot, statistics, by (a measure of each thing) or ""
    mark: str = ""  # the word that says the shape: "performance", "stats"
    period: str = ""  # the span that a row covers: hour, day, week, month, quarter, year
    measure: tuple[str, ...] = ()  # what is measured by or per the thing: sales by region
    between: str = ""  # by or per


def read_table_name(words: Sequence[str]) -> TableName:
    """Return what the words of a table's name say, without its source's name.

    >>> read_table_name(["stg", "ad", "group", "daily", "report"])
    TableName(thing=('ad', 'group'), shape='statistics', mark='report', period='day', measure=(), between='')
    >>> read_table_name(["fct", "orders", "v", "2"]).thing, read_table_name(["base", "stations"]).thing
    (('orders',), ('base', 'stations'))
    """
    left = list(words)
    while len(left) > 1 and _is_leading(left):
        del left[0]
    shape = mark = period = ""
    if len(left) > 1 and left[0] in ("stats", "statistics"):
        shape, mark = "statistics", left.pop(0)
    while len(left) > 1:
        last, before = left[-1], left[-2]
        if len(left) == 2 and before in _PERIODS:  # "daily_metrics" of no thing
            break
        if last.isdigit() and (before in ("v", "version") or _is_year(last)):
            del left[-2 if before in ("v", "version") and len(left) > 2 else -1 :]
            continue
        found = _shape(last, before)
        if found:
            shape, mark = (shape, mark) if shape else (found, last)
        elif last in _PERIODS:
            period = period or _PERIODS[last]
        elif not _is_trailing(last, before, len(left)):
            break
        del left[-1]
    if shape == "statistics" and left[0] in _PERIODS and len(left) > 1 and left[1] not in _MEASURES:
        period = period or _PERIODS[left[0]]
        del left[0]
    return _measured(left, period) if not shape else TableName(tuple(left), shape, mark, period)


def _is_leading(words: Sequence[str]) -> bool:
    first, second = words[0], words[1]
    if first == "wh":  # a warehouse of goods elsewhere
        return words[-1] in ("dim", "dims", "fact", "facts", "fct")
    heads = _COMPOUND_HEADS.get(first, frozenset())
    return first in _LEADING and second not in heads and second.removesuffix("s") not in heads


def _is_trailing(last: str, before: str, words: int) -> bool:
    if last == "table":
        return before not in _TABLES
    if last == "master":
        return before not in _MASTERS
    if last == "details":  # a "visit detail" is a part of a visit
        return before.removesuffix("s") not in _ITEMIZED and before not in _ITEMIZED
    if last == "dimension":
        return words == 2  # "customer_dimension"; a "rubric dimension" of something is a thing
    return last in _TRAILING or (last in _TRAILING_PLURAL and _looks_plural(before))


def _shape(last: str, before: str) -> str:
    if last in ("report", "summary", "statistic", "stat") and before in _DOCUMENTS:
        return ""
    if last in _HISTORY:
        return "history"
    if last in _SNAPSHOT:
        return "snapshot"
    return "statistics" if last in _STATISTICS else ""


def _measured(words: list[str], period: str) -> TableName:
    """Return what is said by a name like "sales_by_region", "cost_per_query", "orders_by_month"."""
    plain = TableName(tuple(words), period=period)
    at = next((index for index, word in enumerate(words) if word in ("by", "per")), 0)
    if not 0 < at < len(words) - 1 or words[at - 1].endswith("ed"):
        return plain
    measure, thing, between = tuple(words[:at]), tuple(words[at + 1 :]), words[at]
    span = thing[0].removesuffix("s")
    if len(thing) == 1 and span in _SPANS:
        return TableName(measure, "by", period=span, measure=measure, between=between)
    summed = any(word in _SUMMED for word in measure)
    if not summed or len(thing) > 2 or {"and", "by", "per", "over"} & set(thing):
        return TableName(tuple(words), "by", period=period, measure=measure, between=between)
    return TableName(thing, "by", period=period, measure=measure, between=between)


def _is_year(word: str) -> bool:
    return len(word) == 4 and word[:2] in ("19", "20")


def _looks_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
