"""Where a compressed frame ends: what is whole without its end is decoded, what was cut is refused."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset
from pydicom.uid import (
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from service.dicom.pixels import decode
from service.dicom.pixels.fragments import joined
from service.vocabulary.errors import UndecodablePixels
from tests import broken, phantoms

EOI = b"\xff\xd9"


def radiograph(syntax: str, bits: int, seed: int, *, flat_rows: int = 0) -> FileDataset:
    """Return noise in a transfer syntax, with as many rows of black at its end."""
    values = np.random.default_rng(seed).random((64, 61))
    values[64 - flat_rows :] = 0
    return phantoms.transcoded(phantoms.chest(1, rows=64, columns=61, bits=bits, values=values), syntax)


def frame_of(image: FileDataset) -> bytes:
    frame = joined(image.PixelData)
    return frame if image.file_meta.TransferSyntaxUID == RLELossless else frame.rstrip(b"\0")


def assert_decodes(image: FileDataset, frame: bytes) -> None:
    expected = decode(image).stored
    phantoms._encapsulate(image, frame)
    np.testing.assert_array_equal(decode(image).stored, expected)


def assert_refused(image: FileDataset, frame: bytes) -> None:
    phantoms._encapsulate(image, frame)
    with pytest.raises(UndecodablePixels):
        decode(image)


@pytest.mark.parametrize(
    ("syntax", "bits", "flat_rows"), [(JPEGLSLossless, 16, 0), (JPEGLSLossless, 8, 0), (JPEGLosslessSV1, 8, 40)]
)
def test_a_whole_frame_without_its_end_may_end_in_zeros_that_are_data(syntax: str, bits: int, flat_rows: int) -> None:
    """ITU-T T.81 B.2.1 and F.1.2.3, T.87 C.1: the last byte of a scan may be 0, and so may many before it."""
    endings = set()
    for seed in range(60):
        image = radiograph(syntax, bits, seed, flat_rows=flat_rows)
        coded = frame_of(image)[:-2]
        endings.add(coded[-1] == 0)
        assert_decodes(image, coded)
    assert endings == {True, False}


@pytest.mark.parametrize("ending", [b"", EOI, EOI + bytes(33), bytes(64)], ids=["none", "EOI", "EOI, zeros", "zeros"])
@pytest.mark.parametrize(
    ("syntax", "bits"),
    [
        (JPEGLossless, 12),
        (JPEGLosslessSV1, 8),
        (JPEGLosslessSV1, 16),
        (JPEGBaseline8Bit, 8),
        (JPEGExtended12Bit, 12),
        (JPEGLSLossless, 12),
        (JPEG2000Lossless, 12),
        (HTJ2KLosslessRPCL, 16),
    ],
)
def test_a_frame_that_lacks_its_last_bytes_is_refused_however_it_ends(syntax: str, bits: int, ending: bytes) -> None:
    """ITU-T T.81 B.2.1, T.87 C.1, T.800 A.4.2 and B.10.1: decoders make up what is not there, and say so to nobody."""
    image = phantoms.htj2k()[0] if syntax == HTJ2KLosslessRPCL else radiograph(syntax, bits, 5)
    frame = frame_of(image)
    for missing in (21, 44, 90, 177):
        assert_refused(image, frame[:-missing] + ending)


@pytest.mark.parametrize("missing", [15, 23, 51, 60, 130])
@pytest.mark.parametrize("interval", [1, 3, 40])
def test_a_frame_without_its_last_restart_intervals_is_refused(interval: int, missing: int) -> None:
    """ITU-T T.81 E.1.4: the restart interval and the size say how many there are."""
    image = phantoms.chest(2, rows=128, columns=120, bits=8)
    pixels = np.frombuffer(image.PixelData, np.uint8).reshape(128, 120)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90, restart_marker_blocks=interval)
    image.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    phantoms._encapsulate(image, buffer.getvalue())
    assert_decodes(image, buffer.getvalue()[:-2])
    for ending in (b"", EOI):
        assert_refused(image, buffer.getvalue()[:-missing] + ending)


def test_a_tile_part_that_counts_eoc_is_decoded_when_it_is_whole() -> None:
    """ITU-T T.800 A.4.2 and B.10.1: coded data hold no marker, so one that seems to was cut, or counts what follows."""
    image = radiograph(JPEG2000Lossless, 12, 5)
    frame = frame_of(image)
    assert_decodes(image, broken.counting_eoc(frame))
    assert_refused(image, frame[:-6] + EOI)


@pytest.mark.parametrize("seed", range(6))
def test_what_pads_an_rle_frame_may_stand_beside_a_byte_that_makes_it_even(seed: int) -> None:
    """PS3.5 G.3.1 and A.4: segments and fragments are of even length."""
    image = radiograph(RLELossless, 8, seed)
    frame = frame_of(image)
    for padding in (b"\xff" * 99, b"\xff" * 100, b"\xff" * 99 + b"\0"):
        assert_decodes(image, frame + padding)


@pytest.mark.parametrize("excess", [bytes(range(190)), b"\0" + b"\xff" * 500, bytes(range(256)) * 40 + b"end"])
def test_native_pixel_data_may_be_longer_than_their_pixels_by_anything_but_rows_or_columns(excess: bytes) -> None:
    """PS3.5 8.1.1, Note: what stands behind the pixels is ignored; more rows or columns are another image than said."""
    image = phantoms.chest(1, rows=100, columns=93)
    expected = decode(image).stored
    pixels = image.PixelData
    image.PixelData = pixels + excess
    np.testing.assert_array_equal(decode(image).stored, expected)
    for more in (pixels[: 3 * 2 * 93], pixels[: 2 * 2 * 100]):
        image.PixelData = pixels + more
        with pytest.raises(UndecodablePixels):
            decode(image)
