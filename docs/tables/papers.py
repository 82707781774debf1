"""Both papers' rows: ours beside theirs, from the results of finished runs in docs/papers."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from docs.tables import table
from models.measurements import Estimate
from training.papers.command import command_for
from training.papers.results import Result, SideResult, read_results
from training.papers.rows import ROWS, Folds, PaperName, PaperRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOCS = Path(__file__).resolve().parents[1]
RESULTS = _DOCS / "papers"
IMAGES = _DOCS / "images"
_START = {
    "resnet50": "ImageNet",
    "resnet101": "grown from ResNet50",
    "resnet152": "grown from ResNet50",
    "vgg16": "a VGG16 that was trained on",
}
"""Where each backbone begins with the files that are at hand."""
_SIDES = ("published", "grouped")
_HEADING = ("figure", "theirs", "shuffled", "difference", "grouped by patient", "difference", "leakage")
_CELLS = ("precision", "recall", "f1-score")


def rows() -> str:
    """Return every row of both papers: network, head, split, and what was left open."""
    lines = [
        (
            f"`{row.name}`",
            row.where,
            f"{row.recipe.backbone}, {row.recipe.head}",
            _split(row),
            "yes" if row.recipe.oversample else "no",
            row.note,
        )
        for row in ROWS
    ]
    return table(("row", "stands in", "network, head", "split", "oversampling", "what is open"), lines)


def three_class() -> str:
    """Return figures, report and pictures of each run of the three-class paper."""
    parts = []
    for row, result in _finished("three-class"):
        parts += [f"### {result.backbone.capitalize()} backbone", _about(row, result)]
        parts += [table(_HEADING, _beside(row, result)), *_reports(result)]
        parts += [_picture(result, kind) for kind in ("curves", "confusion", "roc")]
    return "\n\n".join(parts)


def two_class() -> str:
    """Return the figures of each run of the two-class paper."""
    finished = list(_finished("two-class"))
    parts = []
    for row, result in finished:
        parts += [f"### {row.where[:1].upper()}{row.where[1:]}: {result.backbone} backbone", _about(row, result)]
        parts.append(table(_HEADING, _beside(row, result)))
    if finished:
        parts += [_link("heads"), *(_picture(finished[0][1], kind) for kind in ("curves", "confusion", "roc"))]
    return "\n\n".join(parts)


def not_run() -> str:
    """Return the rows that were not run, or on a frozen backbone alone, and the command that would."""
    done = {(result.row, result.backbone) for result in _results()}
    lines = []
    for row in ROWS:
        if (row.name, "fine-tuned") not in done:
            ours = "frozen backbone only" if (row.name, "frozen") in done else "not run yet"
            lines.append((f"`{row.name}`", ours, _START[row.recipe.backbone], f"`{command_for(row)}`"))
    return table(("row", "ours", "begins with", "command"), lines)


def runs() -> str:
    """Return what a repetition needs to know of each run."""
    lines = [
        (
            f"`{result.name}`",
            f"{result.seed}",
            f"{result.epochs} of {result.planned_epochs}",
            *(f"{_side(result, side).seconds:.0f}" for side in _SIDES),
            result.device,
            f"`{result.data_digest[:12]}`",
            f"`{result.init_digest[:12]}`",
            f"`{result.commit[:12]}`",
        )
        for result in _results()
    ]
    heading = ("run", "seed", "epochs", "seconds, shuffled", "seconds, grouped")
    return table((*heading, "device", "data", "weights", "commit"), lines)


def pictures() -> Iterator[tuple[Path, str, "Callable[[], Figure]"]]:
    """Yield the path of each picture, a digest of what it shows, and what draws it."""
    from training.papers import figures

    two = [result for _, result in _finished("two-class")]
    for result in [*(result for _, result in _finished("three-class")), *two[:1]]:
        drawings = {"curves": figures.draw_curves, "confusion": figures.draw_confusion, "roc": figures.draw_roc}
        for kind, draw in drawings.items():
            yield IMAGES / f"{_stem(result)}-{kind}.png", _digest([result]), partial(draw, result)
    heads = [result for result in two if result.row.startswith("figure-7")]
    if heads:
        yield IMAGES / "two-class-heads.png", _digest(heads), partial(figures.draw_heads, heads)


def _results() -> list[Result]:
    return read_results(RESULTS)


def _finished(paper: PaperName) -> Iterator[tuple[PaperRow, Result]]:
    """Yield the results of a paper in the order of its rows; fine-tuned before frozen."""
    for row in ROWS:
        for result in _results():
            if row.paper == paper and result.row == row.name:
                yield row, result


def _split(row: PaperRow) -> str:
    if isinstance(row.split, Folds):
        return f"{row.split.count}-fold cross-validation"
    test = ", ".join(f"{name} {count}" for name, count in zip(row.recipe.classes, row.split.test, strict=True))
    return f"test: {test}; training: {'/'.join(map(str, row.split.train)) if row.split.train else 'the rest'}"


def _side(result: Result, side: str) -> SideResult:
    return result.sides["published" if side == "published" else "grouped"]


def _about(row: PaperRow, result: Result) -> str:
    shared = _side(result, "published").shared_patients
    shortened = "" if result.epochs == result.planned_epochs else ", shortened by a budget of time"
    backbone = {
        "frozen": "Only the head was trained, on features of the frozen ImageNet backbone.",
        "fine-tuned": "The whole network was trained.",
    }[result.backbone]
    if result.weights:
        backbone += f" {result.weights}"
    trained = " and ".join(
        f"{'/'.join(map(str, _side(result, side).train_images))} ({words})"
        for side, words in zip(_SIDES, ("shuffled", "grouped"), strict=True)
    )
    return (
        f"`{row.name}`: {result.test_images} test images of {result.patients} patients; training images {trained}. "
        f"{backbone} {result.epochs} of {result.planned_epochs} epochs{shortened}. Shuffled, {shared} test images "
        f"({shared / result.test_images:.0%}) show a patient whom the network was trained on; grouped, none."
    )


def _beside(row: PaperRow, result: Result) -> Iterator[tuple[str, ...]]:
    """Yield a line for each published figure, then accuracy and AUC where the paper states none."""
    stated = [(figure.measure, figure.value, figure.where) for figure in row.published]
    named = {measure for measure, _, _ in stated}
    for measure, theirs, where in [*stated, *((name, None, "") for name in ("accuracy", "auc") if name not in named)]:
        line = [f"{measure} ({where})" if where else measure, "not stated" if theirs is None else f"{theirs:g}"]
        for side in _SIDES:
            ours = _side(result, side).measures[measure]
            line += [_show(ours), "" if theirs is None else _show(_less(ours, theirs), signed=True)]
        yield (*line, _show(result.leakage[measure], signed=True))


def _reports(result: Result) -> Iterator[str]:
    """Yield the classification report of either protocol, laid out as table 2 of the three-class paper."""
    classes, total = result.recipe["classes"], str(result.test_images)
    for side, words in zip(_SIDES, ("images shuffled", "grouped by patient"), strict=True):
        measures = _side(result, side).measures
        lines = [
            (name, *(_show(measures[f"{name} {cell}"]) for cell in _CELLS), support)
            for name, support in zip(
                [*classes, "macro avg", "weighted avg"], [*map(str, result.support), total, total], strict=True
            )
        ]
        lines.insert(len(classes), ("accuracy", "", "", _show(measures["accuracy"]), total))
        others = "; ".join(f"{name} {_show(measures[name])}" for name in ("sensitivity", "specificity", "auc"))
        yield f"Classification report, {words} (means over the classes, each against the rest: {others}):"
        yield table(("class", *_CELLS, "support"), lines)


def _less(estimate: Estimate, theirs: float) -> Estimate:
    return Estimate(estimate.value - theirs, estimate.low - theirs, estimate.high - theirs)


def _show(estimate: Estimate, *, signed: bool = False) -> str:
    # Counts of images need no decimals.
    decimals = 0 if abs(estimate.high) > 2 else 3
    sign = "+" if signed else ""
    parts = (round(part, decimals) + 0.0 for part in (estimate.value, estimate.low, estimate.high))  # no -0.000
    value, low, high = (f"{part:{sign}.{decimals}f}" for part in parts)
    return f"{value} ({low} to {high})"


def _stem(result: Result) -> str:
    paper = next(row.paper for row in ROWS if row.name == result.row)
    return f"{paper}-{result.backbone}"


def _picture(result: Result, kind: str) -> str:
    return _link(f"{result.backbone}-{kind}", next(row.paper for row in ROWS if row.name == result.row))


def _link(name: str, paper: str = "two-class") -> str:
    alternatives = {
        "heads": "Validation accuracy of the heads by epoch",
        "curves": "Accuracy and loss by epoch",
        "confusion": "Confusion matrices",
        "roc": "ROC curves",
    }
    return f"![{alternatives[name.rpartition('-')[2]]}](images/{paper}-{name}.png)"


def _digest(results: list[Result]) -> str:
    content = b"".join((RESULTS / f"{result.name}.json").read_bytes() for result in results)
    return hashlib.sha256(content).hexdigest()
