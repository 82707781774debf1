"""The command ``auscult reproduce``: the papers' rows, run one after the other in one process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from training.papers.rows import BackboneMode, PaperName, PaperRow, rows_of

if TYPE_CHECKING:
    from training.papers.results import Result

_DATA = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("paper", type=click.Choice(get_args(PaperName)))
@click.option(
    "--row", "names", multiple=True, help="Only the row of this name; may be given again. All rows where none is given."
)
@click.option(
    "--data", type=_DATA, required=True, help="The collection, as for `train`; its splits train and val are drawn from."
)
@click.option(
    "--init",
    "files",
    type=_FILE,
    multiple=True,
    help="ImageNet weights (.npz, .safetensors, .pth); may be given again for another backbone. ResNet101 and 152 are "
    "grown from ResNet50 where nothing else fits, and a Keras VGG16 is read out of .onnx.",
)
@click.option("--download", is_flag=True, help="Fetch torchvision's ImageNet weights where no file fits.")
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    default=Path("runs/papers"),
    show_default=True,
    help="Folder of all runs; what is there is not run again. RUN/results holds a JSON for each row.",
)
@click.option(
    "--backbone",
    type=click.Choice(get_args(BackboneMode)),
    default="frozen",
    show_default=True,
    help="Train the head alone on cached features, or the whole network.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
@click.option("--budget", type=float, help="Minutes for each row; fine-tuning shortens its schedule to fit.")
def reproduce(
    paper: PaperName,
    names: tuple[str, ...],
    data: Path,
    files: tuple[Path, ...],
    download: bool,
    run: Path,
    backbone: BackboneMode,
    device: str,
    budget: float | None,
) -> None:
    """Run the rows of a paper as published and grouped by patient, and print ours beside theirs."""
    from training.papers.data import PaperData
    from training.papers.experiment import BudgetSpent, Experiment
    from training.papers.results import write_result
    from training.papers.weights import find_weights

    try:
        rows, images = rows_of(paper, names), PaperData(data)
        _check_device(device)
        for chosen in rows:
            start = find_weights(chosen.recipe.backbone, files, download, run / "starting")
            if start is None:
                _say_not_run(chosen)
                continue
            began = time.monotonic()
            experiment = Experiment(chosen, images, start.path, run, backbone, device, start.note)
            result = experiment.run(budget and budget * 60, click.echo)
            write_result(result, run / "results")
            _print(chosen, result, time.monotonic() - began)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except BudgetSpent:
        raise click.ClickException("The budget is spent; the same command goes on from here.") from None


def command_for(row: PaperRow) -> str:
    """Return the command that trains the whole network of a row; resnet50.npz and vgg16.onnx are files of weights."""
    init = "vgg16.onnx" if row.recipe.backbone == "vgg16" else "resnet50.npz"
    return f"auscult reproduce {row.paper} --row {row.name} --data FOLDER --init {init} --backbone fine-tuned"


def _check_device(device: str) -> None:
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise ValueError(f"There is no {device} device here; leave --device out to run on the processor.")


def _say_not_run(row: PaperRow) -> None:
    click.echo(f"{row.name} ({row.where})")
    click.echo("not run: no ImageNet weights")
    click.echo(command_for(row))


def _print(row: PaperRow, result: Result, seconds: float) -> None:
    """Print each stated figure beside ours, and accuracy and AUC where none is stated."""
    click.echo(f"{row.name} ({row.where}), {result.backbone} backbone, {seconds:.0f} s")
    stated = [(figure.measure, f"{figure.value:g}") for figure in row.published] or [("accuracy", "")]
    for name, theirs in [*stated, *([] if "auc" in dict(stated) else [("auc", "")])]:
        ours = (result.sides["published"].measures, result.sides["grouped"].measures, result.leakage)
        cells = [f"{found[name].value:.4f} ({found[name].low:.4f} to {found[name].high:.4f})" for found in ours]
        click.echo(f"  {name:<28} theirs {theirs:<8} shuffled {cells[0]}  grouped {cells[1]}  leakage {cells[2]}")
