"""Training records: documented tables as JSON lines, plain or xz; the form in which all stages meet.

One table a line: {"source", "license", "table", "description"?, "columns": [{"name", "type"?, "description"?,
"pk"?, "fk"?: "table.column", "not_null"?, "unique"?, "enum"?: [..]}], "upstream"?: [..], "seed"?: {..}}.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, ForeignKey, Table
from docgen_training.seeds import Seed

__all__ = ["Record", "read_records", "write_records"]


@dataclass(frozen=True, slots=True)
class Record:
    """One documented table with where it came from and under which licence."""

    table: Table
    source: str
    license: str
    seed: Seed | None = None  # what a teacher's table was asked for


def _open(path: Path, mode: str) -> IO[str]:
    if path.suffix == ".xz":
        return cast(IO[str], lzma.open(path, mode + "t", encoding="utf-8"))
    return path.open(mode, encoding="utf-8")


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a file.

    Raises:
        DocgenError: naming file and line, for a line that is not JSON or lacks a field.
    """
    try:
        with _open(path, "r") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield _record(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError) as err:
                    raise DocgenError(f"{path}:{number}: not a training record: {_fault(err)}") from err
    except (OSError, lzma.LZMAError) as err:
        raise DocgenError(f"{path}: cannot be read: {err}") from err


def _fault(err: Exception) -> str:
    """Return what a line lacks in words; for other faults the error itself."""
    return f"it has no {err}" if isinstance(err, KeyError) else repr(err)


def _record(row: dict[str, Any]) -> Record:
    columns = tuple(_column(column) for column in row["columns"])
    table = Table(
        key=f"{row['source']}/{row['table']}",
        name=row["table"],
        description=row.get("description", ""),
        columns=columns,
        sql=row.get("sql") or "",
        upstream=tuple(row.get("upstream", ())),
    )
    seed = Seed(**row["seed"]) if row.get("seed") else None
    return Record(table, row["source"], row.get("license", ""), seed)


def _column(row: dict[str, Any]) -> Column:
    tests = row.get("tests") or ()
    foreign = row.get("fk") or ""
    target, _, column = foreign.rpartition(".") if "." in foreign else (foreign, "", "")
    return Column(
        name=row["name"],
        type=row.get("type") or "",
        description=row.get("description") or "",
        primary_key=bool(row.get("pk")),
        not_null=bool(row.get("not_null")) or "not_null" in tests,
        unique=bool(row.get("unique")) or "unique" in tests,
        foreign_key=ForeignKey(target.rpartition(".")[2], column) if target else None,
        values=tuple(str(value) for value in row.get("enum") or ()),
    )


def write_records(path: Path, records: Iterable[Record]) -> int:
    """Write records to a file, replacing it when complete; return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".part-{path.name}")
    count = 0
    with _open(part, "w") as lines:
        for record in records:
            lines.write(json.dumps(_row(record), ensure_ascii=False) + "\n")
            count += 1
    part.replace(path)
    return count


def _row(record: Record) -> dict[str, Any]:
    table = record.table
    row: dict[str, Any] = {"source": record.source, "license": record.license, "table": table.name}
    if table.description:
        row["description"] = table.description
    if table.upstream:
        row["upstream"] = list(table.upstream)
    row["columns"] = [_column_row(column) for column in table.columns]
    if record.seed:
        row["seed"] = asdict(record.seed)
    return row


def _column_row(column: Column) -> dict[str, Any]:
    key = column.foreign_key
    full = {
        "name": column.name,
        "type": column.type,
        "description": column.description,
        "pk": column.primary_key,
        "not_null": column.not_null,
        "unique": column.unique,
        "fk": f"{key.table}.{key.column}" if key else "",
        "enum": list(column.values),
    }
    return {name: value for name, value in full.items() if value or name == "name"}
