import numpy as np
import pytest

pytest.importorskip("sklearn")

from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from training.measuring.metrics import bootstrap, calibration_error, known_only, measure, measure_with_intervals


def test_figures_of_five_images_worked_out_by_hand() -> None:
    probabilities = np.array(
        [[0.8, 0.1, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.6, 0.2, 0.2]], dtype=np.float64
    )
    found = measure(probabilities, np.array([0, 0, 1, 1, 2]), pneumonia=(1, 2))
    assert found["accuracy"] == pytest.approx(2 / 5)
    assert found["pneumonia accuracy"] == pytest.approx(3 / 5)
    assert found["sensitivity"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(1 / 2)
    # P(pneumonia): normals 0.2, 0.6; pneumonia 0.9, 0.8, 0.4: five of six pairs are in order.
    assert found["auc"] == pytest.approx(5 / 6)
    assert found["brier"] == pytest.approx((0.04 + 0.36 + 0.01 + 0.04 + 0.36) / 5)
    expected = -np.log([0.8, 0.4, 0.8, 0.3, 0.2]).mean()
    assert found["negative log-likelihood"] == pytest.approx(expected)


def test_perfect_calibration_has_no_error_and_the_opposite_has_all() -> None:
    truth = np.array([False] * 50 + [True] * 50)
    assert calibration_error(truth.astype(float), truth) == 0
    assert calibration_error(1 - truth.astype(float), truth) == 1


def test_intervals_hold_the_value_and_widen_when_images_belong_to_few_patients() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1, 1], 120)
    targets = np.array([random.choice(3, p=row) for row in probabilities])
    alone = measure_with_intervals(probabilities, targets, np.arange(120).astype(str), (1, 2))
    repeated = np.repeat(np.arange(120), 4)
    copied = measure_with_intervals(probabilities[repeated], targets[repeated], repeated.astype(str), (1, 2))
    for name, estimate in alone.items():
        if name != "ece":  # a maximum over bins: resampling raises it, and the value may lie below
            assert estimate.low <= estimate.value <= estimate.high, name
    # Copies of the same patients tell nothing new: the interval must not shrink.
    width = copied["accuracy"].high - copied["accuracy"].low
    assert width == pytest.approx(alone["accuracy"].high - alone["accuracy"].low, abs=0.03)


def test_an_interval_of_a_mean_agrees_with_the_textbook() -> None:
    values = np.random.default_rng(2).normal(0, 1, 400)
    found = bootstrap(lambda rows: {"mean": float(values[rows].mean())}, np.arange(400).astype(str))["mean"]
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.15)


def test_one_class_alone_leaves_what_cannot_be_measured_open() -> None:
    found = measure(np.array([[0.9, 0.1]]), np.array([0]), pneumonia=(1,))
    assert np.isnan(found["auc"])
    assert np.isnan(found["sensitivity"])
    assert found["specificity"] == 1


@given(seed=st.integers(0, 10_000), ties=st.booleans())
def test_the_figures_are_those_of_scikit_learn(seed: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([1, 1, 1], 40)
    if ties:
        probabilities = np.repeat(probabilities[:20], 2, axis=0)
    targets = np.concatenate([np.arange(3), random.integers(0, 3, 37)])
    truth, p = targets > 0, probabilities[:, 1:].sum(axis=1)
    found = measure(probabilities, targets, pneumonia=(1, 2))
    assert found["auc"] == pytest.approx(roc_auc_score(truth, p))
    assert found["brier"] == pytest.approx(brier_score_loss(truth, np.clip(p, 0, 1), pos_label=True))
    assert found["negative log-likelihood"] == pytest.approx(log_loss(targets, probabilities, labels=[0, 1, 2]))
    assert found["accuracy"] == pytest.approx(accuracy_score(targets, probabilities.argmax(axis=1)))


def test_only_what_could_be_measured_is_kept_for_a_card() -> None:
    one_class = np.zeros(6, dtype=np.int64)
    found = measure_with_intervals(np.tile([0.8, 0.2], (6, 1)), one_class, np.arange(6).astype(str), (1,))
    assert np.isnan(found["auc"].value)
    assert {"accuracy", "specificity", "brier"} <= set(known_only(found))
    assert not {"auc", "sensitivity"} & set(known_only(found))
