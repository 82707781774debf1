"""A checkpoint measured on labelled images along the product's own path; needs no torch.

Shape suffixes: N images, K classes, H rows, W columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from sklearn.metrics import confusion_matrix

from models.card import Card
from models.measurements import Estimate, SplitMeasurements
from models.predictor import Predictor
from training.fitting.dataset import LabelledImage, read_display_values
from training.measuring.metrics import known_only, measure_with_intervals

_CHUNK = 8


@dataclass(frozen=True)
class Evaluation:
    """What a checkpoint said of each image, and the figures that follow.

    Attributes
    ----------
    confusion
        Counts by true class (row) and most probable class (column), in the order of the card's classes.
    """

    checkpoint: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    targets_N: NDArray[np.int64]
    probabilities_NK: NDArray[np.float64]
    confusion: NDArray[np.int64]
    metrics: dict[str, Estimate]

    def write(self, path: Path, measured: SplitMeasurements) -> None:
        """Write figures, confusion matrix, what else was measured, and each image's probabilities as JSON."""
        content = {
            "checkpoint": self.checkpoint,
            "classes": self.classes,
            "images": len(self.names),
            "metrics": {name: asdict(estimate) for name, estimate in known_only(self.metrics).items()},
            "confusion": self.confusion.tolist(),
            **asdict(measured),
            "probabilities": {
                name: [round(float(p), 6) for p in row]
                for name, row in zip(self.names, self.probabilities_NK, strict=True)
            },
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def evaluate_images(
    predictor: Predictor,
    images: Sequence[LabelledImage],
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> Evaluation:
    """Run every image, of any size, through the predictor; ``change`` alters the display values before."""
    card = predictor.checkpoint.card
    probabilities_NK = predict_all(predictor, images, change)
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    return Evaluation(
        checkpoint=predictor.checkpoint.digest,
        classes=card.classes,
        names=tuple(image.name for image in images),
        targets_N=targets_N,
        probabilities_NK=probabilities_NK,
        confusion=confusion_matrix(targets_N, probabilities_NK.argmax(axis=1), labels=np.arange(len(card.classes))),
        metrics=figures(card, probabilities_NK, images),
    )


def figures(card: Card, probabilities_NK: NDArray[np.float64], images: Sequence[LabelledImage]) -> dict[str, Estimate]:
    """Return the figures of merit with intervals over the images' patient groups."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    groups_N = np.array([image.group for image in images])
    return measure_with_intervals(probabilities_NK, targets_N, groups_N, card.pneumonia_classes)


def predict_all(
    predictor: Predictor,
    images: Sequence[LabelledImage],
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None,
) -> NDArray[np.float64]:
    """Return the calibrated probabilities (N x K) of every image, read ahead of the network."""

    def read(image: LabelledImage) -> NDArray[np.float32]:
        values = read_display_values(image.path)
        return values if change is None else change(values)

    classes, rows = predictor.checkpoint.card.classes, []
    chunks = iter([images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)])
    with ThreadPoolExecutor(1) as reader:
        # One chunk is read while the one before it runs: full-size images would not fit into memory together.
        waiting = [reader.submit(list, map(read, chunk)) for chunk in islice(chunks, 1)]
        for _ in track(range(0, len(images), _CHUNK), "images", transient=True):
            values = waiting.pop().result()
            waiting.extend(reader.submit(list, map(read, chunk)) for chunk in islice(chunks, 1))
            rows.extend([[output.probabilities[name] for name in classes] for output in predictor.predict(values)])
    return np.array(rows, dtype=np.float64)
