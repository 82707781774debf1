"""The papers' figures of our runs as small PNGs: curves, confusion matrices, ROC curves, heads compared."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import ConfusionMatrixDisplay

from training.papers.results import Result
from training.papers.rows import Protocol

mpl.use("Agg")  # no window: these run on servers

from matplotlib import pyplot as plt

SIDES: dict[Protocol, str] = {"published": "images shuffled", "grouped": "grouped by patient"}
"""The protocols in a reader's words."""
_COLOURS: dict[Protocol, str] = {"published": "tab:orange", "grouped": "tab:blue"}


def draw_curves(result: Result) -> Figure:
    """Draw accuracy and loss by epoch, of training and test images: figures 4 and 5 of the three-class paper."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, key in zip(axes, ("accuracy", "loss"), strict=True):
        for side, label in SIDES.items():
            curve = result.sides[side].curve
            epochs = [row["epoch"] for row in curve]
            style = {"color": _COLOURS[side], "marker": "." if len(epochs) < 5 else ""}
            axis.plot(epochs, [row[f"val_{key}"] for row in curve], label=f"test, {label}", **style)
            axis.plot(epochs, [row[key] for row in curve], linestyle=":", label=f"training, {label}", **style)
        axis.set(xlabel="epoch", ylabel=key)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    return figure


def draw_confusion(result: Result) -> Figure:
    """Draw counts by true and called class: figure 6 of the three-class paper, table III of the other."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
    for axis, (side, label) in zip(axes, SIDES.items(), strict=True):
        counts = np.array(result.sides[side].confusion)
        shown = ConfusionMatrixDisplay(counts, display_labels=result.recipe["classes"])
        shown.plot(ax=axis, cmap="Blues", colorbar=False)
        axis.set(title=label, xlabel="called", ylabel="truth")
    return figure


def draw_roc(result: Result) -> Figure:
    """Draw ROC curves, of each class against the rest where there are three."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
    for axis, (side, label) in zip(axes, SIDES.items(), strict=True):
        for name, (false_rate, true_rate) in result.sides[side].roc.items():
            axis.plot(false_rate, true_rate, label=name)
        axis.plot([0, 1], [0, 1], linestyle=":", color="grey")
        auc = result.sides[side].measures["auc"].value
        axis.set(title=f"{label}, AUC {auc:.3f}", xlabel="false positive rate", ylabel="true positive rate")
        axis.legend(loc="lower right", fontsize=8)
    return figure


def draw_heads(results: Sequence[Result]) -> Figure:
    """Draw validation accuracy by epoch of several heads: figure 7 of the two-class paper."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
    for axis, (side, label) in zip(axes, SIDES.items(), strict=True):
        for result in results:
            _plot_accuracy(axis, result, side)
        axis.set(title=label, xlabel="epoch", ylabel="validation accuracy")
        axis.grid(alpha=0.3)
    axes[1].legend(loc="lower right", fontsize=8)
    return figure


def save(figure: Figure, path: Path, source: str) -> None:
    """Write a PNG that names what it was drawn from."""
    figure.savefig(path, dpi=80, metadata={"Source": source, "Software": None})
    plt.close(figure)


def _plot_accuracy(axis: Axes, result: Result, side: Protocol) -> None:
    curve = result.sides[side].curve
    axis.plot([row["epoch"] for row in curve], [row["val_accuracy"] for row in curve], label=result.recipe["head"])
