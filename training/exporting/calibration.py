"""What turns logits into probabilities and probabilities into decisions: fitted on val, by patient group.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from models.card import Calibration, OperatingPoint, OperatingPointName, PneumoniaCalibration, Promise
from models.decision import calibrate, pneumonia_margin
from models.measurements import Estimate
from models.naming import NamingRow
from training.measuring.metrics import bootstrap, known_only, share

_PROMISES: dict[OperatingPointName, Promise] = {
    "rule-in": Promise(missed=0.05, alarmed=0.01),
    "balanced": Promise(missed=0.025, alarmed=0.05),
    "rule-out": Promise(missed=0.01, alarmed=0.1),
}
"""Alarms are read by somebody and then dismissed, misses are not: only rule-in spares the one more than the other."""
_TYPE_ACCURACY = 0.95
_LEADS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
"""From which leads the card says what naming would do."""


def fit(logits_NK: NDArray[np.float32], targets_N: NDArray[np.int64], pneumonia: tuple[int, ...]) -> Calibration:
    """Fit P(pneumonia) by itself, and how it is shared out among the types, by maximum likelihood.

    One temperature for all classes would be ruled by bacterial against viral, where labels contradict each other, and
    would leave P(pneumonia) too timid.

    References
    ----------
    Platt, Probabilistic outputs for support vector machines, 1999; Guo and others, On calibration of modern neural
    networks, ICML 2017, section 4 (temperature and vector scaling)
    """
    truth_N = np.isin(targets_N, pneumonia)
    margin_N = pneumonia_margin(logits_NK, pneumonia)
    # Where the truths do not overlap the slope has no maximum: the weak pull of C keeps it finite.
    fitted = LogisticRegression(C=10.0, solver="newton-cholesky").fit(margin_N[:, None], truth_N)
    apart = PneumoniaCalibration(round(float(fitted.coef_[0, 0]), 6), round(float(fitted.intercept_[0]), 6))
    temperature, bias = _fit_types(logits_NK, targets_N, pneumonia)
    return Calibration(temperature, bias, round(float(truth_N.mean()), 4), apart)


def _fit_types(
    logits_NK: NDArray[np.float32], targets_N: NDArray[np.int64], pneumonia: tuple[int, ...]
) -> tuple[float, tuple[float, ...]]:
    """Return one temperature, and one bias for each class, that share out what pneumonia there is and what is not.

    A slight pull towards no bias decides what the data leave open.
    """
    inside_K = np.isin(np.arange(logits_NK.shape[1]), pneumonia)
    same_NK = inside_K[None] == inside_K[targets_N][:, None]

    def loss(parameters: NDArray[np.float64]) -> float:
        scaled = logits_NK.astype(np.float64) * np.exp(parameters[0]) + parameters[1:]
        scaled = np.where(same_NK, scaled, -np.inf)
        largest = scaled.max(axis=1)
        normaliser = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        fitted = (normaliser - scaled[np.arange(len(scaled)), targets_N]).mean()
        return float(fitted + 1e-3 * (parameters[1:] ** 2).sum() + 1e-6 * parameters[0] ** 2)

    found = minimize(loss, np.zeros(logits_NK.shape[1] + 1), method="L-BFGS-B").x
    return round(float(np.exp(-found[0])), 6), tuple(round(float(value), 6) for value in found[1:])


def cross_fit(
    logits_NK: NDArray[np.float32],
    targets_N: NDArray[np.int64],
    groups_N: NDArray[np.str_],
    pneumonia: tuple[int, ...],
    restyled: Sequence[NDArray[np.float32]] = (),
) -> tuple[NDArray[np.float64], ...]:
    """Return probabilities (N x K) of each fifth of the patients, calibrated on the others.

    Parameters
    ----------
    restyled
        Logits of the same images re-rendered, NaN where they were not; their probabilities follow, by the same
        calibrations.
    """
    sets = (logits_NK, *restyled)
    found = tuple(np.empty(logits.shape, dtype=np.float64) for logits in sets)
    for others, fifth in GroupKFold(5).split(logits_NK, targets_N, groups_N):
        calibration = fit(logits_NK[others], targets_N[others], pneumonia)
        for logits, probabilities_NK in zip(sets, found, strict=True):
            probabilities_NK[fifth] = calibrate(logits[fifth], calibration, pneumonia)
    return found


def operating_points(
    p_N: NDArray[np.float64],
    truth_N: NDArray[np.bool_],
    groups_N: NDArray[np.str_],
    restyled: Sequence[NDArray[np.float64]] = (),
) -> tuple[OperatingPoint, ...]:
    """Choose the indeterminate band of each operating point on the worst of the images as they are and re-rendered.

    The lower limit lets at most the promised share of pneumonia be called negative, the upper limit at most the
    promised share of normals be called positive; where the classes are so well apart that the limits cross, they
    change places.

    Parameters
    ----------
    restyled
        P(pneumonia) of the same images in other machines' styles; NaN where they were not rendered.
    """
    points = []
    for name, promise in _PROMISES.items():
        misses_few = min(float(np.nanquantile(p[truth_N], promise.missed)) for p in (p_N, *restyled))
        alarms_few = max(float(np.nanquantile(p[~truth_N], 1 - promise.alarmed)) for p in (p_N, *restyled))
        lower, upper = (float(np.clip(p, 0.01, 0.99)) for p in sorted((misses_few, alarms_few)))
        lower, upper = round(lower, 4), round(upper, 4)
        shares = _shares(p_N, truth_N, groups_N, lower, upper)
        points.append(OperatingPoint(name, lower, upper, **shares, promise=promise))
    return tuple(points)


def type_margin(
    kinds: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], is_viral_N: NDArray[np.bool_]
) -> float:
    """Return the smallest lead, as a share of P(pneumonia), beyond which naming the type is right in 95 % of cases.

    Parameters
    ----------
    kinds
        P(bacterial) and P(viral) of the same pneumonia images, as they are and in other machines' styles, NaN where not
        rendered: it is right that often in each of them. 1 where no lead is enough: then hardly any type is named.
    """
    leads, rights = _leads(kinds, is_viral_N)
    for margin in np.arange(0.0, 1.0, 0.01):
        named = [(right_N[lead_N >= margin]) for lead_N, right_N in zip(leads, rights, strict=True)]
        if all(len(right) and right.mean() >= _TYPE_ACCURACY for right in named):
            return round(float(margin), 2)
    return 1.0


def naming(
    kinds: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    is_viral_N: NDArray[np.bool_],
    groups_N: NDArray[np.str_],
) -> tuple[NamingRow, ...]:
    """Return what each of some leads would name, and how often rightly; arguments as of :func:`type_margin`."""
    leads, rights = _leads(kinds, is_viral_N)
    return tuple(_naming_row(lead, leads, rights, groups_N) for lead in _LEADS)


def _naming_row(
    lead: float, leads: Sequence[NDArray[np.float64]], rights: Sequence[NDArray[np.bool_]], groups_N: NDArray[np.str_]
) -> NamingRow:
    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        parts = (share(right_N[rows], lead_N[rows] >= lead) for lead_N, right_N in zip(leads, rights, strict=True))
        return {"named": float((leads[0][rows] >= lead).mean()), **{str(kind): part for kind, part in enumerate(parts)}}

    found = known_only(bootstrap(of, groups_N))
    styles = [found[str(kind)] for kind in range(1, len(leads)) if str(kind) in found]
    worst = min(styles, key=lambda estimate: estimate.value, default=None)
    return NamingRow(lead, found["named"], found.get("0"), worst)


def _leads(
    kinds: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], is_viral_N: NDArray[np.bool_]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.bool_]]]:
    """Return, for each kind, the lead of the likelier type as a share of P(pneumonia), and whether it is the label."""
    leads = [np.abs(bacterial - viral) / np.maximum(bacterial + viral, 1e-12) for bacterial, viral in kinds]
    return leads, [(viral > bacterial) == is_viral_N for bacterial, viral in kinds]


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
