import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scipy")

from training.fitting.style import carry_stamps, match_greys, match_spectrum, power_by_ring

_RANDOM = np.random.default_rng(3)


def _smooth(seed: int, waves: int) -> NDArray[np.float32]:
    """Return a picture without sharp edges, of a few waves."""
    down, across = np.indices((64, 64)) / 64 * 2 * np.pi
    phases = np.random.default_rng(seed).uniform(0, 6, 4)
    waves_4HW = [
        np.sin(waves * (down * a + across * (1 - a)) + p) for a, p in zip((0, 0.3, 0.6, 1), phases, strict=True)
    ]
    return np.asarray(0.5 + np.sum(waves_4HW, axis=0) / 10, dtype=np.float32)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_greys_are_those_of_the_donor_to_the_share_asked_for(share: float) -> None:
    image, donor = _smooth(1, 2), _smooth(2, 3) ** 3
    found = match_greys(image, donor, share)
    quantiles = np.linspace(0.05, 0.95, 7)
    expected = (1 - share) * np.quantile(image, quantiles) + share * np.quantile(donor, quantiles)
    assert np.allclose(np.quantile(found, quantiles), expected, atol=0.02)


def test_greys_keep_their_order() -> None:
    image = _smooth(1, 2)
    found = match_greys(image, _RANDOM.random((64, 64), dtype=np.float32), 1.0)
    order = np.argsort(image.ravel())
    assert (np.diff(found.ravel()[order]) >= -1e-6).all()


def test_the_spectrum_is_the_donors_and_the_mean_grey_the_images_own() -> None:
    image = np.clip(_smooth(1, 2) + _RANDOM.normal(0, 0.01, (64, 64)), 0, 1).astype(np.float32)
    donor = np.clip(_smooth(2, 2) + _RANDOM.normal(0, 0.02, (64, 64)), 0, 1).astype(np.float32)
    found = match_spectrum(image, donor, 1.0)
    assert np.allclose(np.log(power_by_ring(found)[12:30]), np.log(power_by_ring(donor)[12:30]), atol=0.1)
    assert found.mean() == pytest.approx(image.mean(), abs=1e-3)
    assert np.allclose(match_spectrum(image, donor, 0.0), image, atol=1e-5)


def test_low_amplitudes_alone_leave_fine_structure_where_it_was() -> None:
    image, donor = _smooth(1, 9), _smooth(2, 1)
    found = match_spectrum(image, donor, 1.0, reach=0.05)
    assert np.corrcoef(found.ravel(), image.ravel())[0, 1] < 0.999
    assert 0 <= found.min() <= found.max() <= 1


def test_a_stamp_is_carried_and_the_body_is_not() -> None:
    donor = np.full((224, 224), 0.2, dtype=np.float32)
    donor[20:40, 4:8] = 1.0  # a marker in the corner
    donor[80:160, 80:160] = 0.9  # a bright body in the middle
    image = np.full((224, 224), 0.4, dtype=np.float32)
    found = carry_stamps(image, donor)
    assert (found[20:40, 4:8] == 1).all()
    assert (np.delete(found, np.s_[4:8], axis=1) == np.float32(0.4)).all()
