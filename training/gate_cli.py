"""`auscult checkpoint measure unlike`: what the limit of the scope gate keeps out, of val and of other kinds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.cli_options import CHECKPOINT, FOLDER, THREADS, faults_named, load_checkpoint

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint
    from models.unlike import UnlikeTraining
    from training.measuring.kinds import Kind


@click.command()
@click.option(
    "--data",
    type=FOLDER,
    multiple=True,
    help="Folder of pictures that must not be judged, such as radiographs of adults: JPEG, PNG or DICOM at any depth. "
    "Once for each kind.",
)
@click.option("--name", multiple=True, help="What the pictures of each --data are; the folder's name if absent.")
@click.option("--val", type=FOLDER, help="Folder of labelled images whose split val sets the limit anew.")
@click.option("--record", is_flag=True, help="Write the result into the checkpoint's card.")
@CHECKPOINT
@THREADS
def unlike(
    data: tuple[Path, ...], name: tuple[str, ...], val: Path | None, record: bool, folder: Path | None, threads: int
) -> None:
    """Measure how many pictures of a kind, and of val, lie beyond the limit of the scope gate.

    With --val the limit is set anew: at most 3 % of val lie beyond it, and as few as leave 95 % of each kind of --data
    beyond it. Without --val it stays as it is.
    """
    from training.card.record import record_unlike

    if not data and val is None:
        raise click.UsageError("Give --data FOLDER, --val FOLDER, or both.")
    if name and len(name) != len(data):
        raise click.UsageError("Give one --name for each --data, or none.")
    loaded = load_checkpoint(folder)
    with faults_named():
        kinds = [_kind(*pair) for pair in zip(data, name or [path.name for path in data], strict=True)]
        found = _measured(loaded, kinds, val, threads)
    click.echo(f"limit {found.limit:g}: {found.false_alarms:.1%} of val lie beyond it{_refused(found.refused)}")
    for row in found.kinds:
        if row.beyond is not None:
            beyond = f"{row.beyond:.1%} lie beyond it{_refused(row.refused)}"
            click.echo(f"{row.kind} ({row.pictures}): {beyond}, AUROC against val {row.auroc:.3f}")
    if record:
        record_unlike(loaded, found)


def _refused(share: float | None) -> str:
    return "" if share is None else f", {share:.1%} are refused with what is upside down"


def _kind(folder: Path, name: str) -> Kind:
    from training.measuring.kinds import Kind, PicturesOnDisk

    return Kind(name, True, "a folder of such pictures, not shipped", PicturesOnDisk(folder))


def _measured(loaded: Checkpoint, kinds: list[Kind], val: Path | None, threads: int) -> UnlikeTraining:
    """Return the record as the card is to have it, after a line on the limit that each kind asks for."""
    from models.runtimes import OnnxRuntime
    from training.fitting.dataset import find_images
    from training.measuring import distance

    card = loaded.card
    if card.unlike_training is None:
        raise ValueError(f"{card.name} has no distance from its training images; export it again.")
    runtime = OnnxRuntime(loaded, threads)
    pairs = [(kind, distance.measure_distances(runtime, card.transform, kind.pictures)) for kind in kinds]
    if val is None:
        found = distance.with_kinds(card.unlike_training, pairs)
    else:
        found = distance.measure_on(runtime, card.transform, find_images(val, card.classes, "val"), pairs)
    for kind, found_N in pairs:
        asked = distance.limit_of(found_N)
        cost = distance.share_beyond(found, asked)
        click.echo(f"{kind.name}: {distance.ABSTAIN:.0%} lie beyond {asked:g}, and so would {cost:.1%} of val")
    return found
