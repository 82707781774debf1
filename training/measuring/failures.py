"""Which images the balanced operating point calls wrong: for somebody to look at and to describe."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.decision import decide
from models.failures import FailureRow
from models.predictor import Output, Predictor
from training.fitting.dataset import LabelledImage, read_display_values

POINT = "balanced"


def find_failures(
    predictor: Predictor, images: Sequence[LabelledImage], notes: Mapping[str, str]
) -> list[tuple[FailureRow, LabelledImage, Output]]:
    """Return pneumonia that is called negative and normals that are called positive, the surest first.

    Parameters
    ----------
    notes
        What was seen, by file name.
    """
    card, found = predictor.checkpoint.card, []
    for start in range(0, len(images), 8):
        chunk = images[start : start + 8]
        outputs = predictor.predict([read_display_values(image.path) for image in chunk])
        for image, output in zip(chunk, outputs, strict=True):
            row = _failure(card, image, output.probabilities, notes)
            if row is not None:
                found.append((row, image, output))
    return sorted(found, key=lambda entry: -abs(entry[0].p_pneumonia - 0.5))


def failures_of(
    card: Card, probabilities_NK: NDArray[np.float64], images: Sequence[LabelledImage]
) -> list[tuple[FailureRow, LabelledImage]]:
    """Return the same of images whose probabilities are known, without notes."""
    found = []
    for image, row_K in zip(images, probabilities_NK, strict=True):
        row = _failure(card, image, dict(zip(card.classes, map(float, row_K), strict=True)), {})
        if row is not None:
            found.append((row, image))
    return sorted(found, key=lambda entry: -abs(entry[0].p_pneumonia - 0.5))


def _failure(
    card: Card, image: LabelledImage, probabilities: Mapping[str, float], notes: Mapping[str, str]
) -> FailureRow | None:
    """Return what is wrong with an image's outcome; None where it is right, or undecided."""
    decision = decide(probabilities, card, POINT)
    wrong = "negative" if image.target in card.pneumonia_classes else "positive"
    if decision.outcome != wrong:
        return None
    name = Path(image.name).name
    return FailureRow(name, card.classes[image.target], wrong, round(decision.p_pneumonia, 4), notes.get(name, ""))


def read_notes(path: Path) -> dict[str, str]:
    """Read what was seen from a CSV of the columns file and seen.

    Raises
    ------
    ValueError
        When a column is absent.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if rows and not {"file", "seen"} <= rows[0].keys():
        raise ValueError(f"{path.name} must have the columns file and seen.")
    return {row["file"]: row["seen"] for row in rows}
