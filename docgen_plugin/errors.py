"""Every error a user can cause.

DocgenError                 one clear line for the user, exit code 1
├── SourceError             the source cannot be read (no such project, bad manifest, no connection)
├── WriteError              a description cannot be written (no right, read-only file, changed file)
├── ModelError              a model cannot be loaded or run (missing, truncated, unknown architecture)
├── LedgerError             the ledger cannot be opened or is of another version
└── ConfigError             a setting is unknown or has a value it cannot take
"""

from __future__ import annotations

__all__ = ["ConfigError", "DocgenError", "LedgerError", "ModelError", "SourceError", "WriteError"]


class DocgenError(Exception):
    """Base of all our errors; the message says what was found, where, and what to do."""


class SourceError(DocgenError):
    """A source cannot be read."""


class WriteError(DocgenError):
    """A description cannot be written back."""


class ModelError(DocgenError):
    """A model cannot be loaded or run."""


class LedgerError(DocgenError):
    """The ledger cannot be opened."""


class ConfigError(DocgenError):
    """A setting is unknown or has a value it cannot take."""
