import numpy as np
import pytest

pytest.importorskip("sklearn")

from models.decision import calibrate, pneumonia_margin
from training.exporting.calibration import cross_fit, fit, naming, operating_points, type_margin

_RANDOM = np.random.default_rng(4)
_TRUE_LOGITS = _RANDOM.normal(0, 1.5, (4000, 3))
_TARGETS = np.array([_RANDOM.choice(3, p=row) for row in np.exp(_TRUE_LOGITS) / np.exp(_TRUE_LOGITS).sum(1)[:, None]])


def test_fitting_finds_what_spoiled_the_odds_of_pneumonia_and_of_its_types() -> None:
    # The odds of pneumonia are three times too timid and shifted; the types have another temperature and bias.
    margin = pneumonia_margin(_TRUE_LOGITS.astype(np.float32), (1, 2))
    types = (_TRUE_LOGITS[:, 2] - _TRUE_LOGITS[:, 1]) * 2 - 0.6
    spoiled = np.zeros_like(_TRUE_LOGITS)
    spoiled[:, 2] = types
    spoiled[:, 1:] += ((margin + 0.5) / 3 - np.logaddexp(0, types))[:, None]
    found = fit(spoiled.astype(np.float32), _TARGETS, (1, 2))
    assert found.pneumonia is not None
    assert found.pneumonia.slope == pytest.approx(3, rel=0.1)
    assert found.pneumonia.intercept == pytest.approx(-0.5, abs=0.15)
    assert found.temperature == pytest.approx(2, rel=0.15)
    assert found.bias[2] - found.bias[1] == pytest.approx(0.3, abs=0.15)
    assert found.prevalence == pytest.approx((_TARGETS > 0).mean(), abs=1e-4)


def test_cross_fitted_probabilities_never_use_the_patients_own_images() -> None:
    # Patients of one group whose labels are flipped do not change their own probabilities.
    groups = np.array([f"g{index // 40}" for index in range(400)])
    logits, targets = _TRUE_LOGITS[:400].astype(np.float32), _TARGETS[:400].copy()
    (before,) = cross_fit(logits, targets, groups, (1, 2))
    targets[:40] = (targets[:40] + 1) % 3
    (after,) = cross_fit(logits, targets, groups, (1, 2))
    assert np.array_equal(before[:40], after[:40])
    assert not np.array_equal(before[40:], after[40:])
    assert np.abs(before - calibrate(logits, fit(logits, targets, (1, 2)), (1, 2))).max() < 0.2


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


def test_limits_come_from_the_worst_of_the_styles() -> None:
    truth = _RANDOM.random(3000) < 0.6
    p = 1 / (1 + np.exp(-_RANDOM.normal(np.where(truth, 1.5, -1.5), 1.0)))
    groups = np.arange(3000).astype(str)
    alarming = np.where(truth, p, np.sqrt(p))  # normals look worse in another machine's style
    plain, worst = operating_points(p, truth, groups), operating_points(p, truth, groups, [alarming])
    for before, after in zip(plain, worst, strict=True):
        assert after.upper >= before.upper
        assert after.lower == pytest.approx(min(before.lower, before.upper), abs=0.5)
    assert (alarming[~truth] >= worst[0].upper).mean() <= 0.011
    for point in worst:
        assert point.promise is not None
        for shown in (p, alarming):
            assert (shown[truth] < point.lower).mean() <= point.promise.missed + 0.001
            assert (shown[~truth] >= point.upper).mean() <= point.promise.alarmed + 0.001


def test_the_type_margin_is_the_smallest_that_is_right_nineteen_times_in_twenty() -> None:
    viral = np.linspace(0.005, 0.995, 4000)
    is_viral = _RANDOM.random(4000) < viral
    margin = type_margin([(1 - viral, viral)], is_viral)
    right = (viral > 0.5) == is_viral
    lead = np.abs(2 * viral - 1)
    assert right[lead >= margin].mean() >= 0.95
    assert right[lead >= margin - 0.01].mean() < 0.95


def test_the_type_margin_holds_in_every_style() -> None:
    viral = np.linspace(0.005, 0.995, 4000)
    is_viral = _RANDOM.random(4000) < viral
    timid = 0.5 + (viral - 0.5) * 0.5  # another machine's style halves every lead
    bold = np.clip(0.5 + (viral - 0.5) * 1.2, 0, 1)  # and a third one exaggerates it
    alone = type_margin([(1 - viral, viral)], is_viral)
    assert type_margin([(1 - viral, viral), (1 - bold, bold)], is_viral) > alone
    assert type_margin([(1 - viral, viral), (1 - timid, timid)], is_viral) == 1.0


def test_types_that_cannot_be_told_apart_are_never_named() -> None:
    half = np.full(100, 0.5)
    assert type_margin([(half, half)], np.arange(100) % 2 == 0) == 1.0


def test_the_card_says_how_often_each_lead_would_name_a_type_and_how_often_rightly() -> None:
    viral = np.array([0.0, 0.1, 0.2, 0.45, 0.6, 0.9, 1.0, 1.0])
    is_viral = np.array([False, False, True, False, False, True, True, True])
    mistaken = np.where(np.arange(8) == 6, 0.02, viral)  # another machine's style turns a sure one round
    mistaken[7] = np.nan  # and was not drawn for the last
    rows = {
        row.lead: row
        for row in naming([(1 - viral, viral), (1 - mistaken, mistaken)], is_viral, np.arange(8).astype(str))
    }
    assert [rows[lead].named.value for lead in (0.0, 0.4, 0.95)] == [1.0, 0.75, 0.375]
    right = [rows[lead].right for lead in (0.0, 0.4, 0.95)]
    assert [estimate and estimate.value for estimate in right] == [0.75, 0.8333, 1.0]
    worst = rows[0.95].right_in_styles
    assert worst is not None
    assert worst.value == 0.5


def test_without_styles_and_without_leads_the_card_says_neither() -> None:
    half = np.full(6, 0.5)
    (first, *others) = naming([(half, half)], np.arange(6) % 2 == 0, np.arange(6).astype(str))
    assert first.right_in_styles is None
    assert {row.named.value for row in others} == {0.0}
    assert {row.right for row in others} == {None}
