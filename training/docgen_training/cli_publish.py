"""Commands that hand a finished model on: manifest, publish."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from docgen_plugin.errors import DocgenError
from docgen_training.cli_options import FILE

if TYPE_CHECKING:
    from docgen_plugin.manifest import Manifest

__all__ = ["COMMANDS"]

_F = TypeVar("_F", bound=Callable[..., Any])


def _described(command: _F) -> _F:
    decorators = (
        click.argument("gguf", type=FILE),
        click.option("--name", default="", help="Instead of the name in the GGUF."),
        click.option("--version", default="", help="Instead of the next whole number."),
        click.option("--run", type=FILE, help="run.json of the training: base, data, options, code commit."),
        click.option(
            "--data",
            multiple=True,
            metavar="FILE=LICENCES",
            help="Records it was trained on and their licences, commas between; instead of the run's data.",
        ),
        click.option("--scores", type=FILE, help="scores.json of `docgen-train evaluate`."),
    )
    for decorate in reversed(decorators):
        command = decorate(command)
    return command


def _manifest(
    gguf: Path, name: str, version: str, run: Path | None, data: tuple[str, ...], scores: Path | None
) -> Manifest:
    from docgen_training.publish import describe, read_object, trained_on

    told = read_object(run) if run else {}
    if data:
        told = {**told, "data": [trained_on(one) for one in data]}
    return describe(gguf, told, read_object(scores) if scores else {}, name, version or "1")


@click.command()
@_described
def manifest(
    gguf: Path, name: str, version: str, run: Path | None, data: tuple[str, ...], scores: Path | None
) -> None:
    """Write docgen-model.json beside a GGUF, as the model in the package has it."""
    from docgen_training.publish import write_manifest

    click.echo(str(write_manifest(gguf, _manifest(gguf, name, version, run, data, scores))))


@click.command()
@_described
@click.option("--to", required=True, metavar="FOLDER|hf://owner/name", help="The registry or the repository.")
@click.option("--private", is_flag=True, help="A repository that is made now is private.")
def publish(
    gguf: Path,
    name: str,
    version: str,
    run: Path | None,
    data: tuple[str, ...],
    scores: Path | None,
    to: str,
    private: bool,
) -> None:
    """Publish a model with its manifest and card; prints the reference for `docgen model use`."""
    from dataclasses import replace

    from docgen_plugin.hub import SCHEME
    from docgen_training.publish import next_version
    from docgen_training.publish import publish as send

    if private and not to.startswith(SCHEME):
        raise DocgenError("--private goes with hf://owner/name: a folder has its own rights")
    made = _manifest(gguf, name, version, run, data, scores)
    if not version:
        made = replace(made, version=next_version(to, made.name))
    click.echo(f"published; to use it: docgen model use {send(gguf, made, to, private)}")


COMMANDS = (manifest, publish)
