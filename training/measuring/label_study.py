"""The study of the labels: pneumonia images of train and val, models on frozen features, and the checkpoint on val.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.measurements import LabelNoise
from models.predictor import Predictor
from training.fitting.dataset import LabelledImage, find_images, load
from training.measuring.evaluation import predict_all
from training.measuring.frozen_features import frozen_features
from training.measuring.label_noise import cross_fitted, estimate_noise

_BACTERIAL, _VIRAL = "bacterial pneumonia", "viral pneumonia"


def study_labels(predictor: Predictor, data: Path, init: Path, cache: Path | None) -> tuple[LabelNoise, ...]:
    """Estimate label noise on train and val together, and on val with the checkpoint as one more model.

    The checkpoint was trained on train, so it judges val alone; val chose its epoch, which favours it a little.

    Raises
    ------
    ValueError
        When the checkpoint does not tell bacterial from viral, a split lacks images, or the weights do not fit.
    """
    card = predictor.checkpoint.card
    if not {_BACTERIAL, _VIRAL} <= set(card.findings.values()):
        raise ValueError("This checkpoint does not tell bacterial from viral pneumonia: there are no labels to study.")
    by_split = {split: _with_pneumonia(card, find_images(data, card.classes, split)) for split in ("val", "train")}
    images = [image for split in by_split.values() for image in split]
    groups_N = np.array([image.group for image in images])
    viral_N = np.array([card.findings[card.classes[image.target]] == _VIRAL for image in images])
    independent = cross_fitted(frozen_features(load(images, card.classes), init, cache), viral_N, groups_N)
    count = len(by_split["val"])
    network = {"this checkpoint": _p_viral(card, predict_all(predictor, by_split["val"]))}
    on_val = network | {name: p_N[:count] for name, p_N in independent.items()}
    return (
        estimate_noise("train and val", independent, viral_N, groups_N),
        estimate_noise("val", on_val, viral_N[:count], groups_N[:count]),
    )


def _with_pneumonia(card: Card, images: Sequence[LabelledImage]) -> list[LabelledImage]:
    return [image for image in images if image.target in card.pneumonia_classes]


def _p_viral(card: Card, probabilities_NK: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of viral in P(pneumonia)."""
    viral = [index for index, name in enumerate(card.classes) if card.findings[name] == _VIRAL]
    share_N: NDArray[np.float64] = probabilities_NK[:, viral].sum(axis=1) / probabilities_NK[
        :, list(card.pneumonia_classes)
    ].sum(axis=1)
    return share_N
