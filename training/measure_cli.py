"""`auscult checkpoint measure`: what takes passes of its own over the images, printed and written into the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.cli_options import (
    CHECKPOINT,
    DATA,
    FILE,
    FOLDER,
    THREADS,
    faults_named,
    line,
    load_checkpoint,
    load_predictor,
)
from training.gate_cli import unlike

if TYPE_CHECKING:
    from models.measurements import Estimate

_DATA = click.option("--data", type=DATA, required=True, help="Folder of labelled images, as for `auscult evaluate`.")
_SPLIT = click.option("--split", default="val", show_default=True, help="Split of the folder's manifest.csv.")
_RECORD = click.option("--record", is_flag=True, help="Write the result into the checkpoint's card.")


@click.group()
def measure() -> None:
    """Measure what `evaluate` does not: the scope gate, changed copies, shortcuts, both doors, label noise."""


measure.add_command(unlike)


@measure.command()
@_DATA
@_SPLIT
@_RECORD
@CHECKPOINT
@THREADS
def changes(data: Path, split: str, record: bool, folder: Path | None, threads: int) -> None:
    """Measure changed copies: brightness, blur, borders, text, rotation ... (29 passes over the images)."""
    from training.card.record import record_changes
    from training.fitting.dataset import find_images
    from training.measuring.robustness import measure_changes

    predictor = load_predictor(folder, threads)
    rows = []
    with faults_named():
        for row in measure_changes(predictor, find_images(data, predictor.checkpoint.card.classes, split)):
            rows.append(row)
            click.echo(line(asdict(row)))
    if record:
        record_changes(predictor.checkpoint, rows)


@measure.command()
@_DATA
@_SPLIT
@_RECORD
@click.option("--montage", type=click.Path(path_type=Path), help="PNG to write: 24 images with their lung field.")
@CHECKPOINT
@THREADS
def shortcuts(data: Path, split: str, record: bool, montage: Path | None, folder: Path | None, threads: int) -> None:
    """Measure copies with borders, corners, the lungs or the rest covered, and where the heat maps lie (9 passes)."""
    from training.card.record import record_measurement
    from training.fitting.dataset import find_images
    from training.measuring.shortcuts import find_lung_fields, measure_lung_field, measure_shortcuts, read_reduced

    predictor = load_predictor(folder, threads)
    rows = []
    with faults_named():
        images = find_images(data, predictor.checkpoint.card.classes, split)
        pixels_NHW = read_reduced(images)
        found = find_lung_fields(pixels_NHW)
        if montage:
            from training.card.figures import write_lung_fields

            write_lung_fields(pixels_NHW, found, montage)
        for row in measure_shortcuts(predictor, images, pixels_NHW, found.fields_NHW):
            rows.append(row)
            click.echo(f"{row.seen}: {_shown(row.metrics)}")
        evidence = measure_lung_field(predictor, images, pixels_NHW, found)
    click.echo(line(asdict(evidence)))
    if record:
        record_measurement(predictor.checkpoint, shortcuts=tuple(rows), lung_field=evidence)


@measure.command()
@_DATA
@_SPLIT
@_RECORD
@CHECKPOINT
@THREADS
def maps(data: Path, split: str, record: bool, folder: Path | None, threads: int) -> None:
    """Measure where the heat maps lie: in the lungs, off them, at the rim where markers stand (one pass)."""
    from training.card.record import record_measurement
    from training.fitting.dataset import find_images
    from training.measuring.shortcuts import find_lung_fields, measure_lung_field, read_reduced

    predictor = load_predictor(folder, threads)
    with faults_named():
        images = find_images(data, predictor.checkpoint.card.classes, split)
        pixels_NHW = read_reduced(images)
        found = measure_lung_field(predictor, images, pixels_NHW, find_lung_fields(pixels_NHW))
    click.echo(line(asdict(found)))
    if record:
        record_measurement(predictor.checkpoint, lung_field=found)


def _shown(metrics: Mapping[str, Estimate]) -> str:
    return line({name: estimate.value for name, estimate in metrics.items()})


@measure.command()
@_DATA
@_SPLIT
@_RECORD
@CHECKPOINT
@THREADS
def references(data: Path, split: str, record: bool, folder: Path | None, threads: int) -> None:
    """Measure what normals and images with pneumonia give: the watch for drift begins with it (one pass)."""
    from training.card.record import record_measurement
    from training.fitting.dataset import find_images
    from training.measuring.references import measure_references

    predictor = load_predictor(folder, threads)
    with faults_named():
        found = measure_references(predictor, find_images(data, predictor.checkpoint.card.classes, split))
    for row in found:
        click.echo(line(asdict(row)))
    if record:
        record_measurement(predictor.checkpoint, references=found)


@measure.command()
@_DATA
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The CSV to write.")
@click.option("--classes", default="normal,bacterial,viral", show_default=True, help="Names of the classes.")
def clusters(data: Path, out: Path, classes: str) -> None:
    """Find acquisition clusters; write a manifest with them that every command takes as --data."""
    from training.fitting.clusters import find_clusters, write_manifest
    from training.fitting.dataset import find_images, splits_of
    from training.measuring.styles import count_clusters

    with faults_named():
        names = classes.split(",")
        images = {split: find_images(data, names, split) for split in splits_of(data)}
        write_manifest(out, images, find_clusters(images), names)
        for row in count_clusters({split: find_images(out, names, split) for split in images}, names):
            click.echo(f"{row.split}, {row.cluster}: {line(row.images)}")


@measure.command()
@click.option(
    "--data",
    type=DATA,
    required=True,
    help="Manifest of train and val that `auscult checkpoint measure clusters` wrote.",
)
@_RECORD
@CHECKPOINT
@THREADS
def styles(data: Path, record: bool, folder: Path | None, threads: int) -> None:
    """Measure val re-rendered in the style of each acquisition cluster (about 20 passes over val)."""
    from training.card.record import record_measurement
    from training.fitting.dataset import find_images, splits_of
    from training.measuring.styles import count_clusters, measure_styles

    predictor = load_predictor(folder, threads)
    classes = predictor.checkpoint.card.classes
    names = ("specificity", "sensitivity", "auc", "p_pneumonia", "p_viral")
    with faults_named():
        splits = {split: find_images(data, classes, split) for split in splits_of(data)}
        rows = []
        for row in measure_styles(predictor.checkpoint, splits["val"], splits["train"], threads):
            rows.append(row)
            figures = {name: getattr(row, name) for name in names}
            click.echo(f"{row.cluster}, {row.what} at {row.strength:g}: {_shown(figures)}")
    if record:
        record_measurement(predictor.checkpoint, styles=tuple(rows), clusters=count_clusters(splits, classes))


@measure.command()
@click.option("--data", type=FOLDER, required=True, help="Folder of labelled pictures at full size.")
@click.option("--copies", type=FOLDER, required=True, help="Folder of their reduced copies, under the same names.")
@_RECORD
@CHECKPOINT
@THREADS
def doors(data: Path, copies: Path, record: bool, folder: Path | None, threads: int) -> None:
    """Compare the decisions on pictures at full size, wrapped as DICOM, with those on their reduced copies."""
    from training.card.record import record_measurement
    from training.fitting.dataset import find_images
    from training.measuring.doors import compare_doors

    predictor = load_predictor(folder, threads)
    with faults_named():
        found = compare_doors(predictor, find_images(data, predictor.checkpoint.card.classes), copies)
    click.echo(line(asdict(found)))
    if record:
        record_measurement(predictor.checkpoint, doors=found)


@measure.command()
@click.option("--data", type=FOLDER, required=True, help="Folder with manifest.csv that has the splits train and val.")
@click.option("--init", type=FILE, required=True, help="ImageNet weights, as for `auscult train`.")
@click.option("--cache", type=click.Path(path_type=Path), help="File (.npz) that keeps the frozen features.")
@_RECORD
@CHECKPOINT
@THREADS
def labels(data: Path, init: Path, cache: Path | None, record: bool, folder: Path | None, threads: int) -> None:
    """Estimate how many labels bacterial and viral are right: independent models on frozen features (needs torch)."""
    from training.card.record import record_measurement
    from training.measuring.label_study import study_labels

    predictor = load_predictor(folder, threads)
    with faults_named():
        found = study_labels(predictor, data, init, cache)
    for noise in found:
        click.echo(line(asdict(noise)))
    if record:
        record_measurement(predictor.checkpoint, label_noise=found)


@measure.command()
@click.option(
    "--card",
    "cards",
    type=(str, FILE),
    multiple=True,
    required=True,
    metavar="NAME CARD",
    help="What the other checkpoint is called, and its card.json; again for each, the oldest first.",
)
@_RECORD
@CHECKPOINT
def versions(cards: Sequence[tuple[str, Path]], record: bool, folder: Path | None) -> None:
    """Put figures of other checkpoints beside this one's: earlier versions, networks that lack a part."""
    from models.checkpoint import read_card
    from training.card.record import record_measurement
    from training.measuring.versions import version_row

    with faults_named():
        rows = tuple(version_row(name, read_card(path.read_bytes())) for name, path in cards)
    for row in rows:
        for images, figures in row.metrics.items():
            click.echo(f"{row.name}, {images}: {_shown(figures)}")
    if record:
        record_measurement(load_checkpoint(folder), versions=rows)


@measure.command()
@_DATA
@_SPLIT
@click.option("--seen", type=FILE, help="CSV of the columns file and seen: what somebody saw in these images.")
@click.option("--montage", type=click.Path(path_type=Path), help="PNG to write: the images with their heat maps.")
@_RECORD
@CHECKPOINT
@THREADS
def failures(
    data: Path, split: str, seen: Path | None, montage: Path | None, record: bool, folder: Path | None, threads: int
) -> None:
    """List the images that the balanced point calls wrong, for somebody to look at and describe (one pass)."""
    from training.card.record import record_measurement
    from training.fitting.dataset import find_images, read_display_values
    from training.measuring.failures import find_failures, read_notes

    predictor = load_predictor(folder, threads)
    with faults_named():
        images = find_images(data, predictor.checkpoint.card.classes, split)
        found = find_failures(predictor, images, read_notes(seen) if seen else {})
    for row, _, _ in found:
        click.echo(line(asdict(row)))
    if montage:
        from training.card.figures import write_failures

        write_failures(
            [
                (f"{row.name}\n{row.label}: {row.p_pneumonia:.3f}", read_display_values(image.path), output.cam)
                for row, image, output in found
            ],
            montage,
        )
    if record:
        record_measurement(predictor.checkpoint, failures=tuple(row for row, _, _ in found))
