import cv2
import numpy as np
import pytest

pytest.importorskip("sklearn")

from service.demo.phantom import phantom_values
from training.measuring.lung_field import find_lung_fields


@pytest.fixture(scope="module")
def phantoms() -> list[np.ndarray]:
    return [phantom_values(seed, 224, 224) for seed in range(1, 13)]


def _drawn_lungs() -> np.ndarray:
    """Return where the phantom draws its lungs, but for the few pixels by which each seed moves them."""
    y, x = np.linspace(-1, 1, 224)[:, None], np.linspace(-1, 1, 224)[None, :]
    return np.asarray(((np.abs(x) - 0.42) / 0.305) ** 2 + ((y + 0.05) / 0.66) ** 2 < 1)


def test_the_field_covers_the_lungs_that_the_phantom_draws(phantoms: list[np.ndarray]) -> None:
    found = find_lung_fields(phantoms)
    drawn = _drawn_lungs()
    for field in found.fields_NHW:
        common = (field & drawn).sum() / (field | drawn).sum()
        assert common > 0.6
    assert found.borrowed_N.mean() < 0.2


def test_brightness_contrast_and_a_marker_hardly_move_the_field(phantoms: list[np.ndarray]) -> None:
    def changed(image: np.ndarray) -> np.ndarray:
        marked = np.clip(image * 0.7 + 0.1, 0, 1).astype(np.float32)
        marker = np.zeros((224, 224), dtype=np.uint8)
        cv2.putText(marker, "R", (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
        return np.maximum(marked, marker.astype(np.float32) / 255)

    before, after = find_lung_fields(phantoms), find_lung_fields([changed(image) for image in phantoms])
    common = (before.fields_NHW & after.fields_NHW).sum() / (before.fields_NHW | after.fields_NHW).sum()
    assert common > 0.9


def test_an_image_without_lungs_borrows_the_field_of_the_others(phantoms: list[np.ndarray]) -> None:
    white = np.full((224, 224), 0.8, dtype=np.float32)
    black = np.zeros((224, 224), dtype=np.float32)
    found = find_lung_fields([*phantoms, white, black])
    assert found.borrowed_N[-2:].all()
    assert np.array_equal(found.fields_NHW[-1], found.fields_NHW[-2])
    assert 0.1 < found.fields_NHW[-1].mean() < 0.4


def test_images_without_any_lungs_are_refused() -> None:
    with pytest.raises(ValueError, match="two plausible lungs"):
        find_lung_fields([np.full((224, 224), 0.5, dtype=np.float32)] * 3)
