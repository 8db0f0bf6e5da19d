"""A module of ours in a process of its own: what is written in C may end the process instead of raising."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["run_module"]


def run_module(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a module with arguments and return what came of it, output as text; it ends when we are stopped."""
    # -P: a folder where the user stands must not be imported for a package that is called like it
    return subprocess.run(
        [sys.executable, "-P", "-m", name, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
