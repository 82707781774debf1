"""Grey values for a screen that windows them: what their window shows is what `display` shows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from service.dicom.pixels import WindowableImage, decode
from service.vocabulary.errors import UndecodablePixels
from tests import phantoms


def shown(grey: WindowableImage) -> np.ndarray:
    """Do what static/grey.js does."""
    values = grey.first + (grey.codes.astype(np.float64) - 1) * grey.step
    window = grey.window
    if window.function == "SIGMOID":
        share = 1 / (1 + np.exp(np.clip(-4 * (values - window.centre) / window.width, -700, 700)))
    elif window.function == "LINEAR_EXACT":
        share = (values - window.centre) / window.width + 0.5
    elif window.width <= 1:
        share = (values > window.centre - 0.5).astype(np.float64)
    else:
        share = (values - (window.centre - 0.5)) / (window.width - 1) + 0.5
    share = np.clip(share, 0, 1)
    return np.where(grey.codes == 0, 0, 1 - share if grey.inverted else share)


def chest(**attributes: object) -> Dataset:
    return phantoms.chest(1, rows=40, columns=32, **attributes)  # type: ignore[arg-type]


@given(
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    centre=st.floats(-2000, 6000),
    width=st.floats(1, 8000),
    slope=st.sampled_from([1.0, 0.5, 2.25]),
    padding=st.booleans(),
)
def test_the_window_of_the_grey_values_shows_what_a_viewer_would(
    photometric: str, function: str, centre: float, width: float, slope: float, padding: bool
) -> None:
    dataset = chest(photometric=photometric)
    dataset.WindowCenter, dataset.WindowWidth = f"{centre:.6g}", f"{width:.6g}"
    dataset.VOILUTFunction = function
    dataset.RescaleSlope, dataset.RescaleIntercept = str(slope), "-1024"
    if padding:
        dataset.PixelPaddingValue = int(dataset.pixel_array[0, 0])
    image = decode(dataset)

    assert np.abs(shown(image.grey()) - image.display()).max() < 1e-5


def test_no_two_stored_values_share_a_code() -> None:
    image = decode(chest())
    grey = image.grey()

    assert len(np.unique(grey.codes)) == len(np.unique(image.stored))
    assert np.array_equal(grey.first + (grey.codes - 1.0) * grey.step, image.stored)


def test_a_full_range_of_sixteen_bits_loses_no_more_than_a_code() -> None:
    dataset = chest()
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelData = np.linspace(0, 65535, 40 * 32).astype("<u2").tobytes()
    grey = decode(dataset).grey()

    assert np.abs(grey.first + (grey.codes - 1.0) * grey.step - decode(dataset).stored).max() <= 1


def test_an_image_without_a_window_shows_its_whole_range_and_one_in_colour_has_no_grey() -> None:
    dataset = chest()
    for keyword in ("WindowCenter", "WindowWidth"):
        if keyword in dataset:
            del dataset[keyword]
    grey, display = decode(dataset).grey(), decode(dataset).display()
    assert np.abs(shown(grey) - display).max() < 1e-5
    assert grey.window.function == "LINEAR_EXACT"

    dataset.PhotometricInterpretation, dataset.SamplesPerPixel, dataset.PlanarConfiguration = "RGB", 3, 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = bytes(40 * 32 * 3)
    with pytest.raises(UndecodablePixels):
        decode(dataset).grey()
