"""Figures of merit with intervals, from calibrated probabilities.

A bootstrap asks for each of them a thousand times: scikit-learn's own, which check their input each time, take twenty
times as long, and are what the tests compare with.
Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata  # type: ignore[import-untyped]

from models.measurements import Estimate

REPLICATES = 1000
_BINS = 10


def measure(
    probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64], pneumonia: Sequence[int]
) -> dict[str, float]:
    """Return all figures for one set of images: those of :func:`discrimination`, and how far P can be believed.

    ``brier`` and ``ece`` (ten bins of equal mass) judge P(pneumonia), the negative log-likelihood all classes.
    """
    truth_N = np.isin(targets_N, pneumonia)
    p_N = p_pneumonia(probabilities_NK, pneumonia)
    of_label_N = probabilities_NK[np.arange(len(targets_N)), targets_N]
    return {
        **discrimination(probabilities_NK, targets_N, pneumonia),
        "negative log-likelihood": float(-np.log(np.clip(of_label_N, 1e-12, 1)).mean()),
        "brier": float(((p_N - truth_N) ** 2).mean()),
        "ece": calibration_error(p_N, truth_N),
    }


def discrimination(
    probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64], pneumonia: Sequence[int]
) -> dict[str, float]:
    """Return how well the classes are told apart; a figure that lacks a class is NaN.

    ``accuracy`` is of the most probable class; ``pneumonia accuracy``, ``sensitivity`` and ``specificity`` ask whether
    the most probable class is a pneumonia class.
    """
    chosen_N = probabilities_NK.argmax(axis=1)
    truth_N, called_N = np.isin(targets_N, pneumonia), np.isin(chosen_N, pneumonia)
    return {
        "accuracy": float((chosen_N == targets_N).mean()),
        "pneumonia accuracy": float((called_N == truth_N).mean()),
        "auc": area_under_curve(p_pneumonia(probabilities_NK, pneumonia), truth_N),
        "sensitivity": share(called_N, truth_N),
        "specificity": share(~called_N, ~truth_N),
    }


def area_under_curve(p_N: NDArray[np.float64], truth_N: NDArray[np.bool_]) -> float:
    """Return the share of pairs of one image of each truth that P puts in order, ties counting half; NaN without pairs.

    By the ranks, as Mann and Whitney have it.

    References
    ----------
    Hanley and McNeil, The meaning and use of the area under a receiver operating characteristic curve, Radiology 143,
    1982
    """
    positives, negatives = int(truth_N.sum()), int((~truth_N).sum())
    if not positives or not negatives:
        return float("nan")
    above = rankdata(p_N)[truth_N].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def p_pneumonia(probabilities_NK: NDArray[np.float64], pneumonia: Sequence[int]) -> NDArray[np.float64]:
    """Return P(pneumonia), the sum over the pneumonia classes, for each image."""
    p_N: NDArray[np.float64] = np.clip(probabilities_NK[:, list(pneumonia)].sum(axis=1), 0, 1)
    return p_N


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

    References
    ----------
    Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13 (percentile intervals)
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
        known = [replicate[name] for replicate in replicates if not np.isnan(replicate[name])]
        low, high = np.percentile(known, [2.5, 97.5]) if known else (np.nan, np.nan)
        estimates[name] = Estimate(round(value, 4), round(float(low), 4), round(float(high), 4))
    return estimates


def known_only(estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the figures that the images could give: neither value nor interval is NaN, which no card can hold."""
    return {name: found for name, found in estimates.items() if not np.isnan([found.value, found.low]).any()}


def calibration_error(p_N: NDArray[np.float64], truth_N: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten bins of equal mass.

    References
    ----------
    Guo and others, On calibration of modern neural networks, ICML 2017, section 2, with bins of equal mass
    """
    order = np.argsort(p_N, kind="stable")
    bins = [rows for rows in np.array_split(order, _BINS) if len(rows)]
    gaps = [len(rows) * abs(p_N[rows].mean() - truth_N[rows].mean()) for rows in bins]
    return float(sum(gaps) / len(p_N))


def share(called_N: NDArray[np.bool_], among_N: NDArray[np.bool_]) -> float:
    """Return the share of the images ``among_N`` that are called; NaN when there is none."""
    return float(called_N[among_N].mean()) if among_N.any() else float("nan")
