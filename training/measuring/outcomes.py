"""What the outcomes of each operating point are worth: predictive values, and what abstention leaves.

Shape suffixes: N images, K classes.

References
----------
Chow, On optimum recognition error and reject tradeoff, IEEE Transactions on Information Theory 16, 1970
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.decision import decide
from models.measurements import Abstention, PointRow, PredictiveValue
from training.measuring.metrics import bootstrap, known_only, share

PREVALENCES = (0.05, 0.1, 0.3, 0.7)


@dataclass(frozen=True)
class Outcomes:
    """What an operating point says of each image, beside the truth.

    Attributes
    ----------
    truth_N
        Whether the image shows pneumonia.
    named_N, type_right_N
        Whether a type is named, and whether it is the label.
    """

    point: str
    truth_N: NDArray[np.bool_]
    positive_N: NDArray[np.bool_]
    negative_N: NDArray[np.bool_]
    named_N: NDArray[np.bool_]
    type_right_N: NDArray[np.bool_]


def outcomes(card: Card, probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64]) -> tuple[Outcomes, ...]:
    """Decide on each image at each operating point, as the product does."""
    labels_N = np.array([card.findings[card.classes[target]] for target in targets_N])
    found = []
    for point in card.operating_points:
        decisions = [
            decide(dict(zip(card.classes, map(float, row), strict=True)), card, point.name) for row in probabilities_NK
        ]
        outcome_N = np.array([decision.outcome for decision in decisions])
        type_N = np.array([decision.pneumonia_type or "" for decision in decisions])
        found.append(
            Outcomes(
                point.name,
                labels_N != "normal",
                outcome_N == "positive",
                outcome_N == "negative",
                type_N != "",
                type_N == labels_N,
            )
        )
    return tuple(found)


def predictive_values(found: Outcomes, groups_N: NDArray[np.str_]) -> tuple[PredictiveValue, ...]:
    """Return what each outcome is worth at several prevalences, by Bayes' rule from its share in each truth.

    The outcomes are those of the unshifted probabilities: a site that sets its prevalence decides otherwise.
    """

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        truth_N, positive_N, negative_N = found.truth_N[rows], found.positive_N[rows], found.negative_N[rows]
        hit, alarm = share(positive_N, truth_N), share(positive_N, ~truth_N)
        miss, correct = share(negative_N, truth_N), share(negative_N, ~truth_N)
        return {
            f"{kind} {prevalence}": value
            for prevalence in PREVALENCES
            for kind, value in (
                ("alarms", 100 * (hit * prevalence + alarm * (1 - prevalence))),
                ("positive", _posterior(hit, alarm, prevalence)),
                ("negative", _posterior(correct, miss, 1 - prevalence)),
            )
        }

    known = known_only(bootstrap(of, groups_N))
    return tuple(
        PredictiveValue(
            found.point,
            prevalence,
            known.get(f"positive {prevalence}"),
            known.get(f"negative {prevalence}"),
            known.get(f"alarms {prevalence}"),
        )
        for prevalence in PREVALENCES
    )


def abstention(found: Outcomes, groups_N: NDArray[np.str_]) -> Abstention:
    """Return coverage and accuracy of the outcome and of the type that it names."""
    answered_N = found.positive_N | found.negative_N
    right_N = found.positive_N == found.truth_N

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        return {
            "coverage": float(answered_N[rows].mean()),
            "accuracy": share(right_N[rows], answered_N[rows]),
            "type_coverage": share(found.named_N[rows], found.positive_N[rows]),
            "type_accuracy": share(found.type_right_N[rows], found.named_N[rows]),
        }

    return Abstention(found.point, **known_only(bootstrap(of, groups_N)))


def at_point(found: Outcomes, groups_N: NDArray[np.str_]) -> PointRow:
    """Return what the operating point does with the images of either truth."""

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        truth_N, positive_N, negative_N = found.truth_N[rows], found.positive_N[rows], found.negative_N[rows]
        return {
            "sensitivity": share(positive_N, truth_N),
            "specificity": share(negative_N, ~truth_N),
            "missed": share(negative_N, truth_N),
            "alarmed": share(positive_N, ~truth_N),
            "indeterminate": float((~positive_N & ~negative_N).mean()),
        }

    known = known_only(bootstrap(of, groups_N))
    sensitivity, specificity = known.get("sensitivity"), known.get("specificity")
    missed, alarmed = known.get("missed"), known.get("alarmed")
    return PointRow(found.point, sensitivity, specificity, missed, alarmed, known["indeterminate"])


def _posterior(likely: float, unlikely: float, prior: float) -> float:
    """Return the probability of a truth after an outcome that is ``likely`` with it and ``unlikely`` without it."""
    total = likely * prior + unlikely * (1 - prior)
    return likely * prior / total if total > 0 else float("nan")
