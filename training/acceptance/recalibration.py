"""A site's own calibration, fitted on its labelled images.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from models.card import Card
from models.site_calibration import SiteCalibration, SitePoint
from training.exporting.calibration import operating_points
from training.fitting.dataset import LabelledImage
from training.measuring.metrics import p_pneumonia

FEWEST = 50
"""Fewest images of each truth, and patients, that a calibration is fitted on: Platt's two figures need no more."""
_EXTREME = 1e-6


def recalibrate(
    card: Card,
    checkpoint_digest: str,
    probabilities_NK: NDArray[np.float64],
    images: Sequence[LabelledImage],
    prevalence: float | None = None,
) -> tuple[SiteCalibration, NDArray[np.float64]]:
    """Fit slope and intercept on the logit of P(pneumonia), and choose the limits of each operating point by promise.

    Parameters
    ----------
    prevalence
        The site's share of pneumonia, which P(pneumonia) is then stated for; that of the images where none is given.

    Returns
    -------
    The calibration, and P(pneumonia) (N) of each image by a calibration of the other patients: limits and figures rest
    on these, as no image judges itself.

    Raises
    ------
    ValueError
        When there are too few images of either truth, or too few patients.
    """
    truth_N = np.isin([image.target for image in images], card.pneumonia_classes)
    groups_N = np.array([image.group for image in images])
    sick, well = int(truth_N.sum()), int((~truth_N).sum())
    if min(sick, well, len(set(groups_N))) < FEWEST:
        raise ValueError(
            f"A calibration needs at least {FEWEST} images with pneumonia, {FEWEST} without, and {FEWEST} patients;"
            f" there are {sick}, {well} and {len(set(groups_N))}."
        )
    logit_N = logit(np.clip(p_pneumonia(probabilities_NK, card.pneumonia_classes), _EXTREME, 1 - _EXTREME))
    share = float(truth_N.mean())
    stated = share if prevalence is None else prevalence
    shift = float(logit(stated) - logit(share))
    slope, intercept = _fit(logit_N, truth_N)
    p_N = np.empty(len(images))
    for others, fifth in GroupKFold(5).split(logit_N, truth_N, groups_N):
        own_slope, own_intercept = _fit(logit_N[others], truth_N[others])
        p_N[fifth] = expit(own_slope * logit_N[fifth] + own_intercept + shift)
    points: dict[str, SitePoint] = {
        point.name: SitePoint(point.lower, point.upper, point.sensitivity, point.specificity, point.indeterminate)
        for point in operating_points(p_N, truth_N, groups_N)
    }
    counts = Counter(card.classes[image.target] for image in images)
    found = SiteCalibration(
        checkpoint_digest, round(slope, 6), round(intercept + shift, 6), round(stated, 6), points, dict(counts)
    )
    return found, p_N


def _fit(logit_N: NDArray[np.float64], truth_N: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and intercept of a logistic regression of the truth.

    References
    ----------
    Platt, Probabilistic outputs for support vector machines, 1999
    """
    # Where the truths do not overlap the slope has no maximum: the weak pull of C keeps it finite.
    fitted = LogisticRegression(C=10.0, solver="newton-cholesky").fit(logit_N[:, None], truth_N)
    # What lets P(pneumonia) fall as the network's rises says that labels are swapped, and orders nothing.
    slope = float(fitted.coef_[0, 0])
    if slope <= 0:
        raise ValueError("P(pneumonia) is lower where the labels say pneumonia; look whether the labels are swapped.")
    return slope, float(fitted.intercept_[0])
