"""The most memory that this process has held: what the benchmarks of memory read."""

from docgen_training.peak_memory import peak_mb

__all__ = ["peak_mb"]
