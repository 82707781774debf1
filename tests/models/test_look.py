import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.look import common_greys, common_look, cumulative_greys, ring_power
from models.transforms import local_contrast

_SIDE = 128


def _picture(seed: int = 3) -> NDArray[np.float32]:
    """Draw smooth structures with a little grain, as radiographs have them."""
    random = np.random.default_rng(seed)
    rough = random.random((_SIDE, _SIDE), dtype=np.float32)
    drawn = sum(cv2.GaussianBlur(rough, (0, 0), sigma) * sigma for sigma in (1.0, 3.0, 8.0, 20.0))
    picture = (drawn - np.min(drawn)) / np.ptp(drawn)
    return np.asarray(picture * 0.9 + 0.02, dtype=np.float32)


def _alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@given(gamma=st.floats(0.5, 2.0), factor=st.floats(0.5, 1.0), offset=st.floats(0.0, 0.1))
def test_a_tone_curve_leaves_nothing_behind(gamma: float, factor: float, offset: float) -> None:
    picture = _picture()
    changed = (picture**gamma * factor + offset).astype(np.float32).clip(0, 1)
    assert _alike(common_look(changed), common_look(picture)) > 0.995
    assert _alike(common_greys(changed), common_greys(picture)) > 0.995


def test_a_black_border_changes_nothing_inside_where_greys_alone_are_made_alike() -> None:
    """A border's edges change a spectrum more than a machine does: to the whole look they are a machine."""
    picture, margin = _picture(), _SIDE // 12
    framed = np.zeros_like(picture)
    inside = (slice(margin, -margin),) * 2
    framed[inside] = picture[inside]
    # Local contrast of the finest window, away from the border itself.
    kept = (slice(3 * margin, -3 * margin),) * 2
    greys, look = (
        _alike(local_contrast(alike(framed))[0][kept], local_contrast(alike(picture))[0][kept])
        for alike in (common_greys, common_look)
    )
    assert greys > 0.99
    assert look < greys


@pytest.mark.parametrize("sigma", [0.6, 1.0])
def test_a_softer_machine_gives_the_same_picture_as_a_sharper_one(sigma: float) -> None:
    sharp = _picture()
    soft = np.asarray(cv2.GaussianBlur(sharp, (0, 0), sigma), dtype=np.float32)
    again, before = common_look(soft), common_look(sharp)
    difference, left = np.abs(sharp - soft).mean(), np.abs(again - before).mean()
    assert left < difference or _alike(again, before) > 0.999


def test_every_picture_gets_the_same_power_at_each_frequency() -> None:
    powers = [ring_power(np.fft.rfft2(common_look(_picture(seed)))) for seed in range(2)]
    inside = slice(2, _SIDE // 4)  # what is not clipped away as black or white, nor beyond the largest gain
    ratio = np.median(powers[0][inside] / powers[1][inside])
    assert ratio == pytest.approx(1, abs=0.15)
    plain = [ring_power(np.fft.rfft2(_picture(seed) ** (1 + seed))) for seed in range(2)]
    spread = [np.std(np.log(pair[0][inside] / pair[1][inside])) for pair in (powers, plain)]
    assert spread[0] < 0.5 * spread[1]


def test_structures_stay_where_they_are() -> None:
    picture = _picture()
    fine = [values - cv2.GaussianBlur(values, (0, 0), 4) for values in (picture, common_look(picture))]
    assert _alike(*fine) > 0.9
    assert _alike(fine[0], np.roll(fine[1], 3, axis=1)) < 0.7


@given(st.integers(0, 50))
def test_greys_stay_greys_and_the_size_stays(seed: int) -> None:
    random = np.random.default_rng(seed)
    picture = random.random((random.integers(8, 60),) * 2, dtype=np.float32)
    found = common_look(picture)
    assert found.shape == picture.shape
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1


def test_a_blank_picture_is_left_as_it_is() -> None:
    blank = np.full((50, 50), 0.3, dtype=np.float32)
    assert np.array_equal(common_look(blank), blank)
    assert np.array_equal(common_greys(blank), blank)


def test_the_share_of_darker_pixels_rises_from_level_to_level() -> None:
    below = cumulative_greys(np.array([[0, 0], [1, 1]], dtype=np.float32))
    assert (np.diff(below) > 0).all()
    assert below[0] == pytest.approx(0.25, abs=1e-3)
    assert below[-1] == pytest.approx(0.75, abs=1e-3)
