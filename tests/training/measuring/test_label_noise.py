import numpy as np
import pytest

pytest.importorskip("sklearn")

from training.measuring.label_noise import confident_joint, estimate_noise, right_by_agreement

_RANDOM = np.random.default_rng(6)


def _flipped(truth: np.ndarray, share: float) -> np.ndarray:
    return truth ^ (_RANDOM.random(len(truth)) < share)


def test_confident_learning_finds_how_many_labels_were_flipped() -> None:
    truth = _RANDOM.random(4000) < 0.4
    labels = _flipped(truth, 0.12)
    p = np.clip(np.where(truth, 0.85, 0.15) + _RANDOM.normal(0, 0.05, 4000), 0, 1)
    joint = confident_joint(p, labels)
    assert joint.sum() == pytest.approx(1)
    assert np.trace(joint) == pytest.approx((labels == truth).mean(), abs=0.02)
    assert joint.sum(axis=1) == pytest.approx([(~labels).mean(), labels.mean()])


def test_labels_that_the_model_confirms_are_held_right() -> None:
    labels = np.arange(100) % 3 == 0
    assert np.trace(confident_joint(labels.astype(float), labels)) == 1


def test_agreement_of_models_with_independent_errors_gives_the_share_of_right_labels() -> None:
    truth = _RANDOM.random(60_000) < 0.5
    labels, first, second = (_flipped(truth, share) for share in (0.15, 0.1, 0.2))
    found = right_by_agreement((first == labels).mean(), (second == labels).mean(), (first == second).mean())
    assert found == pytest.approx(0.85, abs=0.01)
    assert np.isnan(right_by_agreement(0.9, 0.4, 0.8))


def test_the_estimate_names_models_pairs_and_contradicted_labels() -> None:
    truth = _RANDOM.random(300) < 0.5
    labels = _flipped(truth, 0.1)
    p = {"one": np.where(truth, 0.9, 0.1), "other": np.where(_flipped(truth, 0.1), 0.8, 0.2)}
    found = estimate_noise("phantoms", p, labels, np.arange(300).astype(str))
    assert set(found.models) == {"one", "other"}
    assert set(found.agreement) == {"one and other"}
    assert found.contradicted.value == pytest.approx(
        ((truth != labels) & ((p["other"] > 0.5) != labels)).mean(), abs=1e-3
    )
    assert found.ceiling.low <= found.ceiling.value <= found.ceiling.high
