"""Both papers' rows, and the splits that they are run on."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from models.transforms import TRANSFORMS
from tests.invariants import Invariant
from training.fitting.recipes import FINDINGS
from training.fitting.sampling import oversample
from training.papers.measures import measure
from training.papers.rows import ROWS, Draw, Folds, rows_of
from training.papers.splits import make_splits


def test_every_row_has_its_own_name_and_cannot_be_changed() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    with pytest.raises(FrozenInstanceError):
        ROWS[0].name = "other"  # type: ignore[misc]


def test_every_published_figure_is_one_that_we_measure() -> None:
    for row in ROWS:
        classes = row.recipe.classes
        measured = measure(np.eye(len(classes)), np.arange(len(classes)), classes)
        assert [figure.measure for figure in row.published if figure.measure not in measured] == []
        assert set(classes) <= set(FINDINGS)
        assert TRANSFORMS[row.recipe.transform].size == row.recipe.stages[-1].size


def test_table_2_agrees_with_itself() -> None:
    (row,) = rows_of("three-class")
    stated = {figure.measure: figure.value for figure in row.published if figure.where == "table 2"}
    # Means of the published cells, and the recalls as counts of the published support.
    for cell in ("precision", "recall", "f1-score"):
        mean = np.mean([stated[f"{name} {cell}"] for name in row.recipe.classes])
        assert stated[f"macro avg {cell}"] == pytest.approx(mean, abs=2e-5)
    assert isinstance(row.split, Draw)
    right = sum(
        round(stated[f"{name} recall"] * count) for name, count in zip(row.recipe.classes, row.split.test, strict=True)
    )
    assert right / sum(row.split.test) == stated["accuracy"]


def test_tables_3_and_4_agree_with_each_other() -> None:
    (row,) = rows_of("two-class", ["table-4-resnet152"])
    stated = {figure.measure: figure.value for figure in row.published}
    counts = np.array(
        [[stated[f"{truth} called {call}"] for call in ("normal", "pneumonia")] for truth in ("normal", "pneumonia")]
    )
    assert isinstance(row.split, Draw)
    assert counts.sum(axis=1).tolist() == list(row.split.test)
    assert stated["accuracy"] == pytest.approx(counts.trace() / counts.sum(), abs=0.005)
    assert stated["pneumonia recall"] == pytest.approx(counts[1, 1] / counts[1].sum(), abs=0.005)
    assert stated["pneumonia precision"] == pytest.approx(counts[1, 1] / counts[:, 1].sum(), abs=0.005)


def test_an_unknown_row_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'table-9'.*figure-7-dropout-gap"):
        rows_of("two-class", ["table-9"])


@st.composite
def collections(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Give targets and patient groups; patients of the second class have several images."""
    counts = draw(st.lists(st.integers(1, 4), min_size=12, max_size=40))
    groups = np.array([f"sick-{index}" for index, count in enumerate(counts) for _ in range(count)])
    normal = np.array([f"well-{index}" for index in range(draw(st.integers(12, 30)))])
    return np.repeat([0, 1], [len(normal), len(groups)]), np.concatenate([normal, groups])


@pytest.mark.proves(Invariant.GROUPED_SPLITS)
@given(
    collections(), st.sampled_from([Folds(3), Draw(test=(4, 4)), Draw(test=(4, 4), train=(6, 2))]), st.integers(0, 9)
)
def test_both_protocols_test_the_same_images_and_grouped_shares_no_patient(
    collection: tuple[np.ndarray, np.ndarray], plan: Folds | Draw, seed: int
) -> None:
    targets, groups = collection
    published, grouped = (make_splits(plan, targets, groups, side, seed) for side in ("published", "grouped"))
    tested = [sorted(np.concatenate([split.test_M for split in found])) for found in (published, grouped)]
    assert tested[0] == tested[1]
    for split in [*published, *grouped]:
        assert not set(split.train_M) & set(split.test_M)
    assert [split.shared(groups) for split in grouped] == [0] * len(grouped)
    if isinstance(plan, Draw):
        assert np.bincount(targets[grouped[0].test_M]).tolist() == list(plan.test)
        assert plan.train is None or np.bincount(targets[grouped[0].train_M]).tolist() == list(plan.train)


def test_a_class_with_too_few_images_is_named() -> None:
    with pytest.raises(ValueError, match="takes 5 images of class 1; the data have 2"):
        make_splits(Draw(test=(1, 5)), np.array([0, 0, 1, 1]), np.array(list("abcd")), "published", 1)


@given(st.lists(st.integers(0, 2), min_size=3, max_size=60), st.integers(0, 9))
def test_oversampling_repeats_small_classes_until_all_are_equal(found: list[int], seed: int) -> None:
    targets = np.array([0, 1, 2, *found])
    rows = oversample(targets, seed)
    assert len(set(np.bincount(targets[rows]).tolist())) == 1
    assert sorted(set(rows.tolist())) == list(range(len(targets)))
    assert np.array_equal(rows, oversample(targets, seed))
