"""Which code made something."""

from __future__ import annotations

import subprocess
from pathlib import Path

import docgen_plugin

__all__ = ["code_commit"]


def code_commit() -> str:
    """Return the commit of the checkout that this code runs from, the package's version outside of one.

    A "+" behind the commit says that the code was changed since.
    """
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            run = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
        except OSError:
            return None
        return run.stdout.strip() if run.returncode == 0 else None

    # an environment inside somebody else's checkout is not our code's commit
    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return docgen_plugin.__version__
    commit = git("rev-parse", "HEAD") or docgen_plugin.__version__
    return commit + ("+" if git("status", "--porcelain", "-uno", ".") else "")
