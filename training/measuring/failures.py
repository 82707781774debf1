"""Which images the balanced operating point calls wrong: for somebody to look at and to describe."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

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
            decision = decide(output.probabilities, card, POINT)
            wrong = "negative" if image.target in card.pneumonia_classes else "positive"
            if decision.outcome == wrong:
                name = Path(image.name).name
                p = round(decision.p_pneumonia, 4)
                row = FailureRow(name, card.classes[image.target], wrong, p, notes.get(name, ""))
                found.append((row, image, output))
    return sorted(found, key=lambda entry: -abs(entry[0].p_pneumonia - 0.5))


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
