"""What turns logits into probabilities and probabilities into decisions: fitted on val, by patient group.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.model_selection import GroupKFold

from models.card import Calibration, OperatingPoint, OperatingPointName
from models.decision import calibrate
from models.measurements import Estimate
from training.measuring.metrics import bootstrap

_TARGETS: dict[OperatingPointName, tuple[float, float]] = {
    "rule-in": (0.95, 0.99),
    "balanced": (0.975, 0.975),
    "rule-out": (0.99, 0.95),
}
"""For each point, the share of pneumonia that is not called negative, and of normals that is not called positive."""
_TYPE_ACCURACY = 0.9


def fit(logits_NK: NDArray[np.float32], targets_N: NDArray[np.int64], pneumonia: tuple[int, ...]) -> Calibration:
    """Fit one temperature and one bias for each class by maximum likelihood, with a slight pull towards no bias."""
    classes = logits_NK.shape[1]

    def loss(parameters: NDArray[np.float64]) -> float:
        scaled = logits_NK.astype(np.float64) * np.exp(parameters[0]) + parameters[1:]
        largest = scaled.max(axis=1)
        normaliser = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        fitted = (normaliser - scaled[np.arange(len(scaled)), targets_N]).mean()
        return float(fitted + 1e-3 * (parameters[1:] ** 2).sum())

    found = minimize(loss, np.zeros(classes + 1), method="L-BFGS-B").x
    prevalence = float(np.isin(targets_N, pneumonia).mean())
    bias = tuple(round(float(value), 6) for value in found[1:])
    return Calibration(round(float(np.exp(-found[0])), 6), bias, round(prevalence, 4))


def cross_fit(
    logits_NK: NDArray[np.float32],
    targets_N: NDArray[np.int64],
    groups_N: NDArray[np.str_],
    pneumonia: tuple[int, ...],
) -> NDArray[np.float64]:
    """Return probabilities (N x K) of each fifth of the patients, calibrated on the others."""
    probabilities_NK = np.empty(logits_NK.shape, dtype=np.float64)
    for others, fifth in GroupKFold(5).split(logits_NK, targets_N, groups_N):
        probabilities_NK[fifth] = calibrate(logits_NK[fifth], fit(logits_NK[others], targets_N[others], pneumonia))
    return probabilities_NK


def operating_points(
    p_N: NDArray[np.float64], truth_N: NDArray[np.bool_], groups_N: NDArray[np.str_]
) -> tuple[OperatingPoint, ...]:
    """Choose the indeterminate band of each operating point.

    The lower limit lets at most the stated share of pneumonia be called negative, the upper limit at most the stated
    share of normals be called positive; where the classes are so well apart that the limits cross, they change places.
    """
    points = []
    for name, (kept_positive, kept_negative) in _TARGETS.items():
        misses_few = float(np.quantile(p_N[truth_N], 1 - kept_positive))
        alarms_few = float(np.quantile(p_N[~truth_N], kept_negative))
        lower, upper = (float(np.clip(p, 0.01, 0.99)) for p in sorted((misses_few, alarms_few)))
        lower, upper = round(lower, 4), round(upper, 4)
        points.append(OperatingPoint(name, lower, upper, **_shares(p_N, truth_N, groups_N, lower, upper)))
    return tuple(points)


def type_margin(bacterial_N: NDArray[np.float64], viral_N: NDArray[np.float64], is_viral_N: NDArray[np.bool_]) -> float:
    """Return the smallest lead, as a share of P(pneumonia), beyond which naming the type is right in 90 % of cases."""
    lead_N = np.abs(bacterial_N - viral_N) / np.maximum(bacterial_N + viral_N, 1e-12)
    right_N = (viral_N > bacterial_N) == is_viral_N
    for margin in np.arange(0.0, 1.0, 0.05):
        named_N = lead_N >= margin
        if named_N.any() and right_N[named_N].mean() >= _TYPE_ACCURACY:
            return round(float(margin), 2)
    return 1.0


def _shares(
    p_N: NDArray[np.float64], truth_N: NDArray[np.bool_], groups_N: NDArray[np.str_], lower: float, upper: float
) -> dict[str, Estimate]:
    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        p, truth = p_N[rows], truth_N[rows]
        return {
            "sensitivity": float((p[truth] >= upper).mean()),
            "specificity": float((p[~truth] < lower).mean()),
            "indeterminate": float(((p >= lower) & (p < upper)).mean()),
        }

    return bootstrap(of, groups_N)
