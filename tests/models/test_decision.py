from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card import Calibration, Card, PneumoniaCalibration
from models.checkpoint import Checkpoint
from models.decision import calibrate, decide, shift_prevalence

_INSIDE = st.floats(0.001, 0.999)


@pytest.fixture(scope="module")
def card(checkpoint: Checkpoint) -> Card:
    """The shipped card with round numbers."""
    points = tuple(replace(point, lower=0.3, upper=0.7) for point in checkpoint.card.operating_points)
    calibration = replace(checkpoint.card.calibration, prevalence=0.5)
    return replace(checkpoint.card, operating_points=points, type_margin=0.4, calibration=calibration)


def _split(p_pneumonia: float, viral_share: float) -> dict[str, float]:
    return {
        "normal": 1 - p_pneumonia,
        "bacterial": p_pneumonia * (1 - viral_share),
        "viral": p_pneumonia * viral_share,
    }


@pytest.mark.parametrize(
    ("p_pneumonia", "outcome"),
    [(0.0, "negative"), (0.29, "negative"), (0.31, "indeterminate"), (0.69, "indeterminate"), (0.71, "positive")],
)
def test_the_band_decides_the_outcome(card: Card, p_pneumonia: float, outcome: str) -> None:
    decision = decide(_split(p_pneumonia, 0.5), card, "balanced")
    assert decision.outcome == outcome
    assert decision.p_pneumonia == pytest.approx(p_pneumonia)
    assert (decision.lower, decision.upper, decision.prevalence) == (0.3, 0.7, 0.5)


def test_the_limits_themselves_are_indeterminate_and_positive(card: Card) -> None:
    certain = {"normal": 1 - 0.7, "bacterial": 0.7, "viral": 0.0}
    assert decide(certain, card, "balanced").outcome == "positive"
    certain = {"normal": 1 - 0.3, "bacterial": 0.3, "viral": 0.0}
    assert decide(certain, card, "balanced").outcome == "indeterminate"


@pytest.mark.parametrize(
    ("viral_share", "named"),
    [(0.1, "bacterial pneumonia"), (0.35, None), (0.5, None), (0.65, None), (0.9, "viral pneumonia")],
)
def test_a_type_is_named_only_beyond_the_margin(card: Card, viral_share: float, named: str | None) -> None:
    assert decide(_split(0.95, viral_share), card, "balanced").pneumonia_type == named


def test_pneumonia_of_an_open_type_counts_and_is_never_given_a_type(card: Card) -> None:
    untyped = replace(card, classes=("clear", "opacity"), findings={"clear": "normal", "opacity": "pneumonia"})
    decision = decide({"clear": 0.1, "opacity": 0.9}, untyped, "balanced")
    assert (decision.outcome, decision.p_pneumonia, decision.pneumonia_type) == ("positive", 0.9, None)
    # Beside both types, what is open counts in the share that a type must lead by.
    mixed = replace(card, classes=(*card.classes, "other"), findings={**card.findings, "other": "pneumonia"})
    shares = {"normal": 0.1, "bacterial": 0.3, "viral": 0.0, "other": 0.6}
    assert decide(shares, mixed, "balanced").pneumonia_type is None


@given(p=st.floats(0, 0.69), share=st.floats(0, 1))
def test_no_type_is_named_unless_the_image_is_positive(card: Card, p: float, share: float) -> None:
    assert decide(_split(p, share), card, "balanced").pneumonia_type is None


@given(p=_INSIDE, low=_INSIDE, high=_INSIDE)
def test_more_pneumonia_at_a_site_never_lowers_the_probability(p: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    assert shift_prevalence(p, 0.5, low) <= shift_prevalence(p, 0.5, high) + 1e-12


@given(p=_INSIDE, here=_INSIDE, there=_INSIDE)
def test_shifting_there_and_back_changes_nothing(p: float, here: float, there: float) -> None:
    assert shift_prevalence(shift_prevalence(p, here, there), there, here) == pytest.approx(p, abs=1e-9)


def test_a_shift_is_bayes_rule_with_numbers() -> None:
    # Likelihood ratio 9 (0.9 at evens); prior odds 1:9 give posterior odds 1:1.
    assert shift_prevalence(0.9, 0.5, 0.1) == pytest.approx(0.5)


def test_an_expected_prevalence_moves_the_decision_but_not_the_type(card: Card) -> None:
    here = decide(_split(0.9, 0.05), card, "balanced")
    rare = decide(_split(0.9, 0.05), card, "balanced", expected_prevalence=0.1)
    assert (here.outcome, rare.outcome) == ("positive", "indeterminate")
    assert rare.prevalence == 0.1
    common = decide(_split(0.5, 0.05), card, "balanced", expected_prevalence=0.9)
    assert (common.outcome, common.pneumonia_type) == ("positive", "bacterial pneumonia")


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.2, 3.0])
def test_an_impossible_prevalence_is_refused(card: Card, prevalence: float) -> None:
    with pytest.raises(ValueError, match="prevalence"):
        decide(_split(0.5, 0.5), card, "balanced", prevalence)


def test_an_unknown_operating_point_is_named_with_those_that_exist(card: Card) -> None:
    with pytest.raises(ValueError, match="rule-out"):
        decide(_split(0.5, 0.5), card, "bold")


@given(st.lists(st.floats(-80, 80, width=32), min_size=3, max_size=3), st.floats(0.1, 10))
def test_calibrated_probabilities_are_probabilities(logits: list[float], temperature: float) -> None:
    found = calibrate(np.array([logits], dtype=np.float32), Calibration(temperature, (0.1, 0.0, -0.2), 0.5), (1, 2))
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)


def test_calibration_divides_by_the_temperature_and_adds_the_bias() -> None:
    found = calibrate(np.array([[2.0, 0.0]], dtype=np.float32), Calibration(2.0, (0.0, 1.0), 0.5), (1,))
    assert found[0] == pytest.approx([0.5, 0.5])


_LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=3, max_size=3)


@given(_LOGITS, st.floats(0.1, 3), st.floats(-3, 3))
def test_p_pneumonia_calibrated_by_itself_hangs_on_the_raw_odds_alone(
    logits: list[float], slope: float, intercept: float
) -> None:
    calibration = Calibration(3.0, (0.4, 0.1, -0.2), 0.5, PneumoniaCalibration(slope, intercept))
    (found,) = calibrate(np.array([logits], dtype=np.float32), calibration, (1, 2))
    margin = np.logaddexp(logits[1], logits[2]) - logits[0]
    assert found[1] + found[2] == pytest.approx(1 / (1 + np.exp(-(slope * margin + intercept))), abs=1e-9)
    assert found.sum() == pytest.approx(1)


def test_types_share_p_pneumonia_by_temperature_and_bias() -> None:
    calibration = Calibration(2.0, (5.0, 0.0, 1.0), 0.5, PneumoniaCalibration(1.0, 0.0))
    (found,) = calibrate(np.array([[0.0, 1.0, -1.0]], dtype=np.float32), calibration, (1, 2))
    # Scaled logits 0.5 and 0.5: the two types are even, whatever normal's bias.
    assert found[1] == pytest.approx(found[2])


def test_a_card_without_its_own_calibration_of_pneumonia_keeps_the_softmax() -> None:
    logits = np.array([[0.3, -1.0, 2.0]], dtype=np.float32)
    found = calibrate(logits, Calibration(1.0, (0.0, 0.0, 0.0), 0.5), (1, 2))
    assert found[0] == pytest.approx(np.exp(logits[0]) / np.exp(logits[0]).sum())
