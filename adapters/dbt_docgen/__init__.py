"""What dbt finds by its name, as it imports every module named dbt_*: docgen's operations for `dbt run-operation`.

dbt does so in nearly every command, and an error here would break all of them. So whatever fails is left out.
"""

from __future__ import annotations

from typing import Any

__all__ = ["plugins"]

plugins: list[Any] = []  # the name that dbt asks for

try:
    from dbt_docgen.shim import make_plugin

    plugins.append(make_plugin())
except Exception:  # noqa: BLE001 - no fault of ours may stop a dbt command
    plugins.clear()
