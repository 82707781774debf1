"""Eight-bit results beside those of float32 on the same images.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from models.card import Card
from models.checkpoint import Checkpoint
from models.decision import calibrate, decide
from models.precision import Precision
from models.runtimes import NetworkOutput, OnnxRuntime
from training.fitting.dataset import LabelledImage
from training.measuring.answers import answer

PRECISIONS: tuple[Precision, Precision] = ("float32", "int8")
CALIBRATION_IMAGES = 160
"""How many train images give the ranges of the values between the convolutions."""


def compare(card: Card, exact: NetworkOutput, small: NetworkOutput, targets_N: NDArray[np.int64]) -> dict[str, float]:
    """Return the figures that `models.precision.BOUNDS` names, and the mean difference of P(pneumonia)."""
    truth_N = np.isin(targets_N, card.pneumonia_classes)
    columns = list(card.pneumonia_classes)
    exact_NK, small_NK = (calibrate(answers.logits_NK, card.calibration, columns) for answers in (exact, small))
    exact_N, small_N = (probabilities[:, columns].sum(axis=1) for probabilities in (exact_NK, small_NK))
    labels = np.arange(len(card.classes))
    figures = {
        "auc fall": roc_auc_score(truth_N, exact_N) - roc_auc_score(truth_N, small_N),
        "equal outcomes": (_outcomes(card, exact_NK) == _outcomes(card, small_NK)).mean(),
        "nll rise": log_loss(targets_N, small_NK, labels=labels) - log_loss(targets_N, exact_NK, labels=labels),
        "difference of P(pneumonia)": np.abs(exact_N - small_N).mean(),
    }
    unlike = card.unlike_training
    if unlike is not None and exact.distance_N is not None and small.distance_N is not None:
        figures["equal scope"] = ((exact.distance_N > unlike.limit) == (small.distance_N > unlike.limit)).mean()
    return {name: round(float(value), 5) for name, value in figures.items()}


def compare_on(checkpoint: Checkpoint, images: Sequence[LabelledImage], threads: int) -> dict[str, float]:
    """Return the figures on labelled images.

    Raises
    ------
    ValueError
        When the checkpoint has no graph for 8-bit arithmetic.
    """
    card = checkpoint.card
    if card.int8 is None:
        raise ValueError(f"{card.name} has no graph for int8; export it again.")
    exact, small = (
        answer(OnnxRuntime(checkpoint, threads, precision), card.transform, images) for precision in PRECISIONS
    )
    return compare(card, exact, small, np.array([image.target for image in images], dtype=np.int64))


def _outcomes(card: Card, probabilities_NK: NDArray[np.float64]) -> NDArray[np.str_]:
    rows = [dict(zip(card.classes, map(float, row), strict=True)) for row in probabilities_NK]
    return np.array([decide(row, card, "balanced").outcome for row in rows])
