"""From calibrated probabilities to what a report asserts."""

from __future__ import annotations

from collections.abc import Mapping
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


def calibrate(logits_NK: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float64]:
    """Return probabilities (N x K, float64, rows sum to 1) from raw logits."""
    scaled_NK = logits_NK.astype(np.float64) / calibration.temperature + np.asarray(calibration.bias)
    raised_NK = np.exp(scaled_NK - scaled_NK.max(axis=1, keepdims=True))
    probabilities_NK: NDArray[np.float64] = raised_NK / raised_NK.sum(axis=1, keepdims=True)
    return probabilities_NK


def shift_prevalence(p_pneumonia: float, calibrated_at: float, expected: float) -> float:
    """Return P(pneumonia) at another prevalence, by Bayes' rule, when only the share of pneumonia differs.

    Raises
    ------
    ValueError
        When a prevalence does not lie strictly between 0 and 1.
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
    p_pneumonia = min(total, 1.0)
    prevalence = card.calibration.prevalence
    if expected_prevalence is not None:
        p_pneumonia = shift_prevalence(p_pneumonia, prevalence, expected_prevalence)
        prevalence = expected_prevalence
    outcome: OutcomeName = "indeterminate"
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
