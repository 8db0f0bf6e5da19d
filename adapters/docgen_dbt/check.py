"""Compares a dbt project's files with those of the commits before: what is new or changed and not described.

A node is looked at when its own file or its entry is among the paths that are asked for. Where nothing stands before, every
place of such a node is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from difflib import get_close_matches

from docgen_dbt.downstream import passed_on
from docgen_dbt.entries import Entry, Said
from docgen_dbt.findings import Finding, fault_of, told
from docgen_dbt.project_files import Node, ProjectFiles
from docgen_dbt.select_list import Item, Output

__all__ = ["check_project"]

_Name = tuple[str, str, str]  # kind, source, name
_ALIKE = 0.5  # share of columns that two models must have in common for one to be the other renamed


def check_project(
    now: ProjectFiles, befores: Sequence[ProjectFiles], paths: Set[str], strict: bool = False
) -> list[Finding]:
    """Return what is to be mended in the nodes that these paths define or describe, in the order of the files.

    Args:
        befores: the project as it was, once for each parent of a merge; none means that everything is new.
        strict: let texts fail that say only the name or are a single word.
    """
    return sorted(set(_Check(now, befores, paths, strict).findings()))


class _Check:
    def __init__(
        self, now: ProjectFiles, befores: Sequence[ProjectFiles], paths: Set[str], strict: bool
    ) -> None:
        self._now, self._befores, self._paths, self._strict = now, befores, paths, strict
        self._nodes = _by_name(now)
        self._then = [_by_name(before) for before in befores]
        touched = [path for path in now.property_files() if path in paths]
        self._touched = now.entries(touched)
        self._gone_entries = [
            entry
            for before in befores
            for entry in before.entries(path for path in before.property_files() if path in paths)
        ]
        wanted = self._wanted()
        names = {name for _, _, name in wanted}
        self._said = now.described(names)
        self._said_then = [before.described(names) for before in befores]
        self._wanted_nodes = wanted

    def findings(self) -> Iterator[Finding]:
        """Yield everything, in no order."""
        yield from self._gone_nodes()
        for name, node in self._wanted_nodes.items():
            yield from self._node(name, node)
        yield from self._downstream()
        for path, reason in self._now.unread.items():
            line, column, message = reason.split(":", 2)
            if path in self._paths:
                yield Finding(path, int(line), int(column), message.strip(), "unread", fails=False)

    def _wanted(self) -> dict[_Name, Node]:
        found = {name: node for name, node in self._nodes.items() if node.path in self._paths}
        for entry in (*self._touched, *self._gone_entries):
            for stem in (entry.own.name, *entry.versions):
                name = (entry.kind, entry.source, stem)
                if name in self._nodes:
                    found[name] = self._nodes[name]
        for node in self._now.source_nodes(self._touched):
            found[node.kind, node.source, node.name] = node
        return found

    def _node(self, name: _Name, node: Node) -> Iterator[Finding]:
        entry = self._said.get(name)
        earlier = [said[name] for said in self._said_then if name in said]
        is_new = not earlier if node.kind == "source" else not any(name in then for then in self._then)
        own = entry.own.text if entry else ""
        if is_new or own not in {one.own.text for one in earlier} | (
            {""} if len(earlier) < len(self._then) else set()
        ):
            why = "is new and " if is_new and self._befores else "lost its text: it " if not is_new else ""
            place = self._place(node, None, entry.own if entry else None)
            fault = fault_of(node.name, "", "", own)
            if fault is not None:
                yield told(place, node.kind, node.name, "", fault, own, why, self._strict)
        yield from self._columns(name, node, entry, earlier, is_new)

    def _columns(
        self, name: _Name, node: Node, entry: Entry | None, earlier: list[Entry], is_new: bool
    ) -> Iterator[Finding]:
        output = self._now.output(node)
        said = entry.columns if entry else {}
        items = output.by_name
        if not output.complete:
            items = {
                **items,
                **{key: Item(one.name, one.type) for key, one in said.items() if key not in items},
            }
        outputs = [before.output(then[name]) for before, then in self._both(name)]
        fresh = {
            key: item.name
            for key, item in items.items()
            if is_new or self._is_new(key, node, output, outputs, earlier)
        }
        gone = dict(self._gone(node, entry, output, outputs, earlier, fresh))
        yield from gone
        for key, item in items.items():
            told_now = said.get(key)
            text = told_now.text if told_now else ""
            new = key in fresh
            texts = {one.columns[key].text if key in one.columns else "" for one in earlier} or {""}
            kind = (told_now.type if told_now else "") or item.type
            was = next((types for types in (_type(then, key) for then in outputs) if types), "")
            changed = bool(was and item.type and was != item.type)
            if not (new or changed or text not in texts):
                continue
            fault = fault_of(node.name, item.name, kind, text)
            place = self._place(node, item, told_now)
            if fault is None:
                if changed and text in texts and not new:
                    message = f"column {node.name}.{item.name}: its type changed from {was} to {item.type}; does its text still hold?"
                    yield Finding(*place, message, "type", node.name, item.name, False)
                continue
            if fault.kind == "missing" and (item.name in gone.values() or (not new and texts == {""})):
                continue  # its text stands under another name, or it is as undocumented as it was
            why = "is new and " if new and self._befores else "" if new else "lost its text: it "
            yield told(place, "column", node.name, item.name, fault, text, why, self._strict)

    def _both(self, name: _Name) -> Iterator[tuple[ProjectFiles, dict[_Name, Node]]]:
        for before, then in zip(self._befores, self._then, strict=True):
            if name in then:
                yield before, then

    def _is_new(
        self, key: str, node: Node, output: Output, outputs: list[Output], earlier: list[Entry]
    ) -> bool:
        """Return whether a column stands in no parent; where a parent's query hides columns it may have stood there."""
        if node.kind == "source":
            return not any(key in one.columns for one in earlier)
        known = any(key in then.by_name for then in outputs) or any(key in one.columns for one in earlier)
        hidden = output.complete and not all(then.complete for then in outputs)
        return not known and not hidden

    def _gone(
        self,
        node: Node,
        entry: Entry | None,
        output: Output,
        outputs: list[Output],
        earlier: list[Entry],
        fresh: Mapping[str, str],
    ) -> Iterator[tuple[Finding, str]]:
        """Yield the described columns that the query does not give, dropped or described now, with their likely new names."""
        if entry is None or not output.complete or node.kind == "source":
            return
        undescribed = [name for key, name in fresh.items() if key not in entry.columns]
        for key, said in entry.columns.items():
            if key in output.by_name or (node.kind == "snapshot" and key.startswith("dbt_")):
                continue
            dropped = any(key in then.by_name for then in outputs)
            described = not any(key in one.columns for one in earlier)
            if not (dropped or described):
                continue
            close = get_close_matches(said.name, undescribed, 1, 0.5) if dropped else []
            if dropped and not close and len(undescribed) == 1:
                close = undescribed[:]
            undescribed = [name for name in undescribed if name not in close]
            likely = f", likely renamed to {close[0]}: rename its entry" if close else ": take its entry out"
            message = (
                f"column {node.name}.{said.name} is described but {node.path} has no such column{likely}"
            )
            finding = Finding(entry.path, *said.named, message, "gone", node.name, said.name)
            yield finding, close[0] if close else ""

    def _gone_nodes(self) -> Iterator[Finding]:
        """Yield the entries of models, seeds and snapshots that have no file any more."""
        lost = {name for then in self._then for name, node in then.items() if name not in self._nodes}
        lost = {
            name
            for name in lost
            if any(then[name].path in self._paths for then in self._then if name in then)
        }
        for entry in self._touched if not self._befores else ():
            name = (entry.kind, entry.source, entry.own.name)
            here = name in self._nodes or entry.own.name in self._now.disabled
            if entry.kind != "source" and not entry.versions and not here:
                lost.add(name)
        if not lost:
            return
        said = self._now.described({name for _, _, name in lost})
        for name in sorted(lost & set(said)):
            entry = said[name]
            heir = self._heir(name)
            if heir:
                self._inherit(name, (name[0], name[1], heir), entry)
            likely = f", likely renamed to {heir}: rename its entry" if heir else ": take its entry out"
            message = f"{name[0]} {name[2]} is described but has no file{likely}"
            yield Finding(entry.path, *entry.own.named, message, "gone", name[2])

    def _inherit(self, lost: _Name, heir: _Name, entry: Entry) -> None:
        """Let a renamed node have what it had under its old name: only the entry has to be called anew."""
        self._said.setdefault(heir, entry)
        for then in self._then:
            if lost in then:
                then[heir] = then[lost]
        for said in self._said_then:
            if lost in said:
                said.setdefault(heir, said[lost])

    def _heir(self, lost: _Name) -> str:
        """Return the new node that a lost one became, by their columns, "" where none is alike."""
        fresh = [
            node
            for name, node in self._wanted_nodes.items()
            if name[0] == lost[0] and not any(name in then for then in self._then)
        ]
        for before, then in self._both(lost):
            had = set(before.output(then[lost]).by_name)
            for node in fresh:
                has = set(self._now.output(node).by_name)
                if had and len(had & has) >= _ALIKE * len(had | has):
                    return node.name
        return ""

    def _downstream(self) -> Iterator[Finding]:
        """Tell which described models of other files a column is new in: it stops nobody, the commit is not theirs."""
        touched = [node for node in self._wanted_nodes.values() if node.path in self._paths]
        found = list(passed_on(self._now, self._befores, touched))
        said = self._now.described({one.node.name for one in found}) if found else {}
        for node, item, above in ((one.node, one.item, one.above) for one in found):
            entry = said.get((node.kind, node.source, node.name))
            if entry is None or not entry.columns or item.name.lower() in entry.columns:
                continue
            message = f"column {node.name}.{item.name} is new here, `select *` brings it from {above}, and has no description"
            place = (node.path, *self._now.place(node, item))
            yield Finding(*place, message, "downstream", node.name, item.name, self._strict)

    def _place(self, node: Node, item: Item | None, said: Said | None) -> tuple[str, int, int]:
        """Return where to look: the text, else the column in the query, else the entry."""
        entry = self._said.get((node.kind, node.source, node.name))
        if entry is not None and said is not None and (said.text or node.kind == "source"):
            return entry.path, said.line, said.column
        if item is not None:
            return (node.path, *self._now.place(node, item))
        return node.path, 1, 1


def _type(output: Output, key: str) -> str:
    item = output.by_name.get(key)
    return item.type if item else ""


def _by_name(files: ProjectFiles) -> dict[_Name, Node]:
    return {(node.kind, node.source, node.name): node for node in files.nodes.values()}
