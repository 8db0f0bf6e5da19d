"""Run every check of the project: style, types, import direction, tests; stops at the first that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    # two at a time, a file's tests together: they share servers and models; two cores are what is expected
    ("pytest", "-n", "2", "--dist", "loadfile", "--durations=15"),
)


def main() -> int:
    """Return the exit code of the first check that fails, else 0."""
    root = Path(__file__).resolve().parent.parent
    for tool, *arguments in CHECKS:
        print(f"== {tool} {' '.join(arguments)}", flush=True)
        script = Path(sys.executable).with_name(tool)
        code = subprocess.run([script, *arguments], cwd=root).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
