"""The distance from the training images, and the pictures that it is measured on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from models.checkpoint import CARD, Checkpoint, default_path, write_card
from models.runtimes import NetworkOutput
from service.demo.phantom import phantom_values
from training.measure_cli import measure
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

    def run(self, images_N3HW: np.ndarray) -> NetworkOutput:
        found_N = images_N3HW[:, 0, :112].mean(axis=(1, 2)) - images_N3HW[:, 0, 112:].mean(axis=(1, 2))
        empty = np.zeros((len(found_N), 3), dtype=np.float32)
        return NetworkOutput(empty, empty[:, :, None, None], found_N)

    def fingerprint(self) -> dict[str, str | int]:
        return {}


def test_the_limit_lets_three_in_a_hundred_of_val_go_and_few_pictures_are_not_measured() -> None:
    val_N = np.linspace(-3, -2, 1000, dtype=np.float32)
    few = [phantom_values(seed, 32, 32) for seed in range(6)]
    found = distance.measure(_Brightness(), "stretch-224-standardised-v1", val_N, few)
    assert 0.02 < found.false_alarms <= 0.03
    rows = {row.kind: row for row in found.kinds}
    assert (rows["inverted"].pictures, rows["inverted"].auroc, rows["inverted"].beyond) == (6, None, None)
    assert rows["handwritten digits"].auroc == 1.0
    assert rows["phantoms"].refused == rows["phantoms"].beyond, "they are upright"
    assert {row.pictures for row in found.changes} == {6}


@given(
    val=st.lists(st.floats(0.125, 5, width=32), min_size=20, max_size=300),
    kind=st.lists(st.floats(0.125, 9, width=32), min_size=20, max_size=300),
)
def test_no_kind_moves_the_limit_so_far_that_val_loses_more_than_it_may(val: list[float], kind: list[float]) -> None:
    val_N, kind_N = np.array(val, dtype=np.float32), np.array(kind, dtype=np.float32)
    limit = distance.choose_limit(val_N, [kind_N])
    assert (val_N > limit).mean() <= distance.FALSE_ALARMS
    beyond = (kind_N > limit).mean()
    # Either enough of the kind lie beyond, or the limit is as tight as val allows.
    assert beyond >= distance.ABSTAIN or limit == distance.choose_limit(val_N)


def test_a_kind_that_lies_far_away_costs_nothing_of_val() -> None:
    val_N, adults_N = np.linspace(0, 1, 500, dtype=np.float32), np.linspace(4, 9, 100, dtype=np.float32)
    limit = distance.choose_limit(val_N, [adults_N])
    assert (val_N > limit).sum() == 0
    assert (adults_N > limit).mean() >= 0.95


@pytest.fixture
def adults(tmp_path: Path) -> Path:
    """Give pictures in folders of any depth, as a site has them; the letters beside them are no pictures."""
    (tmp_path / "adults" / "deeper").mkdir(parents=True)
    (tmp_path / "adults" / "letter.txt").write_text("no picture")
    for seed in range(ENOUGH):
        place = tmp_path / "adults" / ("deeper" if seed % 2 else "") / f"{seed}.png"
        Image.fromarray(np.rint(phantom_values(seed, 224, 200) * 255).astype(np.uint8)).save(place)
    return tmp_path / "adults"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Give a copy of the shipped checkpoint whose card knows val's distances, as an export of today writes it."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(default_path(), folder)
    card = Checkpoint.load(folder).card
    assert card.unlike_training is not None
    known = replace(card.unlike_training, percentiles=tuple(np.linspace(0, 2, 101)))
    (folder / CARD).write_bytes(write_card(replace(card, unlike_training=known)))
    return folder


def test_the_command_says_how_many_of_a_kind_and_of_val_lie_beyond_and_records_it(adults: Path, copied: Path) -> None:
    before = Checkpoint.load(copied).card.unlike_training
    arguments = ["unlike", "--data", str(adults), "--record", "--checkpoint", str(copied)]
    found = CliRunner().invoke(measure, arguments)
    assert found.exit_code == 0, found.output
    assert "of val lie beyond it" in found.output
    assert "adults (50): 100.0% lie beyond it" in found.output  # phantoms are unlike radiographs
    after = Checkpoint.load(copied).card.unlike_training
    assert before is not None
    assert after is not None
    assert (after.limit, after.kinds[1:]) == (before.limit, before.kinds)
    assert (after.kinds[0].kind, after.kinds[0].beyond) == ("adults", 1.0)


def test_the_command_asks_for_val_where_the_card_does_not_know_its_distances(adults: Path, copied: Path) -> None:
    card = Checkpoint.load(copied).card
    assert card.unlike_training is not None
    older = replace(card, unlike_training=replace(card.unlike_training, percentiles=()))
    (copied / CARD).write_bytes(write_card(older))
    found = CliRunner().invoke(measure, ["unlike", "--data", str(adults), "--checkpoint", str(copied)])
    assert found.exit_code == 1
    assert "--val" in found.output
