"""Fills in the Jinja of a model's SQL without dbt or a database: enough to read its columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.sandbox

__all__ = ["UNKNOWN", "Renderer", "fill_plain"]

# What stands for a value that only dbt or the database knows: SQL that parses, found again by its name.
UNKNOWN = "jinja_value_"
_OURS = {"ref", "source", "config", "var", "is_incremental"}  # macros of these names cannot run without dbt
_LIMIT_CALLS = 20_000  # macro calls in one model; more is a loop
_COMMENT = re.compile(r"\{#.*?#\}", re.S)
_NAMES = r"""\s*['"]([^'"{}]+)['"]\s*(?:,\s*['"]([^'"{}]+)['"]\s*)?"""
_PLAIN = re.compile(  # Jinja that needs no Jinja: ref, source and config by themselves
    rf"\{{\{{-?\s*(?:(ref|source)\({_NAMES}\)|config\((?:[^{{}}]|\{{[^{{}}]*\}})*\))\s*-?\}}\}}"
)


class _Unknown(jinja2.ChainableUndefined):
    """A value we do not have: every use of it gives another one, and printed it is UNKNOWN().

    `taken` counts how often one was looped over or decided something: there the text may lack what dbt would put in.
    """

    __slots__ = ()
    taken: ClassVar[int] = 0

    def __call__(self, *args: Any, **kwargs: Any) -> _Unknown:  # type: ignore[override]
        return _Unknown()

    def __str__(self) -> str:
        return f"{UNKNOWN}()"

    def __iter__(self) -> Iterator[Any]:
        _Unknown.taken += 1
        return iter(())

    def __bool__(self) -> bool:
        _Unknown.taken += 1
        return False


_NOTHING = _Unknown()


class _Return(Exception):
    """Carries the value of dbt's `return()` out of a macro."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _IgnoredBlocks(jinja2.ext.Extension):
    """Reads dbt's own block tags (snapshot, test, docs, materialization) and drops the tags themselves."""

    tags = {"snapshot", "test", "data_test", "materialization", "docs"}

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        """Return what stands inside the block, whatever follows the tag's name."""
        token = next(parser.stream)
        while parser.stream.current.type != "block_end":
            next(parser.stream)
        ends = tuple(f"name:end{tag}" for tag in {token.value, str(token.value).replace("data_", "")})
        return list(parser.parse_statements(ends, drop_needle=True))


def fill_plain(raw: str, table_of: Callable[[str, str, str | None], str]) -> str | None:
    """Return SQL whose Jinja is ref, source and config by themselves filled in, None where there is more to it.

    That is most models, and takes a fiftieth of the time that compiling a template does.

    Args:
        raw: as it stands in the file.
        table_of: gives the table for "ref" or "source", the first name and the second, None where one stands alone.

    >>> fill_plain("select 1 from {{ ref('a') }} {# b #}", lambda function, first, second: first)
    'select 1 from a '
    >>> fill_plain("select {{ var('x') }}", lambda function, first, second: first)
    """
    text = _PLAIN.sub(
        lambda found: table_of(found[1], found[2], found[3]) if found[1] else "", _COMMENT.sub("", raw)
    )
    return None if "{{" in text or "{%" in text or "{#" in text else text


class Renderer:
    """Renders raw SQL of one manifest; macros come from the manifest and run in Jinja's sandbox."""

    def __init__(
        self, manifest: Mapping[str, Any], table_of: Callable[[str], str], variables: Mapping[str, Any]
    ) -> None:
        """Take the manifest, what gives a node's name in SQL for its unique id, and the project's `vars`."""
        self._manifest, self._variables = manifest, variables
        self._table_of = table_of
        metadata = manifest.get("metadata") or {}
        self._project = str(metadata.get("project_name") or "")
        self._adapter = str(metadata.get("adapter_type") or "")
        self._macros: dict[tuple[str, str], Mapping[str, Any]] = {}
        for macro in (manifest.get("macros") or {}).values():
            self._macros[macro["package_name"], macro["name"]] = macro
        self._packages = {package for package, _ in self._macros}
        self._compiled: dict[tuple[str, str], Callable[..., Any]] = {}
        self._macros_for: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._calls = 0
        self.guessed = False  # whether the text rendered last may lack parts that an unknown value decides on
        self._environment = jinja2.sandbox.SandboxedEnvironment(
            undefined=_Unknown, extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols", _IgnoredBlocks]
        )
        self._environment.filters.update(
            as_bool=lambda value: value, as_native=lambda value: value, as_number=lambda value: value,
            as_text=lambda value: value,
        )  # fmt: skip
        self._names = self._index()

    def render(self, node: Mapping[str, Any]) -> str | None:
        """Return a node's SQL with its Jinja filled in, or None when that cannot be done here."""
        self._calls = 0
        self.guessed = False
        raw = str(node.get("raw_code") or "")
        plain = fill_plain(raw, self._plain_table)
        if plain is not None:
            return plain
        taken = _Unknown.taken
        context = self._context(node)
        try:
            text = self._environment.from_string(raw, context).render()
            self.guessed = _Unknown.taken > taken
            return text
        except _Return as stopped:
            return str(stopped.value)
        except (jinja2.TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            return None  # a macro that needs what only dbt has; the caller goes on without this model
        except (RecursionError, OverflowError, MemoryError):
            return None

    def _index(self) -> dict[tuple[str, ...], str]:
        """Return unique ids by ("ref", package, name, version) and ("source", source, table)."""
        names: dict[tuple[str, ...], str] = {}
        nodes = self._manifest.get("nodes") or {}
        for key, node in nodes.items():
            if node.get("resource_type") not in ("model", "seed", "snapshot"):
                continue
            version = node.get("version")
            latest = version is None or str(version) == str(node.get("latest_version"))
            for package in ("", node["package_name"]):
                if version is not None:
                    names["ref", package, node["name"], str(version)] = key
                if latest and (package or ("ref", "", node["name"], "") not in names or self._own(node)):
                    names["ref", package, node["name"], ""] = key
        for key, node in (self._manifest.get("sources") or {}).items():
            names["source", node["source_name"], node["name"]] = key
        return names

    def _own(self, node: Mapping[str, Any]) -> bool:
        return bool(node["package_name"] == self._project)

    def _context(self, node: Mapping[str, Any]) -> dict[str, Any]:
        package = str(node.get("package_name") or "")
        config = dict(node.get("config") or {})
        context: dict[str, Any] = {
            "ref": self._ref,
            "source": lambda source, table: self._table(("source", source, table)),
            "this": self._table_of(str(node.get("unique_id"))),
            "config": _ConfigCall(config),
            "var": lambda name, default=_NOTHING: self._variable(package, name, default),
            "target": {"type": self._adapter, "schema": node.get("schema"), "database": node.get("database")},
            "env_var": lambda name, default=_NOTHING: default,
            "is_incremental": lambda: False,
            "should_full_refresh": lambda: True,
            "execute": False,
            "return": _return,
            "log": lambda *args, **kwargs: "",
            "print": lambda *args, **kwargs: "",
            "flags": {"FULL_REFRESH": True, "WHICH": "parse"},
            "model": dict(node),
            "zip": lambda *args: list(zip(*args, strict=False)),
            "set": lambda value: list(dict.fromkeys(value)),
            "tojson": lambda value, *args, **kwargs: str(value),
            "adapter": _Adapter(self, package),
        }
        macros = self._macros_for.get(package)
        if macros is None:
            macros = self._macros_for[package] = self._visible_macros(package)
        own, inherited = macros
        context = {**inherited, **context, **own}
        context["context"] = context
        return context

    def _variable(self, package: str, name: str, default: Any) -> Any:
        scoped = self._variables.get(package)
        if isinstance(scoped, Mapping) and name in scoped:
            return scoped[name]
        value = self._variables.get(name, default)
        return default if isinstance(value, Mapping) and name in self._packages else value

    def _visible_macros(self, package: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what goes over dbt's own names in a package's SQL (users' macros), and what under them."""
        own: dict[str, Any] = {}
        inherited: dict[str, Any] = {}
        for owner, name in self._macros:
            if owner in (self._project, package) and name not in _OURS:
                own[name] = self.find(name, package) or _NOTHING
            elif owner in ("dbt", f"dbt_{self._adapter}"):
                inherited[name] = self.find(name, package) or _NOTHING
        for name in self._packages:
            inherited[name] = _Package(self, name)
        return own, inherited

    def _ref(self, *args: str, **kwargs: Any) -> str:
        version = kwargs.get("v", kwargs.get("version"))
        package, name = ("", args[0]) if len(args) == 1 else (args[0], args[1])
        return self._table(("ref", package, name, "" if version is None else str(version)))

    def _plain_table(self, function: str, first: str, second: str | None) -> str:
        if function == "ref":
            return self._ref(first) if second is None else self._ref(first, second)
        return self._table((function, first, second or ""))

    def _table(self, name: tuple[str, ...]) -> str:
        key = self._names.get(name)
        return self._table_of(key) if key else f"{UNKNOWN}()"

    def find(self, name: str, package: str = "") -> Callable[..., Any] | None:
        """Return the macro that dbt would call for a name, or None; the root project's own wins."""
        order = dict.fromkeys((package, self._project, f"dbt_{self._adapter}", "dbt"))
        for owner in order:
            if (owner, name) in self._macros:
                return self.macro(owner, name)
        return None

    def dispatch(self, name: str, package: str) -> Callable[..., Any]:
        """Return the implementation of a dispatched macro for this adapter."""
        for prefix in (self._adapter, "default"):
            for owner in dict.fromkeys((self._project, package, f"dbt_{self._adapter}", "dbt")):
                if (owner, f"{prefix}__{name}") in self._macros:
                    return self.macro(owner, f"{prefix}__{name}")
        return _Unknown()

    def macro(self, package: str, name: str) -> Callable[..., Any]:
        """Return one macro as something Jinja can call."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self._calls += 1
            if self._calls > _LIMIT_CALLS:
                raise OverflowError(name)
            found = self._compiled.get((package, name))
            if found is None:
                macro = self._macros[package, name]
                text = str(macro["macro_sql"])
                owner = {"package_name": package, "unique_id": "", "config": {}}
                module = self._environment.from_string(text, self._context(owner)).module
                found = self._compiled[package, name] = getattr(module, name)
            try:
                return found(*args, **kwargs)
            except _Return as stopped:
                return stopped.value

        return call


class _ConfigCall:
    """`config(...)` prints nothing; `config.get(...)` gives the node's own configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        return ""

    def get(self, name: str, default: Any = None, **kwargs: Any) -> Any:
        """Return one setting of the node."""
        value = self._config.get(name)
        return default if value is None else value

    require = get


class _Package:
    """`dbt_utils.star`: the macros of one package by name."""

    def __init__(self, renderer: Renderer, name: str) -> None:
        self._renderer, self._name = renderer, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or (self._name, name) not in self._renderer._macros:
            raise AttributeError(name)
        return self._renderer.macro(self._name, name)


class _Adapter:
    """`adapter.dispatch(...)`; everything else would ask the database."""

    def __init__(self, renderer: Renderer, package: str) -> None:
        self._renderer, self._package = renderer, package

    def dispatch(self, name: str, macro_namespace: str | None = None, **kwargs: Any) -> Any:
        """Return the adapter's macro for a name."""
        return self._renderer.dispatch(name, macro_namespace or self._package)

    def quote(self, name: str) -> str:
        """Return a name in double quotes."""
        return f'"{name}"'


def _return(value: Any = "") -> Any:
    raise _Return(value)
