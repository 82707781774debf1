"""From calibrated probabilities to what a report asserts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.card import Calibration, Card, FindingName

OutcomeName = Literal["positive", "negative", "indeterminate"]
PneumoniaType = Literal["bacterial pneumonia", "viral pneumonia"]


@dataclass(frozen=True)
class Decision:
    """What follows from one image's probabilities at an operating point.

    Attributes
    ----------
    p_pneumonia
        P(pneumonia) in [0, 1] at :attr:`prevalence`.
    pneumonia_type
        Named for a positive image whose two types differ by the card's margin; else None.
    lower, upper
        The limits of the indeterminate band that :attr:`p_pneumonia` was compared with.
    prevalence
        The share of pneumonia that :attr:`p_pneumonia` assumes.
    """

    outcome: OutcomeName
    p_pneumonia: float
    pneumonia_type: PneumoniaType | None
    lower: float
    upper: float
    prevalence: float


def calibrate(
    logits_NK: NDArray[np.float32], calibration: Calibration, pneumonia: Sequence[int]
) -> NDArray[np.float64]:
    """Return probabilities (N x K, float64, rows sum to 1) from raw logits.

    Parameters
    ----------
    pneumonia
        Indices of the classes that mean pneumonia.
    """
    scaled_NK = logits_NK.astype(np.float64) / calibration.temperature + np.asarray(calibration.bias)
    apart = calibration.pneumonia
    if apart is None:
        return _softmax(scaled_NK)
    p_N1 = 1 / (1 + np.exp(-(apart.slope * pneumonia_margin(logits_NK, pneumonia) + apart.intercept)))[:, None]
    others = [index for index in range(logits_NK.shape[1]) if index not in pneumonia]
    probabilities_NK: NDArray[np.float64] = np.empty_like(scaled_NK)
    for columns, total_N1 in ((list(pneumonia), p_N1), (others, 1 - p_N1)):
        probabilities_NK[:, columns] = total_N1 * _softmax(scaled_NK[:, columns])
    return probabilities_NK


def pneumonia_margin(logits_NK: NDArray[np.float32], pneumonia: Sequence[int]) -> NDArray[np.float64]:
    """Return the logarithm (N) of the raw odds of pneumonia."""
    exact_NK = logits_NK.astype(np.float64)
    others = [index for index in range(logits_NK.shape[1]) if index not in pneumonia]
    margin_N: NDArray[np.float64] = np.logaddexp.reduce(exact_NK[:, list(pneumonia)], axis=1) - np.logaddexp.reduce(
        exact_NK[:, others], axis=1
    )
    return margin_N


def _softmax(scaled_NK: NDArray[np.float64]) -> NDArray[np.float64]:
    raised_NK = np.exp(scaled_NK - scaled_NK.max(axis=1, keepdims=True))
    probabilities_NK: NDArray[np.float64] = raised_NK / raised_NK.sum(axis=1, keepdims=True)
    return probabilities_NK


def shift_prevalence(p_pneumonia: float, calibrated_at: float, expected: float) -> float:
    """Return P(pneumonia) at another prevalence, by Bayes' rule, when only the share of pneumonia differs.

    Raises
    ------
    ValueError
        When a prevalence does not lie strictly between 0 and 1.

    References
    ----------
    Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, Neural
    Computation 14, 2002
    """
    for prevalence in (calibrated_at, expected):
        if not 0 < prevalence < 1:
            raise ValueError(f"A prevalence must lie between 0 and 1, both excluded, not {prevalence}.")
    positive = p_pneumonia * expected / calibrated_at
    negative = (1 - p_pneumonia) * (1 - expected) / (1 - calibrated_at)
    return positive / (positive + negative)


def decide(
    probabilities: Mapping[str, float], card: Card, operating_point: str, expected_prevalence: float | None = None
) -> Decision:
    """Decide on one image from its calibrated probabilities, keyed by the card's class names.

    Raises
    ------
    ValueError
        When the card has no such operating point, or the prevalence does not lie between 0 and 1.
    """
    point = card.operating_point(operating_point)
    by_finding: dict[FindingName, float] = dict.fromkeys(get_args(FindingName), 0.0)
    for name in card.classes:
        by_finding[card.findings[name]] += probabilities[name]
    bacterial, viral = by_finding["bacterial pneumonia"], by_finding["viral pneumonia"]
    total = bacterial + viral + by_finding["pneumonia"]
    # Shares that sum to 1 may come out a little above it in binary.
    p_pneumonia = min(total, 1.0)
    prevalence = card.calibration.prevalence
    if expected_prevalence is not None:
        p_pneumonia = shift_prevalence(p_pneumonia, prevalence, expected_prevalence)
        prevalence = expected_prevalence
    outcome: OutcomeName = "indeterminate"
    # The limits hold at whatever prevalence P is stated for: they are on the probability that a reader is shown.
    if p_pneumonia >= point.upper:
        outcome = "positive"
    elif p_pneumonia < point.lower:
        outcome = "negative"
    named = _name_type(bacterial, viral, total, card.type_margin) if outcome == "positive" else None
    return Decision(outcome, p_pneumonia, named, point.lower, point.upper, prevalence)


def _name_type(bacterial: float, viral: float, total: float, margin: float) -> PneumoniaType | None:
    """Name the type that leads by the margin of P(pneumonia); the prevalence of pneumonia does not matter."""
    if bacterial == viral or abs(bacterial - viral) < margin * total:
        return None
    return "bacterial pneumonia" if bacterial > viral else "viral pneumonia"
