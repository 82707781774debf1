"""What follows from the probabilities of one split, all of it at once, for the card and for `auscult evaluate`.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.measurements import Estimate, GateRow, SplitMeasurements
from training.fitting.dataset import LabelledImage
from training.measuring.outcomes import abstention, at_point, outcomes, predictive_values
from training.measuring.reliability import check_calibration
from training.measuring.subgroups import measure_subgroups


def assess(card: Card, probabilities_NK: NDArray[np.float64], images: Sequence[LabelledImage]) -> SplitMeasurements:
    """Judge calibration, operating points and subgroups; the card gives classes, operating points and type margin."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    groups_N = np.array([image.group for image in images])
    decided = outcomes(card, probabilities_NK, targets_N)
    return SplitMeasurements(
        calibration=check_calibration(probabilities_NK, targets_N, groups_N, card.pneumonia_classes),
        predictive_values=tuple(row for found in decided for row in predictive_values(found, groups_N)),
        abstention=tuple(abstention(found, groups_N) for found in decided),
        subgroups=measure_subgroups(card, probabilities_NK, images),
        operating_points=tuple(at_point(found, groups_N) for found in decided),
    )


def kept_out(card: Card, images: Sequence[LabelledImage], reasons: Sequence[str]) -> tuple[GateRow, ...]:
    """Return for each class how many images the scope gate kept out, and why; an empty reason is none."""
    found = []
    for target, label in enumerate(card.classes):
        of_class = [reason for image, reason in zip(images, reasons, strict=True) if image.target == target]
        if of_class:
            found.append(GateRow(label, len(of_class), dict(Counter(filter(None, of_class)))))
    return tuple(found)


def summarise(measured: SplitMeasurements) -> Iterator[str]:
    """Yield lines for the terminal: calibration, and each operating point with abstention apart."""
    for gate in measured.gate:
        kept = ", ".join(f"{count} {reason}" for reason, count in gate.reasons.items()) or "none"
        yield f"gate, {gate.label}: of {gate.images} images kept out: {kept}"
    check = measured.calibration
    yield f"calibration slope {_show(check.slope)}, intercept {_show(check.intercept)}"
    for name, error in (("ece", check.error), ("classwise ece", check.classwise_error)):
        verdict = "not significantly worse" if error.acceptable else "significantly worse"
        yield (
            f"{name} {error.value:.4f}: {verdict} than perfect calibration gives for these images "
            f"(mean {error.expected:.4f}, 95 % below {error.upper:.4f})"
        )
    for point in measured.operating_points:
        yield (
            f"{point.operating_point}: sensitivity {_show(point.sensitivity)}, specificity {_show(point.specificity)}, "
            f"called negative in spite of pneumonia {_show(point.missed)}, called positive without "
            f"{_show(point.alarmed)}, indeterminate {_show(point.indeterminate)}"
        )
    for part in measured.subgroups:
        if part.aspect == "cluster":
            figures = ", ".join(f"{name} {_show(found)}" for name, found in part.metrics.items())
            yield f"cluster {part.value} ({part.images} images of {part.patients} patients): {figures}"
    for row in measured.abstention:
        yield (
            f"{row.operating_point}: answered {_show(row.coverage)}, of these right {_show(row.accuracy)}; "
            f"type named {_show(row.type_coverage)}, of these right {_show(row.type_accuracy)}"
        )


def _show(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
