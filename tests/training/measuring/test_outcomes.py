from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from hypothesis import given
from hypothesis import strategies as st

from models.card import Card
from models.checkpoint import Checkpoint, default_path
from models.decision import decide
from training.measuring.outcomes import PREVALENCES, Outcomes, abstention, at_point, outcomes, predictive_values

_GROUPS = np.arange(200).astype(str)


@pytest.fixture(scope="module")
def card() -> Card:
    return Checkpoint.load(default_path(), verify=False).card


def _outcomes(hits: int, misses: int, alarms: int, correct: int) -> Outcomes:
    """Return so many positives and negatives of 100 images with pneumonia and 100 without."""
    truth = np.arange(200) < 100
    positive, negative = np.zeros(200, dtype=bool), np.zeros(200, dtype=bool)
    positive[:hits] = negative[hits : hits + misses] = True
    positive[100 : 100 + alarms] = negative[100 + alarms : 100 + alarms + correct] = True
    nothing = np.zeros(200, dtype=bool)
    return Outcomes("balanced", truth, positive, negative, nothing, nothing)


def test_predictive_values_worked_out_by_hand() -> None:
    rows = predictive_values(_outcomes(hits=90, misses=10, alarms=20, correct=80), _GROUPS)
    assert [row.prevalence for row in rows] == list(PREVALENCES)
    at_tenth = rows[1]
    # Of 1,000 people 100 have it: 90 true alarms, 180 false ones; 720 rightly negative, 10 missed.
    assert at_tenth.positive is not None
    assert at_tenth.negative is not None
    assert at_tenth.positive.value == pytest.approx(90 / 270, abs=1e-4)
    assert at_tenth.negative.value == pytest.approx(720 / 730, abs=1e-4)
    assert at_tenth.positive.low < at_tenth.positive.value < at_tenth.positive.high


@given(hits=st.integers(1, 99), alarms=st.integers(1, 99), prevalence=st.sampled_from(PREVALENCES))
def test_at_the_share_of_the_images_themselves_bayes_only_counts(hits: int, alarms: int, prevalence: float) -> None:
    from training.measuring.outcomes import _posterior

    assert _posterior(hits / 100, alarms / 100, 0.5) == pytest.approx(hits / (hits + alarms))
    assert _posterior(hits / 100, hits / 100, prevalence) == pytest.approx(prevalence)


def test_an_outcome_that_never_occurs_has_no_value() -> None:
    rows = predictive_values(_outcomes(hits=0, misses=50, alarms=0, correct=100), _GROUPS)
    assert all(row.positive is None and row.negative is not None for row in rows)


def test_abstention_leaves_the_open_ones_out_and_says_how_many() -> None:
    found = abstention(_outcomes(hits=60, misses=20, alarms=10, correct=70), _GROUPS)
    assert found.coverage.value == pytest.approx(160 / 200)
    assert found.accuracy is not None
    assert found.accuracy.value == pytest.approx(130 / 160, abs=1e-4)
    assert found.type_coverage is not None
    assert found.type_coverage.value == 0
    assert found.type_accuracy is None


def test_outcomes_are_those_that_the_product_decides(card: Card) -> None:
    random = np.random.default_rng(5)
    probabilities = random.dirichlet([0.3, 0.5, 0.3], 60)
    targets = random.integers(0, 3, 60)
    for found in outcomes(replace(card, type_margin=0.5), probabilities, targets):
        for index, row in enumerate(probabilities):
            named = dict(zip(card.classes, map(float, row), strict=True))
            decision = decide(named, replace(card, type_margin=0.5), found.point)
            assert found.positive_N[index] == (decision.outcome == "positive")
            assert found.negative_N[index] == (decision.outcome == "negative")
            assert found.named_N[index] == (decision.pneumonia_type is not None)
            label = card.findings[card.classes[targets[index]]]
            assert found.type_right_N[index] == (decision.pneumonia_type == label)


def test_what_an_operating_point_does_is_counted_by_the_truth() -> None:
    row = at_point(_outcomes(hits=90, misses=4, alarms=20, correct=70), _GROUPS)
    assert row.sensitivity is not None
    assert row.specificity is not None
    assert row.missed is not None
    assert row.alarmed is not None
    found = (row.sensitivity, row.specificity, row.missed, row.alarmed, row.indeterminate)
    assert [estimate.value for estimate in found] == pytest.approx([0.9, 0.7, 0.04, 0.2, 0.08])
