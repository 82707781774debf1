import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path
from time import process_time
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    MPEG2MPML,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from service.dicom.pixels import decode, pixel_digest, read_instance, stored_values
from service.vocabulary.errors import PixelsTooLarge, UndecodablePixels
from tests import phantoms

COMPRESSED = (RLELossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless)


def small(transfer_syntax_uid: str, **arguments: Any) -> FileDataset:
    bits = 8 if transfer_syntax_uid == JPEGBaseline8Bit else 12
    image = phantoms.chest(rows=64, columns=48, bits=bits, **arguments)
    return phantoms.transcoded(image, transfer_syntax_uid)


@cache
def encoded_once(transfer_syntax_uid: str) -> FileDataset:
    return small(transfer_syntax_uid)


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("transfer_syntax_uid", phantoms.LOSSLESS_TRANSFER_SYNTAXES, ids=lambda uid: uid.keyword)
def test_every_lossless_syntax_gives_the_same_values_and_digest(
    bits: int, signed: bool, transfer_syntax_uid: str
) -> None:
    raw = phantoms.chest(rows=66, columns=47, bits=bits, signed=signed)
    image = decode(read_instance(BytesIO(phantoms.encoded(phantoms.transcoded(raw, transfer_syntax_uid)))))
    np.testing.assert_array_equal(image.stored, raw.pixel_array)
    assert image.stored.dtype == raw.pixel_array.dtype
    assert image.digest() == pixel_digest(raw)


@pytest.mark.parametrize("transfer_syntax_uid", phantoms.HTJ2K_TRANSFER_SYNTAXES)
def test_high_throughput_jpeg_2000_of_another_program_decodes_to_the_pixels_it_was_made_of(
    transfer_syntax_uid: str,
) -> None:
    compressed, uncompressed = phantoms.htj2k(transfer_syntax_uid)
    assert pixel_digest(compressed) == pixel_digest(uncompressed)


@pytest.mark.parametrize(
    ("transfer_syntax_uid", "bits", "tolerance"),
    [(JPEGBaseline8Bit, 8, 12), (JPEGExtended12Bit, 12, 24), (JPEGLSNearLossless, 12, 2), (JPEG2000, 12, 400)],
)
def test_a_lossy_syntax_stays_near_the_original(transfer_syntax_uid: str, bits: int, tolerance: int) -> None:
    raw = phantoms.chest(rows=64, columns=48, bits=bits)
    stored = stored_values(phantoms.transcoded(raw, transfer_syntax_uid))
    difference = np.abs(stored.astype(int) - raw.pixel_array)
    assert 0 < difference.max() <= tolerance


def test_twelve_bit_extended_jpeg_of_dcmtk_decodes_as_dcmtk_does(program: Callable[[str], str], tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("raw.dcm", "extended.dcm", "back.dcm")]
    phantoms.write(phantoms.chest(bits=12), paths[0])
    subprocess.run([program("dcmcjpeg"), "+ee", paths[0], paths[1]], check=True, timeout=30)
    subprocess.run([program("dcmdjpeg"), paths[1], paths[2]], check=True, timeout=30)
    assert read_instance(paths[1]).file_meta.TransferSyntaxUID == JPEGExtended12Bit
    np.testing.assert_array_equal(stored_values(read_instance(paths[1])), stored_values(read_instance(paths[2])))


@pytest.mark.parametrize("option", ["+e1", "+el"])
def test_lossless_jpeg_of_dcmtk_decodes_to_the_original(
    program: Callable[[str], str], tmp_path: Path, option: str
) -> None:
    raw = phantoms.chest(bits=12)
    phantoms.write(raw, tmp_path / "raw.dcm")
    subprocess.run([program("dcmcjpeg"), option, tmp_path / "raw.dcm", tmp_path / "out.dcm"], check=True, timeout=30)
    assert pixel_digest(read_instance(tmp_path / "out.dcm")) == pixel_digest(raw)


def test_eight_bit_pixels_in_big_endian_words_are_put_in_order() -> None:
    image = phantoms.transcoded(phantoms.chest(rows=64, columns=48, bits=8), ExplicitVRBigEndian)
    expected = stored_values(image)
    image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
    image["PixelData"].VR = "OW"
    np.testing.assert_array_equal(stored_values(image), expected)


@pytest.mark.parametrize("signed", [False, True])
def test_what_lies_in_the_unused_bits_does_not_count(signed: bool) -> None:
    clean = phantoms.chest(rows=64, columns=48, bits=12, signed=signed)
    dirty = phantoms.chest(rows=64, columns=48, bits=12, signed=signed)
    words = np.frombuffer(clean.PixelData, "<u2")
    garbage = np.random.default_rng(1).integers(0, 16, words.shape, dtype=np.uint16) << 12
    dirty.PixelData = ((words & 0x0FFF) | garbage).astype("<u2").tobytes()
    assert pixel_digest(dirty) == pixel_digest(clean)


def test_a_high_bit_above_the_stored_bits_shifts_the_values() -> None:
    plain, shifted = (phantoms.chest(rows=64, columns=48, bits=12) for _ in range(2))
    shifted.PixelData = (np.frombuffer(plain.PixelData, "<u2") << 4).astype("<u2").tobytes()
    shifted.HighBit = 15
    np.testing.assert_array_equal(stored_values(shifted), stored_values(plain))


def test_the_digest_knows_shape_sign_polarity_and_each_value_but_no_window() -> None:
    image = phantoms.chest(rows=64, columns=48)
    digest = pixel_digest(image)
    image.WindowCenter, image.PatientID = 7, "OTHER"
    assert pixel_digest(image) == digest
    others = [phantoms.chest(rows=64, columns=48) for _ in range(4)]
    others[0].Rows, others[0].Columns = 48, 64
    others[1].PixelRepresentation = 1
    others[2].PhotometricInterpretation = "MONOCHROME1"
    others[3].PixelData = others[3].PixelData[:-2] + b"\1\2"
    assert len({digest, *map(pixel_digest, others)}) == 5


def test_colour_decodes_but_has_no_display_values() -> None:
    image = phantoms.chest(rows=4, columns=5, bits=8)
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PlanarConfiguration = 3, "RGB", 1
    image.PixelData = bytes(range(60))
    decoded = decode(image)
    np.testing.assert_array_equal(decoded.stored, image.pixel_array)
    with pytest.raises(UndecodablePixels, match="colour"):
        decoded.display()


def _without(keyword: str) -> Callable[[Dataset], None]:
    def spoil(image: Dataset) -> None:
        delattr(image, keyword)

    return spoil


def _with(**attributes: Any) -> Callable[[Dataset], None]:
    def spoil(image: Dataset) -> None:
        for keyword, value in attributes.items():
            setattr(image, keyword, value)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_without("PixelData"), "PixelData is absent"),
        (_with(PixelData=b""), "PixelData is absent or empty"),
        (_without("Rows"), "Rows is absent"),
        (_without("BitsStored"), "BitsStored is absent"),
        (_with(Rows=0), "make no image"),
        (_with(Columns=[64, 64]), "Columns is malformed"),
        (_with(NumberOfFrames="2"), "multi-frame"),
        (_with(BitsAllocated=32), "BitsAllocated 32"),
        (_with(BitsStored=13), "do not fit"),
        (_with(SamplesPerPixel=2), "SamplesPerPixel 2"),
        (_with(Rows=63), "bytes where the header promises"),
        (_with(Rows=65), "bytes where the header promises"),
        (_with(PixelData=bytes(10)), "has 10 bytes where the header promises 6144"),
    ],
)
def test_a_header_that_contradicts_itself_or_its_pixels_is_refused(
    spoil: Callable[[Dataset], None], message: str
) -> None:
    image = phantoms.chest(rows=64, columns=48)
    spoil(image)
    with pytest.raises(UndecodablePixels, match=message):
        decode(image)


def test_an_unknown_transfer_syntax_is_refused_by_its_uid() -> None:
    image = phantoms.chest(rows=64, columns=48)
    image.file_meta.TransferSyntaxUID = MPEG2MPML
    with pytest.raises(UndecodablePixels, match=MPEG2MPML):
        decode(image)


@pytest.mark.parametrize("transfer_syntax_uid", [ExplicitVRLittleEndian, *COMPRESSED])
def test_more_pixels_than_the_limit_are_refused_before_anything_is_allocated(transfer_syntax_uid: str) -> None:
    image = small(transfer_syntax_uid)
    image.Rows = image.Columns = 65535
    tracemalloc.start()
    try:
        with pytest.raises(PixelsTooLarge, match="65535 x 65535 pixels are more than 1000000"):
            decode(image, max_pixels=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("transfer_syntax_uid", COMPRESSED)
def test_a_frame_of_another_size_than_the_header_promises_is_refused(transfer_syntax_uid: str) -> None:
    image = small(transfer_syntax_uid)
    image.Rows = 65
    with pytest.raises(UndecodablePixels, match=r"the frame is 64 x 48 x 1 where|does not decode to 3120 bytes"):
        decode(image)


@pytest.mark.parametrize("transfer_syntax_uid", [*COMPRESSED, JPEGLSNearLossless])
def test_a_truncated_frame_is_refused_at_once_and_never_shown_in_part(transfer_syntax_uid: str) -> None:
    bits = 8 if transfer_syntax_uid == JPEGBaseline8Bit else 12
    image = phantoms.transcoded(phantoms.chest(rows=640, columns=480, bits=bits), transfer_syntax_uid)
    frame = next(generate_frames(image.PixelData, number_of_frames=1))
    image.PixelData = encapsulate([frame[: len(frame) // 2]])
    started = process_time()
    with pytest.raises(UndecodablePixels):
        decode(image)
    assert process_time() - started < 2


def test_an_rle_bomb_is_refused_with_flat_memory() -> None:
    image = small(RLELossless)
    bomb = b"\x81\x00" * 1_000_000  # 128 MB once decoded
    offsets = [2, 64, 64 + len(bomb), *[0] * 13]
    image.PixelData = encapsulate([b"".join(offset.to_bytes(4, "little") for offset in offsets) + bomb + bomb])
    tracemalloc.start()
    try:
        with pytest.raises(UndecodablePixels, match="RLE"):
            decode(image)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@given(transfer_syntax_uid=st.sampled_from(COMPRESSED), data=st.data())
def test_mutated_frames_decode_or_are_refused_and_nothing_else(transfer_syntax_uid: str, data: st.DataObject) -> None:
    image = encoded_once(transfer_syntax_uid)
    frame = bytearray(next(generate_frames(image.PixelData, number_of_frames=1)))
    image = deepcopy(image)
    for _ in range(data.draw(st.integers(1, 6))):
        # The first bytes hold the headers, where damage does most.
        place = data.draw(st.integers(0, 150) | st.integers(0, len(frame) - 1))
        frame[place % len(frame)] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(frame)))
    image.PixelData = encapsulate([bytes(frame[:cut])]) if cut != 0 else b"\0\0"
    with suppress(UndecodablePixels):
        assert decode(image).stored.shape == (64, 48)


@pytest.mark.parametrize("exception", [MemoryError, RuntimeError, ValueError, NotImplementedError])
def test_whatever_a_codec_raises_becomes_undecodable_pixels_without_its_text(
    monkeypatch: pytest.MonkeyPatch, exception: type[Exception]
) -> None:
    def broken(*_args: Any, **_options: Any) -> NoReturn:
        raise exception("Phantom^Paediatric")

    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.as_array", broken)
    with pytest.raises(UndecodablePixels, match=f"pyjpegls: {exception.__name__}, gdcm") as caught:
        decode(small(JPEGLSLossless))
    assert "Phantom" not in str(caught.value)


def test_an_interrupt_while_decoding_is_no_undecodable_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: Any, **_options: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("pydicom.pixels.decoders.base.Decoder.as_array", interrupted)
    with pytest.raises(KeyboardInterrupt):
        decode(small(JPEGLSLossless))


def test_the_second_codec_decodes_where_the_first_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_source: bytes) -> NoReturn:
        raise RuntimeError

    image = small(JPEGLSLossless)
    monkeypatch.setattr("jpeg_ls.decode_pixel_data", broken)
    assert pixel_digest(image) == pixel_digest(phantoms.chest(rows=64, columns=48, bits=12))


def test_deflating_works_after_the_decoders_are_imported_first() -> None:
    # gdcm's own zlib breaks the heap where it is loaded before Python's.
    script = "import service.dicom.pixels, zlib, os; d = os.urandom(9000) + bytes(90000)\n"
    script += "for _ in range(9):\n c = zlib.compressobj(wbits=-15)\n"
    script += " assert zlib.decompress(c.compress(d) + c.flush(), -15) == d"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0


def test_an_instance_without_preamble_or_meta_information_is_read() -> None:
    image = phantoms.transcoded(phantoms.chest(rows=64, columns=48), ImplicitVRLittleEndian)
    whole = phantoms.encoded(image)
    bare = whole[whole.index(b"\x08\x00\x05\x00") :]
    instance = read_instance(BytesIO(bare))
    assert instance.SOPInstanceUID == image.SOPInstanceUID
    assert pixel_digest(instance) == pixel_digest(image)


def test_values_that_break_the_rules_of_their_vr_are_read_without_a_warning() -> None:
    # Warnings are errors here; where they are not, they go to standard error, at times with the value in them.
    whole = phantoms.encoded(phantoms.chest(rows=16, columns=16, patient_name="A^B^C"))
    assert str(read_instance(BytesIO(whole.replace(b"A^B^C", b"A===B"))).PatientName) == "A===B"


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    phantoms.write(phantoms.chest(), path)
    with pytest.raises(PixelsTooLarge, match="more than 1000 bytes"):
        read_instance(path, max_bytes=1000)
    assert read_instance(path).SOPClassUID != CTImageStorage


def test_a_deflate_bomb_is_refused_with_flat_memory() -> None:
    image = phantoms.transcoded(phantoms.chest(rows=64, columns=48), DeflatedExplicitVRLittleEndian)
    whole = phantoms.encoded(image)
    plain = phantoms.encoded(phantoms.chest(rows=64, columns=48))
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = whole[:start] + compressor.compress(plain[start:])
    bomb += b"".join(compressor.compress(bytes(1_000_000)) for _ in range(300)) + compressor.flush()
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(PixelsTooLarge, match="inflates to more than 100000000 bytes"):
            read_instance(BytesIO(bomb), max_bytes=100_000_000)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_truncated_deflated_file_is_refused_when_its_pixels_are_wanted() -> None:
    whole = phantoms.encoded(phantoms.transcoded(phantoms.chest(), DeflatedExplicitVRLittleEndian))
    with pytest.raises(UndecodablePixels):
        decode(read_instance(BytesIO(whole[: len(whole) // 2])))


@given(st.binary(max_size=300))
def test_bytes_that_are_not_dicom_are_refused_or_read_and_nothing_else(noise: bytes) -> None:
    with suppress(UndecodablePixels):
        read_instance(BytesIO(noise))


@pytest.mark.parametrize(
    ("well", "damaged", "said"),
    [
        pytest.param(
            b"1.2.840.10008.1.2.1", b"1\\2.840.10008.1.2.1", "the transfer syntax is malformed", id="several values"
        ),
        pytest.param(b"\x28\0\x10\0US", b"\x28\0\x10\0FD", "Rows is malformed", id="too short for its VR"),
    ],
)
def test_an_attribute_that_cannot_be_read_is_refused_by_name(well: bytes, damaged: bytes, said: str) -> None:
    whole = phantoms.encoded(phantoms.chest(rows=16, columns=16))
    assert whole.count(well) == 1
    with pytest.raises(UndecodablePixels, match=said):
        decode(read_instance(BytesIO(whole.replace(well, damaged))))


@given(data=st.data())
def test_a_damaged_header_never_raises_anything_but_undecodable_pixels(data: st.DataObject) -> None:
    whole = bytearray(phantoms.encoded(phantoms.chest(rows=16, columns=16)))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(128, len(whole) - 513))] = data.draw(st.integers(0, 255))
    with suppress(UndecodablePixels):
        decode(read_instance(BytesIO(bytes(whole)))).display()
