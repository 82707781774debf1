import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from service.dicom.pixels import decode, display_values
from tests import phantoms


def image_of(values: Any, *, bits: int = 12, signed: bool = False, **attributes: Any) -> FileDataset:
    """Make an image of these stored values, without a window unless one is given."""
    kind = f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}"
    stored = np.atleast_2d(np.asarray(values)).astype(kind)
    image = phantoms.chest(rows=2, columns=2, bits=bits, signed=signed, WindowCenter=None, WindowWidth=None)
    image.Rows, image.Columns = stored.shape
    image.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    return image


def lut(data: list[int], first: int, bits: int, *, packed: bool = False) -> Sequence:
    item = Dataset()
    item.LUTDescriptor = [len(data) % 65536, first, bits]
    item["LUTDescriptor"].VR = "US" if first >= 0 else "SS"
    item.LUTData = np.asarray(data, np.uint8 if packed else np.uint16).tobytes()
    item["LUTData"].VR = "OW"
    return Sequence([item])


def by_pydicom(image: FileDataset, low: float, high: float) -> NDArray[Any]:
    """Return pydicom's own rendering, brought from [low, high] to [0, 1]."""
    with np.errstate(over="ignore"):
        rendered = apply_voi_lut(apply_modality_lut(image.pixel_array, image), image, prefer_lut=True)
    return (rendered.astype(np.float64) - low) / (high - low)


WINDOWS = [(2048, 4096), (1000, 300), (40.5, 1), (-100, 900), (5000, 20000)]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), WINDOWS)
@pytest.mark.parametrize("signed", [False, True])
def test_each_window_function_is_pydicoms(function: str, centre: float, width: float, signed: bool) -> None:
    image = phantoms.chest(rows=64, columns=48, signed=signed, WindowCenter=centre, WindowWidth=width)
    image.VOILUTFunction = function
    low = -2048 if signed else 0
    np.testing.assert_allclose(display_values(image), by_pydicom(image, low, low + 4095), atol=1e-6)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("window", [(0.5, 1.0), (0.3, 0.4)])
def test_windows_and_polarity_are_dcmtks(
    program: Callable[[str], str], tmp_path: Path, bits: int, photometric: str, window: tuple[Any, Any]
) -> None:
    centre, width = (round(part * 2**bits) for part in window)
    image = phantoms.chest(bits=bits, photometric=photometric, WindowCenter=centre, WindowWidth=width)
    phantoms.write(image, tmp_path / "image.dcm")
    source, target = str(tmp_path / "image.dcm"), str(tmp_path / "image.pgm")
    subprocess.run([program("dcm2pnm"), "--write-raw-pnm", "+Wi", "1", source, target], check=True, timeout=30)
    rendered = np.frombuffer((tmp_path / "image.pgm").read_bytes()[-320 * 256 :], np.uint8).reshape(320, 256)
    np.testing.assert_allclose(display_values(image) * 255, rendered, atol=1.01)


def test_rescale_comes_before_the_window() -> None:
    image = phantoms.chest(rows=64, columns=48, WindowCenter=300, WindowWidth=900)
    image.RescaleSlope, image.RescaleIntercept = "0.5", "-700"
    np.testing.assert_allclose(display_values(image), by_pydicom(image, -700, -700 + 4095 * 0.5), atol=1e-6)


@pytest.mark.parametrize("first", [0, 100, -50])
@pytest.mark.parametrize("packed", [False, True])
def test_a_modality_lut_comes_before_the_window(first: int, packed: bool) -> None:
    entries = (np.arange(300) * 7 % 251).tolist()
    image = image_of(np.arange(-200, 400).clip(0 if first >= 0 else -200), signed=first < 0)
    image.ModalityLUTSequence = lut(entries, first, 8, packed=packed)
    image.RescaleSlope, image.RescaleIntercept = "3", "4"
    expected = np.asarray(entries)[np.clip(image.pixel_array.astype(int) - first, 0, 299)]
    image.WindowCenter, image.WindowWidth = 128, 256
    np.testing.assert_allclose(display_values(image), np.clip((expected - 127.5) / 255 + 0.5, 0, 1), atol=1e-6)


def test_a_modality_lut_of_words_is_pydicoms() -> None:
    image = phantoms.chest(rows=64, columns=48)
    image.ModalityLUTSequence = lut(np.linspace(0, 65535, 4096)[::-1].astype(int).tolist(), 0, 16)
    image.WindowCenter, image.WindowWidth = 30000, 40000
    np.testing.assert_allclose(display_values(image), by_pydicom(image, 0, 65535), atol=1e-6)


@pytest.mark.parametrize(("bits", "first"), [(10, 0), (10, 500), (12, 0), (16, 1000)])
def test_a_voi_lut_is_pydicoms_and_takes_precedence_over_the_window(bits: int, first: int) -> None:
    image = phantoms.chest(rows=64, columns=48, WindowCenter=7, WindowWidth=7)
    top = 2**bits - 1
    curve = (np.linspace(0, 1, 2000) ** 2 * top).astype(int).tolist()
    image.VOILUTSequence = lut(curve, first, bits)
    np.testing.assert_allclose(display_values(image), by_pydicom(image, 0, top), atol=1e-6)


def test_a_voi_lut_of_all_words_says_zero_for_65536_entries() -> None:
    image = image_of([[0, 1, 32768, 65535]], bits=16)
    image.VOILUTSequence = lut(np.arange(65536)[::-1].tolist(), 0, 16)
    np.testing.assert_allclose(display_values(image), [[1, 65534 / 65535, 32767 / 65535, 0]], atol=1e-6)


def test_the_first_of_several_windows_and_luts_counts() -> None:
    image = phantoms.chest(rows=64, columns=48, WindowCenter=1000, WindowWidth=500)
    expected = display_values(image)
    image.WindowCenter, image.WindowWidth = [1000, 9], [500, 9]
    np.testing.assert_array_equal(display_values(image), expected)


def test_monochrome1_is_inverted_once_whatever_the_presentation_lut_shape_repeats() -> None:
    dark_is_low = phantoms.chest(rows=64, columns=48, sop_class="DX")
    dark_is_high = phantoms.chest(rows=64, columns=48, sop_class="DX", photometric="MONOCHROME1")
    assert dark_is_high.PresentationLUTShape == "INVERSE"
    np.testing.assert_allclose(display_values(dark_is_high), display_values(dark_is_low), atol=1e-6)
    del dark_is_high.PresentationLUTShape
    np.testing.assert_allclose(display_values(dark_is_high), display_values(dark_is_low), atol=1e-6)


def test_without_a_window_the_full_range_of_the_image_is_shown() -> None:
    np.testing.assert_allclose(display_values(image_of([[100, 200, 300]])), [[0, 0.5, 1]], atol=1e-6)
    signed = image_of([[-300, 0, 300]], signed=True)
    np.testing.assert_allclose(display_values(signed), [[0, 0.5, 1]], atol=1e-6)


@pytest.mark.parametrize("window", [("0", "0"), ("10", "-5"), ("", ""), ("10", "0.5")])
def test_a_window_that_the_standard_forbids_counts_as_none(window: tuple[Any, Any]) -> None:
    image = image_of([[100, 200, 300]])
    image.WindowCenter, image.WindowWidth = window
    np.testing.assert_allclose(display_values(image), [[0, 0.5, 1]], atol=1e-6)


def test_padding_is_black_and_does_not_widen_the_range() -> None:
    image = image_of([[4000, 100, 200, 300]], PixelPaddingValue=4000)
    np.testing.assert_allclose(display_values(image), [[0, 0, 0.5, 1]], atol=1e-6)
    image.PhotometricInterpretation = "MONOCHROME1"
    np.testing.assert_allclose(display_values(image), [[0, 1, 0.5, 0]], atol=1e-6)


@pytest.mark.parametrize("limits", [(3900, 4000), (4000, 3900)])
def test_padding_may_be_a_range_with_both_its_ends(limits: tuple[int, int]) -> None:
    image = image_of([[3900, 3950, 4000, 3899, 100]])
    image.PixelPaddingValue, image.PixelPaddingRangeLimit = limits
    np.testing.assert_allclose(display_values(image), [[0, 0, 0, 1, 0]], atol=1e-6)


def test_padding_of_a_signed_image_is_known_though_it_was_read_as_unsigned() -> None:
    image = image_of([[-2000, -100, 100]], bits=16, signed=True)
    image.PixelPaddingValue = 65536 - 2000
    image["PixelPaddingValue"].VR = "US"
    np.testing.assert_allclose(display_values(image), [[0, 0, 1]], atol=1e-6)


def test_padding_stays_in_the_stored_values() -> None:
    assert decode(image_of([[4000, 1]], PixelPaddingValue=4000)).stored.tolist() == [[4000, 1]]


def test_an_image_of_padding_alone_is_black() -> None:
    assert display_values(image_of([[7, 7]], PixelPaddingValue=7)).tolist() == [[0, 0]]


@pytest.mark.parametrize("value", [0, 1, 4095])
def test_a_constant_image_is_displayed_without_dividing_by_zero(value: Any) -> None:
    assert display_values(image_of(np.full((3, 3), value))).tolist() == [[0.5] * 3] * 3


@given(
    bits=st.sampled_from([8, 10, 12, 16]),
    signed=st.booleans(),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    centre=st.floats(-70000, 70000),
    width=st.floats(1, 140000),
    photometric=st.sampled_from(["MONOCHROME1", "MONOCHROME2"]),
)
def test_any_window_gives_values_from_black_to_white_that_rise_with_the_stored_value(
    bits: int, signed: bool, function: str, centre: float, width: float, photometric: str
) -> None:
    low = -(2 ** (bits - 1)) if signed else 0
    values = np.linspace(low, low + 2**bits - 1, 64).astype(int)
    image = image_of(values, bits=bits, signed=signed, PhotometricInterpretation=photometric, VOILUTFunction=function)
    image.WindowCenter, image.WindowWidth = f"{centre:.6f}", f"{width:.6f}"
    displayed = display_values(image)
    assert displayed.dtype == np.float32
    assert displayed.min() >= 0
    assert displayed.max() <= 1
    steps = np.diff(displayed[0])
    assert (steps >= 0).all() if photometric == "MONOCHROME2" else (steps <= 0).all()
