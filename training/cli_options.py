"""What several commands of training share: options, loading a checkpoint, faults, lines of figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint
    from models.precision import Precision
    from models.predictor import Predictor

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
DATA = click.Path(exists=True, path_type=Path)
"""A folder of labelled images, or a CSV that lists them."""
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
CHECKPOINT = click.option(
    "--checkpoint", "folder", type=FOLDER, help="Folder of the checkpoint; the shipped one where none is given."
)
THREADS = click.option("--threads", default=2, show_default=True, help="Processor threads of the network.")


def load_checkpoint(folder: Path | None) -> Checkpoint:
    """Return the checkpoint in the folder, or the shipped one."""
    from models.checkpoint import Checkpoint, UnusableCheckpoint, default_path

    try:
        return Checkpoint.load(folder or default_path())
    except UnusableCheckpoint as error:
        raise click.ClickException(str(error)) from error


def load_predictor(folder: Path | None, threads: int = 2, precision: Precision = "float32") -> Predictor:
    """Return a predictor of the checkpoint in the folder, or of the shipped one, on ONNX Runtime.

    Raises
    ------
    click.ClickException
        When the checkpoint cannot be read, or has no graph for the precision.
    """
    from models.precision import why_not_int8
    from models.predictor import Predictor
    from models.runtimes import OnnxRuntime, processor_features

    loaded = load_checkpoint(folder)
    if precision == "int8":
        if loaded.card.int8 is None:
            raise click.ClickException(f"{loaded.card.name} has no graph for int8; export it again.")
        if refusal := why_not_int8(loaded.card.name, loaded.card.int8, processor_features()):
            click.echo(f"Note: the service would not run int8 here: {refusal}.", err=True)
    return Predictor(loaded, OnnxRuntime(loaded, threads, precision))


@contextmanager
def faults_named() -> Iterator[None]:
    """Turn a ValueError, which says what is wrong with the input, into the message of a command."""
    try:
        yield
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def line(row: Mapping[str, object]) -> str:
    """Return names and values in one line, numbers with four decimals."""
    return "  ".join(f"{name} {f'{value:.4f}' if isinstance(value, float) else value}" for name, value in row.items())
