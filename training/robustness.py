"""Copies of images changed in one way at a time, to measure how far the figures fall.

Everything works on display values: float32, rows x columns (H, W), in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from models.card import RobustnessRow
from models.predictor import Predictor
from training.dataset import LabelledImage
from training.evaluation import predict_all
from training.metrics import measure

Values = NDArray[np.float32]
Change = Callable[[Values, float], Values]


def brightness(values: Values, amount: float) -> Values:
    """Add to every grey; what leaves the range is clipped."""
    return _float(np.clip(values + np.float32(amount), 0, 1))


def contrast(values: Values, factor: float) -> Values:
    """Stretch the greys about the middle, as a narrower window does."""
    return _float(np.clip((values - np.float32(0.5)) * np.float32(factor) + np.float32(0.5), 0, 1))


def gamma(values: Values, exponent: float) -> Values:
    """Raise the greys to a power."""
    return _float(np.power(values, np.float32(exponent)))


def blur(values: Values, sigma: float) -> Values:
    """Blur with a Gaussian; sigma in pixels of a 224-pixel image."""
    return _float(cv2.GaussianBlur(values, (0, 0), sigma * values.shape[1] / 224))


def sharpen(values: Values, amount: float) -> Values:
    """Add the difference to a blurred copy."""
    return np.clip(values + np.float32(amount) * (values - blur(values, 1.5)), 0, 1)


def noise(values: Values, deviation: float) -> Values:
    """Add Gaussian noise, the same for every image of a size."""
    drawn = np.random.default_rng(7).standard_normal(values.shape, dtype=np.float32)
    return np.clip(values + np.float32(deviation) * drawn, 0, 1)


def border(values: Values, fraction: float) -> Values:
    """Cover a black margin on all four sides."""
    rows, columns = (int(side * fraction) for side in values.shape)
    covered = np.zeros_like(values)
    covered[rows : values.shape[0] - rows, columns : values.shape[1] - columns] = values[
        rows : values.shape[0] - rows, columns : values.shape[1] - columns
    ]
    return covered


def corners(values: Values, fraction: float) -> Values:
    """Cover the four corners, where markers and burned-in text stand."""
    rows, columns = (int(side * fraction) for side in values.shape)
    covered = values.copy()
    for down in (slice(None, rows), slice(values.shape[0] - rows, None)):
        for across in (slice(None, columns), slice(values.shape[1] - columns, None)):
            covered[down, across] = 0
    return covered


def rotate(values: Values, degrees: float) -> Values:
    """Turn about the centre; black comes in at the corners."""
    rows, columns = values.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
    return _float(cv2.warpAffine(values, matrix, (columns, rows)))


def aspect(values: Values, factor: float) -> Values:
    """Widen the image by a factor and cut it to its former size, or narrow it between black margins."""
    rows, columns = values.shape
    matrix = np.array([[factor, 0, columns * (1 - factor) / 2], [0, 1, 0]], dtype=np.float64)
    return _float(cv2.warpAffine(values, matrix, (columns, rows)))


def crop(values: Values, fraction: float) -> Values:
    """Cut a margin off all four sides."""
    rows, columns = (int(side * fraction) for side in values.shape)
    return np.ascontiguousarray(values[rows : values.shape[0] - rows, columns : values.shape[1] - columns])


CHANGES: Mapping[str, tuple[Change, tuple[float, ...]]] = {
    "brightness": (brightness, (-0.2, 0.2)),
    "contrast": (contrast, (0.6, 1.5)),
    "gamma": (gamma, (0.6, 1.6)),
    "blur": (blur, (1.5,)),
    "sharpness": (sharpen, (1.5,)),
    "noise": (noise, (0.05,)),
    "black border": (border, (0.08,)),
    "covered corners": (corners, (0.2,)),
    "rotation": (rotate, (10.0,)),
    "aspect": (aspect, (0.85, 1.15)),
    "crop": (crop, (0.08,)),
}
"""Each change with the strengths that the table shows."""


def measure_changes(predictor: Predictor, images: Sequence[LabelledImage]) -> Iterator[RobustnessRow]:
    """Yield a row for the unchanged images and for each change and strength."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    pneumonia = predictor.checkpoint.card.pneumonia_classes
    for name, strength, change in [("none", "", None), *_changes()]:
        found = measure(predict_all(predictor, images, change), targets_N, pneumonia)
        rounded = [round(found[key], 4) for key in ("accuracy", "pneumonia accuracy", "auc")]
        yield RobustnessRow(name, strength, *rounded)


def _changes() -> Iterator[tuple[str, str, Callable[[Values], Values]]]:
    for name, (change, strengths) in CHANGES.items():
        for strength in strengths:
            yield name, f"{strength:g}", partial(_apply, change, strength)


def _apply(change: Change, strength: float, values: Values) -> Values:
    return change(values, strength)


def _float(image: NDArray[np.generic]) -> Values:
    return np.asarray(image, dtype=np.float32)
