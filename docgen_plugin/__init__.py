"""docgen: descriptions for undocumented tables and columns, from a model on your own machine."""

from docgen_plugin.hookspecs import hookimpl

__all__ = ["__version__", "hookimpl"]

__version__ = "0.1.0"
