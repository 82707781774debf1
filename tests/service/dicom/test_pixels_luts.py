"""LUTs whose descriptors lie, and what else of a file decides how its pixels are shown though it breaks the rules."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from service.dicom.pixels import decode, display_values, read_instance
from service.vocabulary.errors import UndecodablePixels
from tests import phantoms

RAMP = np.arange(4096)
KINDS = ["VOILUTSequence", "ModalityLUTSequence"]


def chest(**attributes: Any) -> tuple[FileDataset, NDArray[np.int64]]:
    """Return a radiograph of 12 bits with a window over all of them, and its stored values."""
    image = phantoms.chest(rows=64, columns=48, WindowCenter=2048, WindowWidth=4096, **attributes)
    return image, image.pixel_array.astype(np.int64)


def item(descriptor: Any, data: Any, *, descriptor_vr: str = "US", data_vr: str = "OW", order: str = "<") -> Dataset:
    """Return an item of a LUT sequence as a file would hold it, each attribute of any VR; None leaves it empty."""
    made = Dataset()
    for tag, vr, numbers in ((0x00283002, descriptor_vr, descriptor), (0x00283006, data_vr, data)):
        encoded = b"" if numbers is None else numbers
        if not isinstance(encoded, bytes):
            encoded = (np.asarray(encoded) & 0xFFFF).astype(f"{order}u2").tobytes()
        element = RawDataElement(Tag(tag), vr, len(encoded), encoded, 0, False, order == "<")
        made._dict[Tag(tag)] = element
    return made


def close(image: Dataset, expected: NDArray[Any]) -> None:
    np.testing.assert_allclose(display_values(image), np.clip(expected, 0, 1), atol=1 / 4095)


@pytest.mark.parametrize("declared", [0, 1, 8, 10, 11, 12, 13, 14, 16, 17, 65535])
def test_a_voi_lut_is_scaled_by_the_range_that_its_table_has(declared: int) -> None:
    """PS3.3 C.11.2.1.1: the third value is the number of bits of an entry. Agfa and others write another.

    dicom-rs#825, cornerstone#79 and #106, cornerstoneWADOImageLoader#36: Horos and Cornerstone go by the table.
    """
    image, stored = chest()
    image.VOILUTSequence = Sequence([item([4096, 0, declared], RAMP)])
    close(image, stored / 4095)


@pytest.mark.parametrize(("bits", "declared"), [(15, 16), (11, 12), (8, 9), (8, 10), (10, 12)])
def test_a_table_that_ends_in_white_says_its_depth_itself(bits: int, declared: int) -> None:
    """PS3.3 C.11.2.1.1: white is the greatest number of n bits; a table that comes to one has as many bits."""
    image, stored = chest()
    table = RAMP * (2**bits - 1) // 4095
    for promised in (4096, 4100, 0):
        image.VOILUTSequence = Sequence([item([promised, 0, declared], table)])
        close(image, table[stored] / (2**bits - 1))


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
def test_a_table_that_does_not_end_in_white_keeps_the_depth_that_it_declares(bits: int, top: int) -> None:
    """PS3.3 C.11.2.1.1: the output ranges from 0 to 2^n - 1, whether or not the table goes so far."""
    image, stored = chest()
    image.VOILUTSequence = Sequence([item([4096, 0, bits], RAMP * top // 4095 * 3 // 4)])
    close(image, (stored * top // 4095 * 3 // 4) / top)


@pytest.mark.parametrize(("length", "promised"), [(3000, 4096), (2048, 4096), (1500, 4096), (3000, 0), (1500, 0)])
def test_a_table_shorter_than_promised_is_used_as_far_as_it_goes(length: int, promised: int) -> None:
    """PS3.3 C.11.1.1: the first value is the number of entries, 0 for 65,536; values beyond get the last one."""
    image, stored = chest()
    image.VOILUTSequence = Sequence([item([promised, 0, 12], RAMP[:length])])
    close(image, np.minimum(stored, length - 1) / 4095)


def test_zero_entries_of_a_whole_table_are_those_that_it_has() -> None:
    """PS3.3 C.11.1.1: 0 stands for 65,536; here for a table of 4,096, with 16 declared and 12 filled."""
    image, stored = chest()
    image.VOILUTSequence = Sequence([item([0, 0, 16], RAMP)])
    close(image, stored / 4095)


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_odd_number_of_packed_entries_has_a_byte_behind_it(order: str) -> None:
    """PS3.5 7.1.1: values have an even length, and the byte that makes it so is no entry."""
    image, stored = chest()
    octets = (np.arange(4095) * 255 // 4094).astype(np.uint8).tobytes() + b"\0"
    data = np.frombuffer(octets, "<u2").astype(np.int64)
    image.VOILUTSequence = Sequence([item([4095, 0, 16], data, order=order)])
    np.testing.assert_allclose(display_values(image), np.minimum(stored, 4094) * 255 // 4094 / 255, atol=1 / 255)


@pytest.mark.parametrize("declared", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
def test_entries_of_eight_bits_packed_into_words_are_unpacked(declared: int, order: str) -> None:
    """PS3.3 C.11.1.1: 8-bit entries may be packed two to a word; with 16 declared, half a table is not meant."""
    image, stored = chest()
    curve = (RAMP * 255 // 4095).astype(np.uint8)
    packed = curve.tobytes() if order == "<" else curve.view("<u2").astype(">u2").tobytes()
    image.VOILUTSequence = Sequence([item([4096, 0, declared], packed, order=order)])
    close(image, curve[stored] / 255)


@pytest.mark.parametrize("data_vr", ["US", "SS", "OW", "OB", "UN", "UL", None])
@pytest.mark.parametrize("descriptor_vr", ["US", "SS", "OW", "UN", None])
@pytest.mark.parametrize("order", ["<", ">"])
def test_us_ss_and_ow_are_read_alike(data_vr: str, descriptor_vr: str, order: str) -> None:
    """PS3.5 6.2 and PS3.3 C.11.1.1: LUT Data is US or OW, the descriptor US or SS; each is seen as another."""
    image, _ = chest()
    stored = np.array([[0, 1, 40000, 65535]])
    image.Rows, image.Columns, image.BitsStored, image.HighBit = 1, 4, 16, 15
    image.PixelData = stored.astype("<u2").tobytes()
    whole = item([0, 0, 16], np.arange(65536)[::-1], data_vr=data_vr, descriptor_vr=descriptor_vr, order=order)
    image.VOILUTSequence = Sequence([whole])
    close(image, 1 - stored / 65535)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vr", ["US", "SS"])
def test_a_negative_first_value_is_one_though_no_pixel_has_a_sign(kind: str, vr: str) -> None:
    """PS3.3 C.11.1.1: SS where Pixel Representation says so. A table from 65,436 on would be beyond every pixel."""
    image, stored = chest()
    setattr(image, kind, Sequence([item([4196, -100, 12], np.clip(np.arange(4196) - 100, 0, 4095), descriptor_vr=vr)]))
    close(image, stored / 4095)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vr", ["US", "SS"])
def test_a_signed_image_has_a_signed_first_value_whatever_the_vr(kind: str, vr: str) -> None:
    """PS3.3 C.11.2.1.1: the second value has the sign of the pixels."""
    image, stored = chest(signed=True)
    image.WindowCenter = 2048
    setattr(image, kind, Sequence([item([4096, -2048, 12], RAMP, descriptor_vr=vr)]))
    close(image, (stored + 2048) / 4095)


EMPTY: list[Callable[[], list[Dataset]]] = [
    list,
    lambda: [Dataset()],
    lambda: [item(None, None)],
    lambda: [item(None, RAMP)],
    lambda: [item([4096, 0, 12], None)],
    lambda: [item([4096], RAMP)],
    lambda: [item(b"\1", RAMP)],
    lambda: [item([4096, 0, 12], np.zeros(4096, int))],
    lambda: [item([1, 0, 12], [7])],
    lambda: [explanation_only()],
]


def explanation_only() -> Dataset:
    made = Dataset()
    made.LUTExplanation = "NORMAL"
    return made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("items", EMPTY)
def test_an_item_without_a_usable_table_is_no_lut(kind: str, items: Callable[[], list[Dataset]]) -> None:
    """PS3.3 C.11.1 and C.11.2: descriptor and data are Type 1C; LEADTOOLS writes both empty. The window counts."""
    image, stored = chest()
    setattr(image, kind, Sequence(items()))
    close(image, stored / 4095)
    setattr(image, kind, Sequence([*items(), item([4096, 0, 12], RAMP[::-1])]))
    close(image, 1 - stored / 4095)


@pytest.mark.parametrize("items", EMPTY)
def test_without_lut_and_window_the_image_s_own_range_counts(items: Callable[[], list[Dataset]]) -> None:
    """PS3.3 C.11.2: without any of them the display is undefined; all of the range is shown."""
    image, stored = chest()
    del image.WindowCenter, image.WindowWidth
    image.VOILUTSequence = Sequence(items())
    close(image, (stored - stored.min()) / (stored.max() - stored.min()))


def test_a_modality_lut_that_cannot_be_used_leaves_rescale_in_force() -> None:
    """PS3.3 C.11.1: Modality LUT Sequence or Rescale Intercept; what there is counts."""
    image, stored = chest()
    image.ModalityLUTSequence = Sequence([item(None, None)])
    image.RescaleSlope, image.RescaleIntercept = 2, -1024
    image.WindowCenter, image.WindowWidth = 2048, 4096
    close(image, (stored * 2 - 1024 - 2047.5) / 4095 + 0.5)


@given(
    promised=st.integers(0, 65535),
    first=st.integers(-32768, 65535),
    bits=st.integers(0, 65535),
    data=st.binary(max_size=300) | st.just(RAMP.astype("<u2").tobytes()),
    kind=st.sampled_from(KINDS),
    signed=st.booleans(),
)
def test_whatever_a_lut_says_the_image_is_shown_from_black_to_white(
    promised: int, first: int, bits: int, data: bytes, kind: str, signed: bool
) -> None:
    image = phantoms.chest(rows=16, columns=16, signed=signed)
    setattr(image, kind, Sequence([item([promised, first, bits], data)]))
    shown = display_values(image)
    assert np.isfinite(shown).all()
    assert (shown >= 0).all()
    assert (shown <= 1).all()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_lut_is_the_same_in_every_encoding_of_a_file(syntax: str) -> None:
    image, stored = chest()
    made = Dataset()
    made.LUTDescriptor, made.LUTData = [4096, 0, 16], RAMP.tolist()
    made["LUTDescriptor"].VR = made["LUTData"].VR = "US"
    image.VOILUTSequence = Sequence([made])
    read = read_instance(BytesIO(phantoms.encoded(phantoms.transcoded(image, syntax))))
    close(read, stored / 4095)


@pytest.mark.parametrize("slope", [4e-4, 1e-5, 0.2 / 4095, 1 / 4095])
def test_a_window_below_one_means_what_it_says_where_values_are_finer(slope: float) -> None:
    """PS3.3 C.11.2.1.2.1 forbids a width below 1 with LINEAR, and corrects for whole numbers, which these are not."""
    image, stored = chest(RescaleSlope=f"{slope:.10g}", RescaleIntercept=0)
    image.WindowCenter, image.WindowWidth = f"{2048 * slope:.10g}", f"{2000 * slope:.10g}"
    close(image, (stored - 2048) / 2000 + 0.5)


@pytest.mark.parametrize(("slope", "factor"), [("0", 1), ("", 1), (["2", "5"], 2), (["", "5"], 1), ("1", 1)], ids=str)
def test_a_slope_that_is_none_or_several_is_none_or_the_first(slope: Any, factor: int) -> None:
    """PS3.3 C.11.1: Rescale Slope is one number; 0 would map every pixel to one value, and dcmtk ignores it too."""
    image, stored = chest()
    encoded = ("\\".join(slope) if isinstance(slope, list) else slope).encode()
    tag = Tag("RescaleSlope")
    image._dict[tag] = RawDataElement(tag, "DS", len(encoded), encoded, 0, False, True)
    close(image, (stored * factor - 2047.5) / 4095 + 0.5)


@pytest.mark.parametrize(
    ("centre", "width"),
    [
        (b"2048\\1000", b"4096\\7"),
        (b"\\2048", b"\\4096"),
        (b"2048\\", b"4096\\"),
        (b"7\\2048", b"\\4096"),
        (b"2048", b"4096\\9"),
        (b"x\\2048", b"3\\4096"),
    ],
)
def test_the_first_whole_pair_of_several_windows_counts(centre: bytes, width: bytes) -> None:
    """PS3.3 C.11.2.1.2.1: centres and widths come in pairs; some are left empty."""
    image, stored = chest()
    for keyword, value in (("WindowCenter", centre), ("WindowWidth", width)):
        tag = Tag(keyword)
        image._dict[tag] = RawDataElement(tag, "DS", len(value), value, 0, False, True)
    close(image, (stored - 2047.5) / 4095 + 0.5)


@pytest.mark.parametrize("frames", [b"0", b"", b"one ", b"-1", b"1 ", b"1.0 "])
def test_a_number_of_frames_that_is_no_number_above_zero_is_one_frame(frames: bytes) -> None:
    """PS3.3 C.7.6.6: Number of Frames is greater than zero; other programs read 0 as 1."""
    image, stored = chest()
    tag = Tag("NumberOfFrames")
    image._dict[tag] = RawDataElement(tag, "IS", len(frames), frames, 0, False, True)
    close(image, stored / 4095)


@pytest.mark.parametrize(
    "excess", [bytes(1), bytes(2), bytes(128), b"\xff" * 9999, bytes(range(80)), bytes(range(100))]
)
def test_what_stands_behind_the_last_native_pixel_is_ignored(excess: bytes) -> None:
    """PS3.5 8.1.1, Note: applications should be prepared to accept Pixel Data with excess padding."""
    image, stored = chest()
    image.PixelData += excess
    assert (decode(image).stored == stored).all()


@pytest.mark.parametrize("excess", [bytes(range(256)) * 24, struct.pack("<48H", *range(48)), bytes(range(128))])
def test_another_frame_row_or_column_is_no_padding(excess: bytes) -> None:
    """PS3.5 8.1.1: with a wrong number of columns every row would be shown beside its place."""
    image, _ = chest()
    image.PixelData += excess
    with pytest.raises(UndecodablePixels, match="bytes where the header promises"):
        decode(image)
