"""How far the figures fall on copies of images that were changed in one way at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from models.measurements import RobustnessRow
from models.predictor import Predictor
from training.fitting.dataset import LabelledImage
from training.measuring import changes
from training.measuring.changes import Change, Values
from training.measuring.evaluation import predict_all
from training.measuring.metrics import discrimination

CHANGES: Mapping[str, tuple[Change, tuple[float, ...]]] = {
    "brightness": (changes.brightness, (-0.2, 0.2)),
    "contrast": (changes.contrast, (0.5, 1.6)),
    "gamma": (changes.gamma, (0.5, 2.0)),
    "blur": (changes.blur, (1.0, 2.0)),
    "sharpness": (changes.sharpen, (2.0,)),
    "local contrast (CLAHE)": (changes.local_contrast, (2.0, 4.0)),
    "histogram equalisation": (changes.equalise, (1.0,)),
    "noise": (changes.noise, (0.05, 0.1)),
    "black border": (changes.border, (0.05, 0.1)),
    "white border": (changes.white_border, (0.05,)),
    "burned-in text": (changes.text, (1.0,)),
    "rotation": (changes.rotate, (-10.0, 15.0)),
    "aspect": (changes.aspect, (0.8, 1.25)),
    "crop": (changes.crop, (0.05, 0.1)),
    "reduced and enlarged": (changes.coarsen, (112.0,)),
    "nearest neighbour": (changes.subsample, (160.0,)),
    "JPEG quality": (changes.compress, (30.0, 10.0)),
}
"""Each change with the strengths that the table shows; 29 passes over the images with the unchanged ones."""


def measure_changes(predictor: Predictor, images: Sequence[LabelledImage]) -> Iterator[RobustnessRow]:
    """Yield a row for the unchanged images and for each change and strength."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    pneumonia = predictor.checkpoint.card.pneumonia_classes
    for name, strength, change in [("none", "", None), *_changes()]:
        found = discrimination(predict_all(predictor, images, change), targets_N, pneumonia)
        figures = {key.replace(" ", "_"): round(value, 4) for key, value in found.items()}
        yield RobustnessRow(name, strength, **figures)


def _changes() -> Iterator[tuple[str, str, Callable[[Values], Values]]]:
    for name, (change, strengths) in CHANGES.items():
        for strength in strengths:
            yield name, f"{strength:g}", partial(_apply, change, strength)


def _apply(change: Change, strength: float, values: Values) -> Values:
    return change(values, strength)
