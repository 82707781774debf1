"""Commands that join ``auscult`` as entry points: train, evaluate, explain, checkpoint.

Libraries load inside the commands: the listing of commands must stay quick, and evaluation must not need torch.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
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
from training.measure_cli import measure

if TYPE_CHECKING:
    from models.precision import Precision
    from training.measuring.evaluation import Evaluation

_DATA_HELP = (
    "Folder laid out as <class>/<name>.jpeg, .png or DICOM, or a CSV of the columns file, class and where known group "
    "and split; a folder's manifest.csv is one."
)
_SPLITS = ("train", "val")


@click.command()
@click.option("--data", type=DATA, required=True, help=_DATA_HELP)
@click.option(
    "--init",
    type=FILE,
    required=True,
    help="ImageNet weights (.npz, .safetensors, .pth) or a checkpoint's weights.safetensors.",
)
@click.option(
    "--run", type=click.Path(path_type=Path), required=True, help="Folder of the run; resumed when it exists."
)
@click.option(
    "--about",
    type=FILE,
    help="TOML that maps the classes of your own data to findings and says where they come from; "
    "docs/howto/bring-your-own-data.md shows one.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--recipe", default="resnet50-three-class", show_default=True, help="Name of the recipe.")
@click.option("--without", metavar="PART", help="Leave a part of the recipe out, to see what it is worth.")
@click.option("--budget", type=float, help="Minutes of training; the schedule is shortened to fit.")
def train(
    data: Path,
    init: Path,
    run: Path,
    about: Path | None,
    device: str,
    recipe: str,
    without: str | None,
    budget: float | None,
) -> None:
    """Fine-tune a network; a line for each epoch, and the best weights so far in RUN/best.pt."""
    import numpy as np

    from training.card.provenance import read_provenance
    from training.exporting.export import ABOUT
    from training.fitting.dataset import find_images, load
    from training.fitting.loop import train as fine_tune
    from training.fitting.recipes import PARTS, RECIPES, leave_out

    if recipe not in RECIPES:
        raise click.UsageError(f"There is no recipe {recipe!r}; choose one of {', '.join(RECIPES)}.")
    if without is not None and without not in PARTS:
        raise click.UsageError(f"There is no part {without!r}; choose one of {', '.join(PARTS)}.")
    with faults_named():
        chosen = RECIPES[recipe] if without is None else leave_out(RECIPES[recipe], without)
        if about is not None:
            findings = read_provenance(about).findings
            chosen = replace(chosen, classes=tuple(findings), findings=dict(findings))
        images, validation = (
            load(find_images(data, chosen.classes, split), chosen.classes, chosen.transform) for split in _SPLITS
        )
        if chosen.outside_penalty:
            from training.measuring.shortcuts import find_lung_fields

            greys_NHW = images.pixels_NHW.astype(np.float32) / np.float32(255)
            images = replace(images, fields_NHW=find_lung_fields(greys_NHW).fields_NHW)
        run.mkdir(parents=True, exist_ok=True)
        if about is not None:
            shutil.copyfile(about, run / ABOUT)
        seconds = budget * 60 if budget else None
        fine_tune(chosen, images, validation, init, run, seconds, lambda row: click.echo(line(row)), device)


@click.command()
@click.option("--data", type=DATA, required=True, help=_DATA_HELP)
@click.option("--split", help="Only this split.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for evaluation.json and the figures.")
@click.option(
    "--record",
    metavar="NAME",
    help="Write the figures into the checkpoint's card under this name, such as the hospital's; calibration, operating "
    "points and limits stay as they are.",
)
@click.option("--precision", type=click.Choice(["float32", "int8"]), default="float32", show_default=True)
@click.option(
    "--gate",
    is_flag=True,
    help="Leave out what the scope gate keeps out by its pixels (blank, upside down, unlike the training images), and "
    "say how many of each class that are.",
)
@CHECKPOINT
@THREADS
def evaluate(
    data: Path,
    split: str | None,
    out: Path | None,
    record: str | None,
    precision: Precision,
    gate: bool,
    folder: Path | None,
    threads: int,
) -> None:
    """Measure a checkpoint on labelled images, along the path that the service takes."""
    from training.card.record import record_split
    from training.fitting.dataset import find_images
    from training.measuring.assessment import assess, summarise
    from training.measuring.evaluation import evaluate_images
    from training.measuring.gated import evaluate_after_gate

    predictor = load_predictor(folder, threads, precision)
    card = predictor.checkpoint.card
    with faults_named():
        images = find_images(data, card.classes, split)
        if gate:
            evaluation, measured = evaluate_after_gate(predictor, images)
        else:
            evaluation = evaluate_images(predictor, images)
            measured = assess(card, evaluation.probabilities_NK, images)
    _print(evaluation)
    for sentence in summarise(measured):
        click.echo(sentence)
    if out is not None:
        from training.card.figures import write_figures

        out.mkdir(parents=True, exist_ok=True)
        evaluation.write(out / "evaluation.json", measured)
        write_figures(evaluation, card, out)
        click.echo(f"Written to {out}.")
    if record:
        record_split(predictor.checkpoint, record, evaluation.metrics, measured)


@click.command()
@click.argument("image", type=FILE)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The PNG to write; IMAGE.explained.png where none is given."
)
@click.option("--operating-point", default="balanced", show_default=True, help="rule-in, balanced or rule-out.")
@CHECKPOINT
def explain(image: Path, out: Path | None, operating_point: str, folder: Path | None) -> None:
    """Write the heat map of one image, with probabilities and outcome."""
    from models.decision import decide
    from training.card.figures import write_heat_map
    from training.fitting.dataset import read_display_values

    predictor = load_predictor(folder, threads=2)
    with faults_named():
        values = read_display_values(image)
        output = predictor.predict([values])[0]
        decision = decide(output.probabilities, predictor.checkpoint.card, operating_point)
    shown = ", ".join(f"{name} {p:.3f}" for name, p in output.probabilities.items())
    caption = f"{decision.outcome}: P(pneumonia) {decision.p_pneumonia:.3f} ({shown})"
    path = out or image.with_suffix(".explained.png")
    write_heat_map(values, output.cam, caption, path)
    click.echo(caption)
    click.echo(f"Written to {path}.")


@click.group()
def checkpoint() -> None:
    """Show, verify, export or measure a checkpoint."""


checkpoint.add_command(measure)


@checkpoint.command()
@click.option("--markdown", is_flag=True, help="Print the model card (docs/model-card.md).")
@CHECKPOINT
def show(markdown: bool, folder: Path | None) -> None:
    """Print the card of a checkpoint."""
    from models.checkpoint import Checkpoint, default_path, write_card
    from training.card.model_card import render

    loaded = Checkpoint.load(folder or default_path(), verify=False)
    click.echo(render(loaded.card, loaded.digest) if markdown else write_card(loaded.card).decode(), nl=False)


@checkpoint.command()
@CHECKPOINT
def verify(folder: Path | None) -> None:
    """Check that the files of a checkpoint are the ones that its card names."""
    loaded = load_checkpoint(folder)
    click.echo(f"{loaded.card.name} {loaded.card.version} is whole; its digest is {loaded.digest}.")


@checkpoint.command()
@click.argument("run", type=FOLDER)
@click.option("--data", type=DATA, required=True, help="The data of the run; its val split calibrates.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the checkpoint to write.")
@click.option("--transform", help="What the network is to see, where that is not what it was trained on.")
def export(run: Path, data: Path, out: Path, transform: str | None) -> None:
    """Turn the best weights of RUN into a checkpoint, calibrated and measured on val."""
    from models.transforms import TRANSFORMS
    from training.exporting.export import export as write

    if transform is not None and transform not in TRANSFORMS:
        raise click.UsageError(f"There is no transform {transform!r}; choose one of {', '.join(TRANSFORMS)}.")
    with faults_named():
        loaded = write(run, data, out, transform)
    click.echo(f"Written to {out}; its digest is {loaded.digest}.")


@checkpoint.command(name="compare-int8")
@click.option("--data", type=FOLDER, required=True, help="Folder laid out as <class>/<name>.jpeg, .png or .dcm.")
@click.option("--split", help="Only this split of the folder's manifest.csv.")
@click.option("--record", metavar="NAME", help="Write the figures into the checkpoint's card under this name.")
@CHECKPOINT
@THREADS
def compare_int8(data: Path, split: str | None, record: str | None, folder: Path | None, threads: int) -> None:
    """Compare 8-bit results with those of float32 on labelled images, and say whether the bounds hold."""
    from models.precision import Int8
    from training.card.record import record_int8
    from training.fitting.dataset import find_images
    from training.measuring.int8 import compare_on

    loaded = load_checkpoint(folder)
    with faults_named():
        figures = compare_on(loaded, find_images(data, loaded.card.classes, split), threads)
        if record:
            record_int8(loaded, record, figures)
    for name, value in figures.items():
        click.echo(f"{name:<28} {value:g}")
    broken = Int8(0, {"these images": figures}).broken_bounds()
    click.echo("; ".join(broken) or "All bounds hold.")


def _print(evaluation: Evaluation) -> None:
    """Print figures and confusion matrix as a table."""
    click.echo(f"{len(evaluation.names)} images")
    for name, estimate in evaluation.metrics.items():
        click.echo(f"{name:<24} {estimate.value:.4f}  (95 % {estimate.low:.4f} to {estimate.high:.4f})")
    width = max(map(len, evaluation.classes)) + 2
    click.echo("".join(name.rjust(width) for name in ("truth", *evaluation.classes)))
    for name, row in zip(evaluation.classes, evaluation.confusion, strict=True):
        click.echo(name.rjust(width) + "".join(str(count).rjust(width) for count in row))
