"""Puts `modules.docgen` into dbt's Jinja, and our macros beside the project's own.

dbt has no supported way for either: `dbt.context.base.get_context_modules` is wrapped for the first, and for the second
`RuntimeConfig.load_projects`, which yields the packages of a project, and the adapters' list of packages whose macros
need no package name in front. Run with dbt-core 1.9 to 1.12. Nothing of docgen is imported before a macro calls it.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["OPERATIONS", "PACKAGE", "make_plugin"]

PACKAGE = "dbt_docgen"  # name of our macro package
_MODULE = "docgen"  # and of our part of Jinja's `modules`
OPERATIONS = ("apply", "document_models", "report", "status")
_FOLDER = Path(__file__).resolve().parent  # has a dbt_project.yml
_MARK = "_docgen_wrapped"
_HINT = "repair it with: pip install --force-reinstall 'docgen-plugin[dbt]'"

_log = logging.getLogger(__name__)


def make_plugin() -> type[Any]:
    """Return the class that dbt starts before it reads a project."""
    from dbt.plugins.manager import dbtPlugin

    class DocgenPlugin(dbtPlugin):
        """Starts docgen's part of dbt; never raises."""

        def initialize(self) -> None:
            """Wrap what has to be wrapped; each step that fails is left out."""
            for step in (_add_module, _add_package, _add_to_internal):
                try:
                    step()
                except Exception as err:  # noqa: BLE001 - no fault of ours may stop a dbt command
                    _log.debug("docgen: %s was left out: %s", step.__name__, err)

    return DocgenPlugin


def _wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Replace an attribute by what `make` makes of it, once in a process."""
    original = getattr(owner, name)
    if not getattr(original, _MARK, False):
        wrapped = functools.wraps(original)(make(original))
        setattr(wrapped, _MARK, True)
        setattr(owner, name, wrapped)


def _add_module() -> None:
    from dbt.context import base

    operations = {name: _operation(name) for name in OPERATIONS}
    _wrap(base, "get_context_modules", lambda original: lambda: {**original(), _MODULE: operations})


def _operation(name: str) -> Callable[..., str]:
    """Return what Jinja calls for an operation; it brings the context along, and docgen is imported only then."""
    from jinja2 import pass_context

    def called(context: Any, *positional: Any, **arguments: Any) -> str:
        try:
            from docgen_dbt import operation

            function = getattr(operation, name)
        except Exception as err:  # noqa: BLE001 - said in one line, whatever it is
            said = " ".join(str(err).split())
            problem = f"docgen: cannot be imported: {type(err).__name__}: {said}; {_HINT}"
        else:
            function(context, *positional, **arguments)
            return ""
        if name == "report":  # a hook of dbt run: its failure would be the run's
            context["log"](problem, True)
            return ""
        from dbt_common.exceptions import DbtRuntimeError

        raise DbtRuntimeError(problem)

    return pass_context(called)


def _add_package() -> None:
    from dbt.config.runtime import RuntimeConfig

    def make(original: Any) -> Any:
        def load_projects(self: Any, paths: Iterable[Path]) -> Iterator[tuple[str, Any]]:
            names = {self.project_name}
            for name, project in original(self, paths):
                names.add(name)
                yield name, project
            if PACKAGE in names:
                return  # the project's own, or one that packages.yml names
            try:
                project = self.new_project(str(_FOLDER))
            except Exception as err:  # noqa: BLE001 - no fault of ours may stop a dbt command
                _log.debug("docgen: its macros were left out: %s", err)
                return
            yield PACKAGE, project

        return load_projects

    _wrap(RuntimeConfig, "load_projects", make)


def _add_to_internal() -> None:
    """Let `{{ docgen_report() }}` be called without the package's name in front, as dbt's own macros are."""
    from dbt.adapters.factory import AdapterContainer

    def named(original: Any) -> Any:
        return lambda self, name: [*original(self, name), PACKAGE]

    def included(original: Any) -> Any:
        def get_include_paths(self: Any, name: str | None) -> list[Path]:
            # asks for the folder of every name above; ours comes by `load_projects`
            self.packages.setdefault(PACKAGE, _FOLDER)
            return [path for path in original(self, name) if path != _FOLDER]

        return get_include_paths

    _wrap(AdapterContainer, "get_include_paths", included)
    _wrap(AdapterContainer, "get_adapter_package_names", named)
