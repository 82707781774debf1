"""What a machine's images are compared with before they have a past: the distributions of labelled images.

Shape suffixes: N images, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.decision import shift_prevalence
from models.references import ReferenceRow
from training.fitting.dataset import LabelledImage, read_display_values

if TYPE_CHECKING:
    from models.predictor import Predictor

#: Quantiles of each distribution, the least and the greatest among them.
QUANTILES = 21
_BATCH = 8


def measure_references(predictor: Predictor, images: Sequence[LabelledImage]) -> tuple[ReferenceRow, ...]:
    """Return what normals, and images with pneumonia, give."""
    card = predictor.checkpoint.card
    sick = [card.classes[index] for index in card.pneumonia_classes]
    p_N, distance_N = [], []
    for start in range(0, len(images), _BATCH):
        chunk = [read_display_values(image.path) for image in images[start : start + _BATCH]]
        for output in predictor.predict(chunk):
            p_N.append(sum(output.probabilities[name] for name in sick))
            distance_N += [] if output.distance is None else [output.distance]
    truth_N = np.array([image.target in card.pneumonia_classes for image in images])
    distances = np.array(distance_N) if len(distance_N) == len(images) else None
    return reference_rows(np.array(p_N), truth_N, distances, card.calibration.prevalence)


def reference_rows(
    p_N: NDArray[np.float64], truth_N: NDArray[np.bool_], distance_N: NDArray[np.floating] | None, prevalence: float
) -> tuple[ReferenceRow, ...]:
    """Return the quantiles of normals and of images with pneumonia, as far as there are any.

    Parameters
    ----------
    p_N
        P(pneumonia) at the prevalence.
    """
    balanced_N = np.array([shift_prevalence(min(max(float(p), 1e-6), 1 - 1e-6), prevalence, 0.5) for p in p_N])
    return tuple(
        ReferenceRow(
            truth=truth,
            images=int(is_truth_N.sum()),
            p_pneumonia=_quantiles(balanced_N[is_truth_N], 4),
            distance=_quantiles(distance_N[is_truth_N], 3) if distance_N is not None else (),
        )
        for truth, is_truth_N in (("normal", ~truth_N), ("pneumonia", truth_N))
        if is_truth_N.any()
    )


def _quantiles(values_N: NDArray[np.floating], digits: int) -> tuple[float, ...]:
    found_Q = np.quantile(values_N, np.linspace(0, 1, QUANTILES))
    return tuple(round(float(value), digits) for value in found_Q)
