"""Whether probabilities can be taken at their word: slope, intercept, and the error beside what chance gives.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq  # type: ignore[import-untyped]
from scipy.special import expit, logit  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from models.measurements import CalibrationCheck, CalibrationError
from training.measuring.metrics import bootstrap, calibration_error, p_pneumonia

DRAWS = 1000
_EXTREME = 1e-6


def check_calibration(
    probabilities_NK: NDArray[np.float64],
    targets_N: NDArray[np.int64],
    groups_N: NDArray[np.str_],
    pneumonia: Sequence[int],
) -> CalibrationCheck:
    """Return slope and intercept of P(pneumonia) with 95 % intervals, and both errors beside perfect calibration's."""
    p_N, truth_N = p_pneumonia(probabilities_NK, pneumonia), np.isin(targets_N, pneumonia)

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        return slope_and_intercept(p_N[rows], truth_N[rows])

    drawn_DN = _draw(probabilities_NK)
    slope = bootstrap(of, groups_N)
    return CalibrationCheck(
        slope["slope"],
        slope["intercept"],
        error=_beside_chance(
            calibration_error(p_N, truth_N), [calibration_error(p_N, np.isin(row, pneumonia)) for row in drawn_DN]
        ),
        classwise_error=_beside_chance(
            classwise_error(probabilities_NK, targets_N), [classwise_error(probabilities_NK, row) for row in drawn_DN]
        ),
    )


def slope_and_intercept(p_N: NDArray[np.float64], truth_N: NDArray[np.bool_]) -> dict[str, float]:
    """Return the calibration slope, and the intercept at slope 1; NaN where one class is absent.

    Both describe the truth by a logistic regression on the logit of P(pneumonia).

    References
    ----------
    Cox, Two further applications of a model for binary regression, Biometrika 45, 1958; Van Calster and others,
    Calibration: the Achilles heel of predictive analytics, BMC Medicine 17, 2019
    """
    if truth_N.all() or not truth_N.any():
        return {"slope": float("nan"), "intercept": float("nan")}
    logit_N = logit(np.clip(p_N, _EXTREME, 1 - _EXTREME))
    # Where the classes are apart without an overlap the slope has no maximum: the weak pull of C keeps it finite.
    fitted = LogisticRegression(C=1e4, solver="newton-cholesky").fit(logit_N[:, None], truth_N)
    intercept = brentq(lambda shift: float(expit(logit_N + shift).mean() - truth_N.mean()), -30, 30)
    return {"slope": float(fitted.coef_[0, 0]), "intercept": float(intercept)}


def classwise_error(probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64]) -> float:
    """Return the mean over the classes of each class's own calibration error.

    References
    ----------
    Kull and others, Beyond temperature scaling, NeurIPS 2019, section 2
    """
    return float(np.mean([calibration_error(p_N, targets_N == k) for k, p_N in enumerate(probabilities_NK.T)]))


def _draw(probabilities_NK: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return classes (draws x N) as they would be if every probability were right."""
    below_NK = probabilities_NK.cumsum(axis=1)[:, :-1]
    uniform_DN = np.random.default_rng(3).random((DRAWS, len(probabilities_NK)))
    drawn_DN: NDArray[np.int64] = (uniform_DN[..., None] >= below_NK).sum(axis=2)
    return drawn_DN


def _beside_chance(found: float, by_chance: list[float]) -> CalibrationError:
    expected, upper = float(np.mean(by_chance)), float(np.quantile(by_chance, 0.95))
    return CalibrationError(*(round(value, 4) for value in (found, expected, upper)))
