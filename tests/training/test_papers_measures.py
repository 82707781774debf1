"""The papers' figures of merit against scikit-learn's own report."""

import numpy as np
import pytest

metrics = pytest.importorskip("sklearn.metrics")

from training.papers.measures import compare, measure, roc_curves  # noqa: E402

_RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("classes", [("normal", "pneumonia"), ("normal", "bacterial", "viral")])
def test_every_cell_is_that_of_the_classification_report(classes: tuple[str, ...]) -> None:
    targets = _RANDOM.integers(len(classes), size=80)
    probabilities = _RANDOM.dirichlet(np.ones(len(classes)), 80)
    found = measure(probabilities, targets, classes)
    report = metrics.classification_report(
        targets, probabilities.argmax(axis=1), target_names=list(classes), output_dict=True
    )
    for name in (*classes, "macro avg", "weighted avg"):
        for cell in ("precision", "recall", "f1-score"):
            assert found[f"{name} {cell}"] == pytest.approx(report[name][cell]), (name, cell)
    assert found["accuracy"] == pytest.approx(report["accuracy"])
    shown = probabilities[:, 1] if len(classes) == 2 else probabilities
    assert found["auc"] == pytest.approx(metrics.roc_auc_score(targets, shown, multi_class="ovr"))


def test_specificity_and_counts_of_four_images_worked_out_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    found = measure(probabilities, np.array([0, 0, 1, 1]), ("normal", "pneumonia"))
    assert (found["sensitivity"], found["specificity"], found["auc"]) == (0.5, 0.5, 0.75)
    assert (found["normal called pneumonia"], found["pneumonia called normal"]) == (1, 1)
    three = measure(np.eye(3)[[0, 0, 1, 1, 2]], np.array([0, 0, 1, 2, 2]), ("normal", "bacterial", "viral"))
    # Of the others' images: none is called normal, one of four bacterial, none viral.
    assert three["specificity"] == pytest.approx((1 + 3 / 4 + 1) / 3)


def test_what_leakage_is_worth_is_measured_on_the_same_patients() -> None:
    targets = np.arange(60) % 2
    right = np.eye(2)[targets] * 0.8 + 0.1
    wrong = right.copy()
    wrong[:12] = wrong[:12, ::-1]
    found = compare(right, wrong, targets, np.arange(60).astype(str), ("normal", "pneumonia"))
    leakage = found["leakage"]["accuracy"]
    assert leakage.value == pytest.approx(0.2, abs=1e-4)
    assert leakage.low > 0.05
    # The same answers under both protocols differ by nothing, whoever is drawn.
    same = compare(wrong, wrong, targets, np.arange(60).astype(str), ("normal", "pneumonia"))["leakage"]["accuracy"]
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_roc_curves_run_from_corner_to_corner() -> None:
    targets = _RANDOM.integers(3, size=300)
    curves = roc_curves(_RANDOM.dirichlet(np.ones(3), 300), targets, ("normal", "bacterial", "viral"))
    assert set(curves) == {"normal", "bacterial", "viral"}
    for false_rate, true_rate in curves.values():
        assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
        assert len(false_rate) <= 80
