import numpy as np
import pytest

pytest.importorskip("sklearn")

from models.decision import calibrate
from training.exporting.calibration import cross_fit, fit, operating_points, type_margin

_RANDOM = np.random.default_rng(4)
_TRUE_LOGITS = _RANDOM.normal(0, 1.5, (4000, 3))
_TARGETS = np.array([_RANDOM.choice(3, p=row) for row in np.exp(_TRUE_LOGITS) / np.exp(_TRUE_LOGITS).sum(1)[:, None]])


def test_fitting_finds_the_temperature_and_the_bias_that_spoiled_the_logits() -> None:
    spoiled = ((_TRUE_LOGITS - np.array([0.5, 0.0, -0.5])) * 3).astype(np.float32)
    found = fit(spoiled, _TARGETS, (1, 2))
    assert found.temperature == pytest.approx(3, rel=0.1)
    bias = np.array(found.bias)
    assert bias - bias.mean() == pytest.approx([0.5, 0.0, -0.5], abs=0.15)
    assert found.prevalence == pytest.approx((_TARGETS > 0).mean(), abs=1e-4)


def test_cross_fitted_probabilities_never_use_the_patients_own_images() -> None:
    # Patients of one group whose labels are flipped do not change their own probabilities.
    groups = np.array([f"g{index // 40}" for index in range(400)])
    logits, targets = _TRUE_LOGITS[:400].astype(np.float32), _TARGETS[:400].copy()
    before = cross_fit(logits, targets, groups, (1, 2))
    targets[:40] = (targets[:40] + 1) % 3
    after = cross_fit(logits, targets, groups, (1, 2))
    assert np.array_equal(before[:40], after[:40])
    assert not np.array_equal(before[40:], after[40:])
    assert np.abs(before - calibrate(logits, fit(logits, targets, (1, 2)))).max() < 0.2


def test_each_operating_point_keeps_its_promise_on_the_images_that_chose_it() -> None:
    truth = _RANDOM.random(3000) < 0.6
    p = 1 / (1 + np.exp(-_RANDOM.normal(np.where(truth, 1.5, -1.5), 1.5)))
    points = {point.name: point for point in operating_points(p, truth, np.arange(3000).astype(str))}
    assert set(points) == {"rule-in", "balanced", "rule-out"}
    assert (p[truth] < points["rule-out"].lower).mean() <= 0.011
    assert (p[~truth] >= points["rule-in"].upper).mean() <= 0.011
    for point in points.values():
        assert 0 < point.lower <= point.upper < 1
        assert point.sensitivity.value == pytest.approx((p[truth] >= point.upper).mean(), abs=1e-3)
        assert point.specificity.value == pytest.approx((p[~truth] < point.lower).mean(), abs=1e-3)
    assert points["rule-out"].lower <= points["balanced"].lower <= points["rule-in"].lower


def test_the_type_margin_is_the_smallest_that_is_right_nine_times_in_ten() -> None:
    viral = np.linspace(0.005, 0.995, 2000)
    is_viral = _RANDOM.random(2000) < viral
    margin = type_margin(1 - viral, viral, is_viral)
    named = np.abs(2 * viral - 1) >= margin
    assert ((viral > 0.5) == is_viral)[named].mean() >= 0.9
    assert ((viral > 0.5) == is_viral)[np.abs(2 * viral - 1) >= margin - 0.05].mean() < 0.9


def test_types_that_cannot_be_told_apart_are_never_named() -> None:
    half = np.full(100, 0.5)
    assert type_margin(half, half, np.arange(100) % 2 == 0) == 1.0
