"""Figures of merit with intervals, from calibrated probabilities.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from models.card import Estimate

REPLICATES = 1000
_BINS = 10


def measure(
    probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64], pneumonia: Sequence[int]
) -> dict[str, float]:
    """Return all figures for one set of images.

    ``accuracy`` is of the most probable class; ``pneumonia accuracy``, ``sensitivity`` and ``specificity`` ask whether
    the most probable class is a pneumonia class; ``brier`` and ``ece`` (ten bins of equal mass) judge P(pneumonia).
    """
    chosen_N = probabilities_NK.argmax(axis=1)
    truth_N, called_N = np.isin(targets_N, pneumonia), np.isin(chosen_N, pneumonia)
    p_N = np.clip(probabilities_NK[:, list(pneumonia)].sum(axis=1), 0, 1)
    return {
        "accuracy": float((chosen_N == targets_N).mean()),
        "pneumonia accuracy": float((called_N == truth_N).mean()),
        "auc": float(roc_auc_score(truth_N, p_N)) if 0 < truth_N.sum() < len(truth_N) else float("nan"),
        "sensitivity": _share(called_N, truth_N),
        "specificity": _share(~called_N, ~truth_N),
        "negative log-likelihood": float(
            log_loss(targets_N, np.clip(probabilities_NK, 1e-12, 1), labels=np.arange(probabilities_NK.shape[1]))
        ),
        "brier": float(brier_score_loss(truth_N, p_N, pos_label=True)) if len(truth_N) else float("nan"),
        "ece": calibration_error(p_N, truth_N),
    }


def measure_with_intervals(
    probabilities_NK: NDArray[np.float64],
    targets_N: NDArray[np.int64],
    groups_N: NDArray[np.str_],
    pneumonia: Sequence[int],
) -> dict[str, Estimate]:
    """Return the figures of :func:`measure` with their 95 % intervals."""

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        return measure(probabilities_NK[rows], targets_N[rows], pneumonia)

    return bootstrap(of, groups_N)


def bootstrap(
    of: Callable[[NDArray[np.int64]], dict[str, float]], groups_N: NDArray[np.str_], seed: int = 1
) -> dict[str, Estimate]:
    """Return what ``of`` says of all rows, with percentile intervals over resampled patient groups.

    Images of one patient resemble each other: resampling images instead of groups would make the intervals too narrow.
    """
    generator = np.random.default_rng(seed)
    _, member_N = np.unique(groups_N, return_inverse=True)
    rows_by_group = [np.flatnonzero(member_N == group) for group in range(member_N.max() + 1)]
    replicates = []
    for _ in range(REPLICATES):
        drawn = generator.integers(len(rows_by_group), size=len(rows_by_group))
        replicates.append(of(np.concatenate([rows_by_group[group] for group in drawn])))
    estimates = {}
    for name, value in of(np.arange(len(groups_N))).items():
        low, high = np.nanpercentile([replicate[name] for replicate in replicates], [2.5, 97.5])
        estimates[name] = Estimate(round(value, 4), round(float(low), 4), round(float(high), 4))
    return estimates


def calibration_error(p_N: NDArray[np.float64], truth_N: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal mass."""
    order = np.argsort(p_N, kind="stable")
    bins = [rows for rows in np.array_split(order, _BINS) if len(rows)]
    gaps = [len(rows) * abs(p_N[rows].mean() - truth_N[rows].mean()) for rows in bins]
    return float(sum(gaps) / len(p_N))


def _share(called_N: NDArray[np.bool_], among_N: NDArray[np.bool_]) -> float:
    return float(called_N[among_N].mean()) if among_N.any() else float("nan")
