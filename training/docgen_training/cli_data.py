"""Commands that make training records: seeds, teach, curate, words, spoken, synthesize, harvest, clean, split."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from docgen_plugin.errors import DocgenError
from docgen_training.cli_options import FILE, OUT

__all__ = ["COMMANDS"]


@click.command()
@click.option("--count", default=3960, show_default=True, help="How many seeds to draw.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=OUT, required=True)
def seeds(count: int, seed: int, out: Path) -> None:
    """Draw what a teacher is asked for: industry, use case, role, naming style, dialect."""
    from docgen_training.seeds import draw_seeds, write_seeds

    click.echo(f"{out}: {write_seeds(out, draw_seeds(count, seed))} seeds")


@click.command()
@click.argument("seeds", type=FILE)
@click.option("--teacher", required=True, help="https://.../v1, a GGUF file, or a folder of answers.")
@click.option(
    "--model", default="", help="The model's name at an address; its key is taken from DOCGEN_TEACHER_KEY."
)
@click.option("--batch", default=8, show_default=True, help="Tables asked for at once.")
@click.option("--threads", default=0, show_default=True, help="For a GGUF; 0 is all.")
@click.option("--out", type=OUT, required=True)
def teach(seeds: Path, teacher: str, model: str, batch: int, threads: int, out: Path) -> None:
    """Have a teacher document a table for every seed; goes on where it was stopped."""
    from rich.console import Console
    from rich.progress import Progress

    from docgen_training.records import write_records
    from docgen_training.seeds import read_seeds
    from docgen_training.teach import open_teacher
    from docgen_training.teach import teach as ask

    wanted = read_seeds(seeds)
    source = open_teacher(teacher, model, threads)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("teaching", total=len(wanted))
        answers = list(
            ask(
                wanted,
                source,
                out.with_suffix(".answers"),
                batch,
                lambda done, _: bar.update(task, completed=done),
            )
        )
    for answer in answers:
        if answer.record is None:
            click.echo(f"seed {answer.number}: {answer.fault}", err=True)
    count = write_records(out, (answer.record for answer in answers if answer.record))
    click.echo(f"{out}: {count} of {len(wanted)} tables, by {source.name}")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--mends", type=FILE, help="What a reviewer replaced: JSON lines {table, column, old, new}.")
@click.option("--show", default=3, show_default=True, help="Places to print for each fault.")
@click.option("--out", type=OUT, required=True)
def curate(files: tuple[Path, ...], mends: Path | None, show: int, out: Path) -> None:
    """Drop texts that break a rule of the house, and near-duplicate tables."""
    from docgen_training.curate import Mend, mended, read_mends
    from docgen_training.curate import curate as choose
    from docgen_training.records import read_records, write_records

    applied: list[Mend] = []
    records = chain.from_iterable(read_records(path) for path in files)
    wanted = read_mends(mends) if mends else []
    done = choose(mended(records, wanted, applied))
    click.echo(f"{len(applied):6} of {len(wanted)} mends", err=True)
    for fault, count in done.found.most_common():
        click.echo(f"{count:6} {fault}", err=True)
        for place in done.examples.get(fault, [])[:show]:
            click.echo(f"         {place}", err=True)
    click.echo(f"{len(done.duplicates):6} near-duplicate tables", err=True)
    count = write_records(out, done.records)
    click.echo(f"{out}: {count} tables, {done.columns} described columns")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--out", type=OUT, required=True)
def words(files: tuple[Path, ...], out: Path) -> None:
    """Count the words of the project's own texts: what shortenings are read as, and the voice."""
    from docgen_training.records import read_records
    from docgen_training.words import count_words, write_words

    counts = count_words(chain.from_iterable(read_records(path) for path in files))
    click.echo(f"{out}: {write_words(out, counts)} words")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--out", type=OUT, required=True)
def spoken(files: tuple[Path, ...], out: Path) -> None:
    """List words of documented records' texts that look like shortenings and are none."""
    from docgen_training.records import read_records
    from docgen_training.words import spoken_words, write_spoken

    found = spoken_words(chain.from_iterable(read_records(path) for path in files))
    write_spoken(out, found)
    click.echo(f"{out}: {len(found)} words")


@click.command()
@click.option("--tables", default=60_000, show_default=True, help="How many tables to compose.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--fillers", type=FILE, help="Records whose identifiers fill the slots: tables that teach to copy."
)
@click.option("--out", type=OUT, required=True)
def synthesize(tables: int, seed: int, fillers: Path | None, out: Path) -> None:
    """Compose documented tables from the lexicon."""
    from docgen_training.records import read_records, write_records
    from docgen_training.synthesize import identifier_fillers
    from docgen_training.synthesize import synthesize as compose

    found = identifier_fillers(read_records(fillers)) if fillers else []
    click.echo(f"{out}: {write_records(out, compose(tables, seed, found))} tables")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--house", is_flag=True, help="Only texts that could be the house's own, for the last phase.")
@click.option("--out", type=OUT, required=True)
def clean(files: tuple[Path, ...], house: bool, out: Path) -> None:
    """Keep the human descriptions that are worth learning from."""
    from docgen_training.corpus import clean_records, house_records
    from docgen_training.records import read_records, write_records

    kept = clean_records(chain.from_iterable(read_records(path) for path in files))
    count = write_records(out, house_records(kept) if house else kept)
    click.echo(f"{out}: {count} tables")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--source", "sources", multiple=True, help="Only the records of this source; may be repeated.")
@click.option("--share", default=1 / 3, show_default="a third", type=click.FloatRange(0, 1, True, True))
@click.option("--seed", default=1, show_default=True)
@click.option("--train", type=OUT, required=True, help="The tables to learn from.")
@click.option("--held", type=OUT, required=True, help="The tables to judge on.")
@click.option("--new", type=OUT, help="The same without the texts that --train has word for word.")
def split(
    files: tuple[Path, ...],
    sources: tuple[str, ...],
    share: float,
    seed: int,
    train: Path,
    held: Path,
    new: Path | None,
) -> None:
    """Cut documented tables in two parts, near copies on one side."""
    from docgen_training.holdout import split_records, without_texts_of
    from docgen_training.records import read_records, write_records

    every = list(chain.from_iterable(read_records(path) for path in files))
    found = {record.source for record in every}
    for source in sources:
        if source not in found:
            raise DocgenError(f"--source {source}: not in the files, which have {', '.join(sorted(found))}")
    records = [record for record in every if not sources or record.source in sources]
    kept, back = split_records(records, share, seed)
    if not kept or not back:
        raise DocgenError(
            f"{files[0]}: its tables are copies of each other or too few to be cut in two parts"
        )
    parts = [(train, kept), (held, back)] + ([(new, without_texts_of(back, kept))] if new else [])
    for path, part in parts:
        columns = sum(bool(column.description) for record in part for column in record.table.columns)
        click.echo(f"{path}: {write_records(path, part)} tables, {columns} described columns")


COMMANDS = (seeds, teach, curate, words, spoken, synthesize, clean, split)
