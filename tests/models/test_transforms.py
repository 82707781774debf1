import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from models.transforms import SIZE, TRANSFORMS, equal_channels, local_contrast, standardise, stretch, to_batch

_NAME = "stretch-224-standardised-v1"
_IMAGES = arrays(np.float32, st.tuples(st.integers(1, 60), st.integers(1, 60)), elements=st.floats(0, 1, width=32))


@given(_IMAGES)
def test_any_image_becomes_three_equal_finite_channels_of_224_by_224(image: NDArray[np.float32]) -> None:
    batch = to_batch(_NAME, [image])
    assert batch.shape == (1, 3, SIZE, SIZE)
    assert batch.dtype == np.float32
    assert batch.flags.c_contiguous
    assert np.isfinite(batch).all()
    assert (batch[:, 0] == batch[:, 1]).all()
    assert (batch[:, 0] == batch[:, 2]).all()


@given(_IMAGES)
def test_stretching_never_leaves_the_range_of_greys(image: NDArray[np.float32]) -> None:
    stretched = stretch(image)
    assert stretched.min() >= image.min() - 1e-5
    assert stretched.max() <= image.max() + 1e-5


def test_stretching_fills_the_square_whatever_the_aspect() -> None:
    wide = np.zeros((100, 400), dtype=np.float32)
    wide[:, 300:] = 1
    stretched = stretch(wide)
    assert stretched[:, :160].max() == 0
    assert stretched[:, 180:].min() == 1


@pytest.mark.parametrize("name", TRANSFORMS)
def test_every_transform_gives_its_own_size_and_standardises_what_it_prepares(name: str) -> None:
    transform, image = TRANSFORMS[name], np.random.default_rng(2).random((300, 260), dtype=np.float32)
    prepared = transform.prepare(image)
    assert prepared.shape == (transform.size, transform.size)
    assert 0 <= prepared.min() <= prepared.max() <= 1
    assert np.array_equal(to_batch(name, [image])[0], transform.finish(prepared))
    if transform.finish is equal_channels:
        assert np.array_equal(to_batch(name, [image])[0, 0], standardise(prepared))


def test_contrast_enhancement_widens_faint_structures() -> None:
    waves = np.sin(np.linspace(0, 60, 224 * 224)).reshape(224, 224)
    faint = (0.5 + 0.02 * waves).astype(np.float32)
    prepared = TRANSFORMS["stretch-224-clahe-standardised-v1"].prepare(faint)
    assert prepared.std() > 1.2 * faint.std()


def test_an_image_of_the_networks_size_is_not_resampled() -> None:
    image = np.random.default_rng(0).random((SIZE, SIZE), dtype=np.float32)
    assert np.array_equal(stretch(image), image)


def test_a_large_image_is_averaged_and_not_sampled() -> None:
    checks = np.indices((SIZE * 8, SIZE * 8)).sum(axis=0) % 2
    stretched = stretch(checks.astype(np.float32))
    assert np.abs(stretched - 0.5).max() < 0.05


@given(st.floats(0.2, 1.0), st.floats(0.0, 0.3))
def test_brightness_and_contrast_within_the_range_do_not_matter(factor: float, offset: float) -> None:
    image = np.random.default_rng(1).random((40, 40), dtype=np.float32)
    changed = (image * np.float32(factor) + np.float32(offset)).astype(np.float32)
    assert np.allclose(standardise(changed), standardise(image), atol=1e-3)


def test_reducing_agrees_with_torchs_antialiased_interpolation() -> None:
    torch = pytest.importorskip("torch")
    image = np.random.default_rng(5).random((700, 1111), dtype=np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(image)[None, None], (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False
    )
    assert np.allclose(stretch(image), expected[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_blank_image_becomes_zeros_and_not_infinities(name: str) -> None:
    assert not to_batch(name, [np.full((50, 50), 0.3, dtype=np.float32)]).any()


_STRUCTURES = np.random.default_rng(8).random((224, 224), dtype=np.float32)


@given(gamma=st.floats(0.7, 1.4), factor=st.floats(0.3, 1.0), tilt=st.floats(-0.15, 0.15))
def test_local_contrast_hardly_knows_tone_curves_and_uneven_exposure(gamma: float, factor: float, tilt: float) -> None:
    ramp = np.linspace(0, tilt * factor, 224, dtype=np.float32)
    image = 0.35 + 0.3 * _STRUCTURES
    changed = (factor * image**gamma + ramp).astype(np.float32)
    before, after = local_contrast(image), local_contrast(changed)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98
    assert after.std() == pytest.approx(before.std(), rel=0.1)


def test_local_contrast_is_against_the_mean_and_deviation_of_the_surroundings() -> None:
    image = _STRUCTURES.copy()
    image[:, 112:] = 0.2 + 0.1 * image[:, 112:]  # the right half: darker, and of a tenth of the contrast
    for channel, kept in zip(local_contrast(image), (0.5, 0.5, 0.2), strict=True):
        left, right = channel[:, :48], channel[:, -48:]
        assert abs(left.mean() - right.mean()) < 0.3
        assert right.std() > kept * left.std()  # a tenth of it before; the widest window reaches over the border


def test_noise_in_black_borders_does_not_become_structure() -> None:
    image = _STRUCTURES.copy()
    image[:, :80] = 0.002 * image[:, :80]
    assert np.abs(local_contrast(image)[0][:, :30]).max() < 0.1


_MEANINGS = {
    "stretch-224-standardised-v1": [-1.7286, -1.7171, -0.1782, 1.7286],
    "stretch-150-standardised-v1": [-1.7239, -1.7124, 0.5909, 1.7239],
    "stretch-224-clahe-standardised-v1": [-2.1579, -2.1414, -0.0895, 2.0121],
    "stretch-224-local-contrast-v1": [-0.8732, -0.8674, 0.0002, 0.8732],
    "stretch-224-common-look-v1": [0.9727, 0.8976, -0.0525, -0.0495],
    "stretch-224-common-greys-v1": [-0.9664, -0.9749, 0.0298, 1.4617],
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_keeps_its_meaning(name: str) -> None:
    # A transform is part of a result that was reported: a change needs a new name.
    rows, columns = np.mgrid[0:300, 0:500].astype(np.float32)
    found = TRANSFORMS[name]((rows * 500 + columns) / np.float32(150000))
    assert found[0, [0, 0, 100, -1], [0, -1, 100, -1]] == pytest.approx(_MEANINGS[name], abs=1e-3)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((2, 2, 3), dtype=np.float32), "rows x columns"),
        (np.zeros((0, 5), dtype=np.float32), "at least one pixel"),
        (np.full((4, 4), np.nan, dtype=np.float32), "finite"),
    ],
)
def test_what_is_no_grey_image_is_refused(image: NDArray[np.float32], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        to_batch(_NAME, [image])


def test_an_unknown_transform_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=_NAME):
        to_batch("letterbox-512-v9", [np.zeros((4, 4), dtype=np.float32)])
