"""dbt as an operation finds it around itself: the project, the manifest in memory, node selection, the log."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docgen_dbt.project import Project, load_project
from docgen_plugin.config import Config, load_config
from docgen_plugin.console import visible
from docgen_plugin.errors import ConfigError, DocgenError, SourceError

__all__ = ["Inside", "chosen_ids", "enter", "one_line", "told"]


@dataclass(frozen=True, slots=True)
class Inside:
    """One running dbt: what its Jinja context leads to."""

    adapter: Any  # dbt.adapters.base.BaseAdapter
    graph: Any  # dbt.contracts.graph.manifest.Manifest
    runtime: Any  # dbt.config.RuntimeConfig
    project: Project
    config: Config  # docgen's own settings
    log: Callable[[str], None]

    @property
    def adapter_type(self) -> str:
        """Return dbt's name of the adapter: "postgres", "duckdb", ..."""
        return str(self.adapter.type())

    @property
    def ledger(self) -> str | Path:
        """Return where the project's ledger is."""
        return self.config.ledger or self.project.root / ".docgen" / "ledger.db"

    def manifest(self) -> dict[str, Any]:
        """Return the manifest as dbt would write it to its file now."""
        data = self.graph.writable_manifest().to_dict(omit_none=False)
        found: dict[str, Any] = json.loads(json.dumps(data, default=str))
        return found

    @contextmanager
    def connected(self, name: str) -> Iterator[None]:
        """Hold a connection for a block; what was done is committed and the connection released after it."""
        with self.adapter.connection_named(name):
            yield
            self.adapter.commit_if_has_connection()


def enter(context: Any, model: str = "") -> Inside:
    """Return the running dbt that a Jinja context belongs to.

    Raises:
        ConfigError: for a bad setting of docgen's.
        SourceError: when dbt_project.yml cannot be read, or dbt is in no state to run an operation.
    """
    adapter = getattr(context["adapter"], "_adapter", context["adapter"])
    graph, runtime = adapter.get_macro_resolver(), adapter.config
    if graph is None or not hasattr(graph, "writable_manifest"):
        raise SourceError("dbt has read no project here: call this from dbt run-operation or a hook")
    root = Path(str(runtime.project_root)).resolve()
    project = load_project(root)
    variables = {**project.variables, **(getattr(runtime, "cli_vars", None) or {})}
    target = root / str(runtime.project_target_path)
    log = context["log"]
    return Inside(
        adapter=adapter,
        graph=graph,
        runtime=runtime,
        project=dataclasses.replace(project, target=target, variables=variables),
        config=load_config(root, {"model": model} if model else None),
        log=lambda line: log(f"docgen: {visible(line)}", True),
    )


@contextmanager
def told() -> Iterator[None]:
    """Let our errors, and Ctrl-C, come out as dbt's: one line, and the exit code of a failed operation."""
    from dbt_common.exceptions import DbtBaseException, DbtRuntimeError

    try:
        yield
    except DbtBaseException:
        raise
    except DocgenError as err:
        raise DbtRuntimeError(f"docgen: {visible(str(err))}") from err
    except KeyboardInterrupt:
        raise DbtRuntimeError(
            "docgen: interrupted; what was suggested is kept: run it again to go on"
        ) from None


def one_line(error: BaseException) -> str:
    """Return what a dbt error says, its heading left out."""
    text = " ".join(str(getattr(error, "msg", "") or error).split())
    return (text[:200] + "...") if len(text) > 200 else text


def chosen_ids(
    inside: Inside, select: Sequence[str], exclude: Sequence[str], selector: str
) -> frozenset[str] | None:
    """Return the unique ids that dbt's node selection means, None where nothing was said and all are meant.

    Raises:
        ConfigError: when dbt does not understand it.
    """
    if not (select or exclude or selector):
        return None
    if selector and (select or exclude):
        raise ConfigError("selector stands alone: leave select and exclude out")
    from dbt.compilation import Linker
    from dbt.graph.cli import parse_difference
    from dbt.graph.graph import Graph
    from dbt.graph.selector import NodeSelector
    from dbt_common.exceptions import DbtBaseException

    linker = Linker()
    try:
        linker.link_graph(inside.graph)
        if selector:
            spec = inside.runtime.get_selector(selector)
        else:
            spec = parse_difference(list(select) or None, list(exclude) or None)
        found = NodeSelector(Graph(linker.graph), inside.graph).get_selected(spec)
    except DbtBaseException as err:
        shown = selector or " ".join([*select, *(f"-{one}" for one in exclude)])
        raise ConfigError(f"dbt cannot select {shown!r}: {one_line(err)}") from err
    return frozenset(found)
