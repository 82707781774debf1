import numpy as np
import pytest

pytest.importorskip("sklearn")

from scipy.special import expit, logit  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from training.measuring.reliability import check_calibration, classwise_error, slope_and_intercept

_RANDOM = np.random.default_rng(8)
_TRUE = _RANDOM.dirichlet([0.6, 0.8, 0.6], 400)
_TARGETS = np.array([_RANDOM.choice(3, p=row) for row in _TRUE])
_GROUPS = np.arange(400).astype(str)


def _sharpened(probabilities: np.ndarray, power: float) -> np.ndarray:
    raised = probabilities**power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def test_probabilities_that_drew_their_own_labels_pass() -> None:
    found = check_calibration(_TRUE, _TARGETS, _GROUPS, (1, 2))
    assert found.slope.low < 1 < found.slope.high
    assert found.intercept.low < 0 < found.intercept.high
    assert found.error.acceptable
    assert found.classwise_error.acceptable


def test_probabilities_that_are_too_sure_are_found_out() -> None:
    found = check_calibration(_sharpened(_TRUE, 4.0), _TARGETS, _GROUPS, (1, 2))
    assert found.slope.high < 1
    assert not found.error.acceptable
    assert not found.classwise_error.acceptable
    assert found.error.value > found.error.upper > found.error.expected


def test_the_error_that_perfect_calibration_gives_shrinks_with_the_number_of_images() -> None:
    few = check_calibration(_TRUE[:80], _TARGETS[:80], _GROUPS[:80], (1, 2))
    many = check_calibration(_TRUE, _TARGETS, _GROUPS, (1, 2))
    assert few.error.expected > 1.5 * many.error.expected


def test_slope_and_intercept_undo_a_known_distortion() -> None:
    p = _RANDOM.uniform(0.02, 0.98, 60_000)
    truth = _RANDOM.random(60_000) < p
    steeper = slope_and_intercept(expit(2 * logit(p)), truth)
    assert steeper["slope"] == pytest.approx(0.5, abs=0.02)
    shifted = slope_and_intercept(expit(logit(p) - 0.7), truth)
    assert shifted["intercept"] == pytest.approx(0.7, abs=0.04)
    assert shifted["slope"] == pytest.approx(1.0, abs=0.03)


def test_the_slope_is_that_of_an_unpenalised_logistic_regression() -> None:
    p, truth = _TRUE[:, 1:].sum(axis=1), _TARGETS > 0
    features = logit(np.clip(p, 1e-6, 1 - 1e-6))[:, None]
    expected = LogisticRegression(C=np.inf).fit(features, truth).coef_[0, 0]
    assert slope_and_intercept(p, truth)["slope"] == pytest.approx(expected, rel=1e-3)


def test_classes_that_never_overlap_have_a_finite_slope_and_one_class_has_none() -> None:
    apart = slope_and_intercept(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    assert np.isfinite(list(apart.values())).all()
    alone = slope_and_intercept(np.array([0.1, 0.2]), np.array([True, True]))
    assert np.isnan(list(alone.values())).all()


def test_the_classwise_error_counts_every_class() -> None:
    certain = np.eye(3)[_TARGETS]
    assert classwise_error(certain, _TARGETS) == 0
    assert classwise_error(np.roll(certain, 1, axis=1), _TARGETS) > 0.5
