"""Confusion matrix, ROC curve and reliability diagram as PNG; images under heat map or lung field."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from sklearn.calibration import calibration_curve
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay

from models.card import Card
from training.measuring.evaluation import Evaluation
from training.measuring.shortcuts import LungFields

mpl.use("Agg")  # no window: these run on servers

from matplotlib import pyplot as plt


def write_figures(evaluation: Evaluation, card: Card, folder: Path) -> list[Path]:
    """Write ``confusion.png``, ``roc.png`` and ``reliability.png`` to the folder and return their paths."""
    pneumonia = list(card.pneumonia_classes)
    truth_N = np.isin(evaluation.targets_N, pneumonia)
    p_N = np.clip(evaluation.probabilities_NK[:, pneumonia].sum(axis=1), 0, 1)
    paths = [folder / name for name in ("confusion.png", "roc.png", "reliability.png")]
    _confusion(evaluation, paths[0])
    _roc(p_N, truth_N, paths[1])
    _reliability(p_N, truth_N, paths[2])
    return paths


def write_heat_map(display_HW: NDArray[np.float32], cam_HW: NDArray[np.float32], caption: str, path: Path) -> None:
    """Write the image beside itself under the heat map; opacity follows the map's fixed scale."""
    rows, columns = display_HW.shape
    enlarged = Image.fromarray(cam_HW).resize((columns, rows), Image.Resampling.BICUBIC)
    cam = np.clip(np.asarray(enlarged, dtype=np.float32), 0, 1)
    figure, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained")
    for axis in axes:
        axis.imshow(display_HW, cmap="gray", vmin=0, vmax=1)
        axis.set_axis_off()
    axes[1].imshow(cam, cmap="inferno", vmin=0, vmax=1, alpha=0.6 * cam)
    figure.suptitle(f"{caption}\nResearch use only; not a medical device.", fontsize=10)
    _save(figure, path)


def write_lung_fields(pixels_NHW: NDArray[np.float32], found: LungFields, path: Path, count: int = 24) -> None:
    """Write images spread over the set under the outline of their lung field, dashed where it is borrowed."""
    chosen = np.linspace(0, len(pixels_NHW) - 1, min(count, len(pixels_NHW))).astype(int)
    figure, axes = plt.subplots(-(-len(chosen) // 8), 8, figsize=(16, 6), layout="constrained", squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, index in zip(axes.flat, chosen, strict=False):
        axis.imshow(pixels_NHW[index], cmap="gray", vmin=0, vmax=1)
        field = found.found[index]
        style = "dashed" if field is None or field.borrowed else "solid"
        axis.contour(found.fields_NHW[index], levels=[0.5], colors="tab:green", linestyles=style, linewidths=1)
    _save(figure, path)


def write_failures(failures: Sequence[tuple[str, NDArray[np.float32], NDArray[np.float32]]], path: Path) -> None:
    """Write captions and images (H x W) in two rows, beside and under their heat maps."""
    figure, axes = plt.subplots(2, max(len(failures), 1), figsize=(3 * max(len(failures), 1), 6.6), squeeze=False)
    for (above, below), (caption, display_HW, cam_HW) in zip(axes.T, failures, strict=False):
        extent = (0.0, display_HW.shape[1], display_HW.shape[0], 0.0)
        for axis in (above, below):
            axis.imshow(display_HW, cmap="gray", vmin=0, vmax=1)
        below.imshow(cam_HW, cmap="inferno", vmin=0, vmax=1, alpha=0.5, extent=extent, interpolation="bicubic")
        above.set_title(caption, fontsize=7)
    for axis in axes.flat:
        axis.set_axis_off()
    _save(figure, path)


def _confusion(evaluation: Evaluation, path: Path) -> None:
    figure, axis = plt.subplots(figsize=(4.5, 4), layout="constrained")
    ConfusionMatrixDisplay(evaluation.confusion, display_labels=evaluation.classes).plot(
        ax=axis, cmap="Blues", colorbar=False
    )
    _save(figure, path)


def _roc(p_N: NDArray[np.float64], truth_N: NDArray[np.bool_], path: Path) -> None:
    figure, axis = plt.subplots(figsize=(4.5, 4), layout="constrained")
    RocCurveDisplay.from_predictions(truth_N, p_N, ax=axis, name="pneumonia", plot_chance_level=True)
    _save(figure, path)


def _reliability(p_N: NDArray[np.float64], truth_N: NDArray[np.bool_], path: Path) -> None:
    observed, predicted = calibration_curve(truth_N, p_N, n_bins=10, strategy="quantile")
    figure, axis = plt.subplots(figsize=(4.5, 4), layout="constrained")
    axis.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axis.plot(predicted, observed, marker="o")
    axis.set(
        xlabel="P(pneumonia), mean of ten bins of equal mass", ylabel="share of pneumonia", xlim=(0, 1), ylim=(0, 1)
    )
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=120)
    plt.close(figure)
