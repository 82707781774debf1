"""The distance from the training images, and the pictures that it is measured on."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.runtimes import Answers
from service.demo.phantom import phantom_values
from training.measuring import distance
from training.measuring.kinds import ENOUGH, kinds

torch = pytest.importorskip("torch")
decomposition = pytest.importorskip("sklearn.decomposition")


@pytest.fixture(scope="module")
def features() -> NDArray[np.float32]:
    """Features that differ along some directions more than along others."""
    drawn = np.random.default_rng(0)
    mixed_ND = drawn.normal(size=(600, 80)) @ drawn.normal(size=(80, 100)) + 0.5 * drawn.normal(size=(600, 100))
    return np.asarray(mixed_ND + 3, dtype=np.float32)


def test_the_distance_is_that_of_scikit_learns_probabilistic_principal_components(features: np.ndarray) -> None:
    from models.distance import Distance

    tensors = {name: torch.from_numpy(values) for name, values in distance.fit(features).items()}
    layers = {"layer4": torch.from_numpy(features)[:, :, None, None]}
    found_N = Distance(tensors, ("layer4",), "cpu")(layers).numpy()
    scaled_ND = (features - features.mean(axis=0)) / features.std(axis=0)
    oracle = decomposition.PCA(n_components=64, svd_solver="full").fit(scaled_ND.astype(np.float64))
    squares_N = np.einsum("nd,de,ne->n", scaled_ND, oracle.get_precision(), scaled_ND)
    # scikit-learn divides the covariance by one image fewer.
    assert np.allclose(found_N, squares_N / 100 * 600 / 599, rtol=1e-3)
    assert found_N.mean() == pytest.approx(1, abs=1e-3)


def test_every_kind_is_enough_different_pictures_or_says_that_it_is_not_measured() -> None:
    radiographs = [phantom_values(seed, 64, 56) for seed in range(ENOUGH)]
    found = kinds(radiographs)
    assert {kind.chooses for kind in found} == {True, False}
    for kind in found:
        assert len({picture.tobytes() for picture in kind.pictures}) >= ENOUGH, kind.name
        for picture in kind.pictures:
            assert picture.dtype == np.float32
            assert picture.ndim == 2
            assert 0 <= picture.min() <= picture.max() <= 1


class _Brightness:
    """A runtime whose distance is how bright an image's upper half is, against its lower one."""

    def run(self, images_N3HW: np.ndarray) -> Answers:
        found_N = images_N3HW[:, 0, :112].mean(axis=(1, 2)) - images_N3HW[:, 0, 112:].mean(axis=(1, 2))
        empty = np.zeros((len(found_N), 3), dtype=np.float32)
        return Answers(empty, empty[:, :, None, None], found_N)

    def fingerprint(self) -> dict[str, str | int]:
        return {}


def test_the_limit_lets_one_in_a_hundred_of_val_go_and_few_pictures_are_not_measured() -> None:
    val_N = np.linspace(-3, -2, 1000, dtype=np.float32)
    few = [phantom_values(seed, 32, 32) for seed in range(6)]
    found = distance.measure(_Brightness(), "stretch-224-standardised-v1", val_N, few)
    assert found.false_alarms == pytest.approx(0.01, abs=0.001)
    rows = {row.kind: row for row in found.kinds}
    assert (rows["inverted"].pictures, rows["inverted"].auroc, rows["inverted"].beyond) == (6, None, None)
    assert rows["handwritten digits"].auroc == 1.0
    assert {row.pictures for row in found.changes} == {6}
