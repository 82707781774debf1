"""A checkpoint measured on labelled images along the product's own path; needs no torch.

Shape suffixes: N images, K classes, H rows, W columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
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
from models.predictor import Output, Predictor
from service.scope import blank, judge_distance, judge_orientation
from service.settings import ScopeSettings
from service.vocabulary.facts import Reason
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
    return evaluation_of(predictor, images, predict_all(predictor, images, change))


def evaluation_of(
    predictor: Predictor, images: Sequence[LabelledImage], probabilities_NK: NDArray[np.float64]
) -> Evaluation:
    """Return the evaluation that follows from the probabilities of some images."""
    card = predictor.checkpoint.card
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
    classes = predictor.checkpoint.card.classes
    rows = [[output.probabilities[name] for name in classes] for _, output in _outputs(predictor, images, change)]
    return np.array(rows, dtype=np.float64)


def predict_through_gate(
    predictor: Predictor, images: Sequence[LabelledImage]
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the probabilities of every image, and why the scope gate keeps it out by its pixels.

    Returns
    -------
    Probabilities (N x K), and for each image the code of the reason, empty where it is analysed. The settings are the
    product's defaults; what a header says is not looked at, for pictures have none.
    """
    card, rules = predictor.checkpoint.card, ScopeSettings()
    limit = card.unlike_training.limit if card.unlike_training else None
    rows, reasons = [], []
    for values, output in _outputs(predictor, images, None):
        rows.append([output.probabilities[name] for name in card.classes])
        # In the order of the product: the first reason is the one that a report gives.
        found = Reason.BLANK if blank(values) else judge_orientation(values, rules)
        found = found or judge_distance(output.distance, limit, rules)
        reasons.append(found.value if isinstance(found, Reason) else "")
    return np.array(rows, dtype=np.float64), tuple(reasons)


def _outputs(
    predictor: Predictor,
    images: Sequence[LabelledImage],
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None,
) -> Iterator[tuple[NDArray[np.float32], Output]]:
    """Yield display values and answer of every image."""

    def read(image: LabelledImage) -> NDArray[np.float32]:
        values = read_display_values(image.path)
        return values if change is None else change(values)

    chunks = iter([images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)])
    with ThreadPoolExecutor(1) as reader:
        # One chunk is read while the one before it runs: full-size images would not fit into memory together.
        waiting = [reader.submit(list, map(read, chunk)) for chunk in islice(chunks, 1)]
        for _ in track(range(0, len(images), _CHUNK), "images", transient=True):
            values = waiting.pop().result()
            waiting.extend(reader.submit(list, map(read, chunk)) for chunk in islice(chunks, 1))
            yield from zip(values, predictor.predict(values), strict=True)
