"""`auscult export`: what the ledger knows, for other programs."""

from pathlib import Path

import click

from service.operations.bootstrap import open_ledger, open_store
from service.settings import load
from service.texts import texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import LeftOut


@click.group()
def export() -> None:
    """Write what the ledger knows into files for other programs."""


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
