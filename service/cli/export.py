"""`auscult export`: what the ledger knows, for other programs."""

import json
from datetime import datetime
from pathlib import Path

import click

from service.ledger.log_export import LogExport
from service.operations.bootstrap import open_ledger, open_store
from service.settings import load
from service.texts import texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import LeftOut


@click.group()
def export() -> None:
    """Write what the ledger knows into files for other programs."""


_DAY = click.DateTime(["%Y-%m-%d"])


@export.command()
@click.option("--from", "since", type=_DAY, required=True, help="First day, in this machine's time zone.")
@click.option("--to", "until", type=_DAY, required=True, help="The day after the last.")
def logs(since: datetime, until: datetime) -> None:
    """Print the log of a period as JSON lines: every event and every result.

    Staff who did something are named; patients' names and pixels are not in it.
    """
    ledger = open_ledger(load())
    for line in LogExport(ledger.engine).lines(since.astimezone(), until.astimezone()):
        click.echo(json.dumps(line, ensure_ascii=False))


@export.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--pixels/--without-pixels", default=True, help="Whether the pictures are written too.")
@click.option("--two-classes", is_flag=True, help="Name the classes normal and pneumonia, whatever the checkpoint has.")
def feedback(folder: Path, pixels: bool, two_classes: bool) -> None:
    """Write what people said of results as a labelled data set, pseudonymised.

    FOLDER is what `auscult train` and `auscult evaluate` take as --data: manifest.csv and pictures under random names.
    Nothing in it tells whose an image is, or when it was made.
    """
    from service.feedback_export import export_feedback  # the codecs

    settings = load()
    say = texts_in(settings.language)
    try:
        counts = export_feedback(
            open_ledger(settings).feedback.labelled(),
            open_store(settings),
            folder,
            with_pixels=pixels,
            two_classes=two_classes,
            maximum_pixels=settings.scope.maximum_pixels,
        )
    except FileExistsError:
        raise AuscultError(say("export.folder", folder=folder)) from None
    click.echo(say("export.feedback", count=counts[None]))
    for why in LeftOut:
        if counts[why]:
            click.echo(say("export.left_out", count=counts[why], why=say.of(why)))
