"""The papers' figures of merit, under one protocol and the other, with intervals over patients.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata  # type: ignore[import-untyped]
from sklearn.metrics import roc_curve

from models.measurements import Estimate
from training.measuring.metrics import bootstrap

_MOST_POINTS = 80


def measure(
    probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64], classes: Sequence[str]
) -> dict[str, float]:
    """Return every cell of a classification report, and sensitivity, specificity, AUC and the counts of two classes.

    Of more than two classes, ``sensitivity`` and ``specificity`` are means over the classes, each against the rest, and
    so is ``auc``; of two, the second class is the positive one. Plain arithmetic on the confusion matrix, equal to
    scikit-learn's report (a test says so): its checks of each input would make a thousand replicates take minutes.
    """
    count = len(classes)
    called_N = probabilities_NK.argmax(axis=1)
    counts_KK = np.bincount(targets_N * count + called_N, minlength=count * count).reshape(count, count)
    right_K, support_K, called_K = counts_KK.diagonal(), counts_KK.sum(axis=1), counts_KK.sum(axis=0)
    cells_K = {
        "precision": right_K / np.maximum(called_K, 1),
        "recall": right_K / np.maximum(support_K, 1),
        "f1-score": 2 * right_K / np.maximum(called_K + support_K, 1),
    }
    figures: dict[str, float] = {}
    for cell, values_K in cells_K.items():
        figures |= {f"{name} {cell}": float(value) for name, value in zip(classes, values_K, strict=True)}
        figures[f"macro avg {cell}"] = float(values_K.mean())
        figures[f"weighted avg {cell}"] = float(values_K @ support_K / support_K.sum())
    figures["accuracy"] = float(right_K.sum() / support_K.sum())
    others_K = np.maximum(support_K.sum() - support_K, 1)
    specificity_K = 1 - (called_K - right_K) / others_K
    positive = slice(1, 2) if count == 2 else slice(None)
    figures["sensitivity"] = float(cells_K["recall"][positive].mean())
    figures["specificity"] = float(specificity_K[positive].mean())
    figures["auc"] = float(
        np.mean([_auc(probabilities_NK[:, target], targets_N == target) for target in range(count)[positive]])
    )
    if count == 2:
        figures |= {
            f"{truth} called {call}": float(counts_KK[row, column])
            for row, truth in enumerate(classes)
            for column, call in enumerate(classes)
        }
    return figures


def compare(
    published_NK: NDArray[np.float64],
    grouped_NK: NDArray[np.float64],
    targets_N: NDArray[np.int64],
    groups_N: NDArray[np.str_],
    classes: Sequence[str],
) -> dict[str, dict[str, Estimate]]:
    """Return the figures ``published``, ``grouped`` and their difference ``leakage``, of the same images.

    Patients are drawn once for both protocols, so that the difference does not carry the spread of the images twice.
    """

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        published = measure(published_NK[rows], targets_N[rows], classes)
        grouped = measure(grouped_NK[rows], targets_N[rows], classes)
        found = {f"published/{name}": value for name, value in published.items()}
        found |= {f"grouped/{name}": value for name, value in grouped.items()}
        return found | {f"leakage/{name}": published[name] - grouped[name] for name in published}

    sides: dict[str, dict[str, Estimate]] = {"published": {}, "grouped": {}, "leakage": {}}
    for key, estimate in bootstrap(of, groups_N).items():
        side, _, name = key.partition("/")
        sides[side][name] = estimate
    return sides


def roc_curves(
    probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64], classes: Sequence[str]
) -> Mapping[str, list[list[float]]]:
    """Return false and true positive rates of each class against the rest (of two classes, of the second alone)."""
    curves = {}
    for target, name in list(enumerate(classes))[1 if len(classes) == 2 else 0 :]:
        false_rate, true_rate, _ = roc_curve(targets_N == target, probabilities_NK[:, target])
        kept = np.unique(np.linspace(0, len(false_rate) - 1, _MOST_POINTS).astype(int))
        curves[name] = [np.round(rate[kept], 4).tolist() for rate in (false_rate, true_rate)]
    return curves


def _auc(p_N: NDArray[np.float64], truth_N: NDArray[np.bool_]) -> float:
    """Return the share of pairs in which the true one has the larger probability (Mann and Whitney)."""
    positive = int(truth_N.sum())
    negative = len(truth_N) - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(p_N)[truth_N].sum()
    return float((ranks - positive * (positive + 1) / 2) / (positive * negative))
