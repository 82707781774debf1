"""Stored values out of Pixel Data: a view of raw bytes, or the fastest free codec of the transfer syntax."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from service.dicom.pixels import jpeg, jpeg_2000, rle
from service.dicom.pixels.fragments import encapsulated, joined
from service.dicom.pixels.frame import Frame, is_filler
from service.dicom.pixels.header import PixelHeader
from service.dicom.pixels.made_up import may_be_made_up
from service.vocabulary.errors import UndecodablePixels

_NATIVE = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian}
)
#: pydicom's decoding plugins for each compressed transfer syntax: the fastest first, the others where it fails.
PLUGINS: dict[UID, tuple[str, ...]] = {
    RLELossless: ("pylibjpeg", "pydicom"),
    JPEGBaseline8Bit: ("pillow", "gdcm"),
    JPEGExtended12Bit: ("pillow", "gdcm"),
    JPEGLossless: ("gdcm",),
    JPEGLosslessSV1: ("gdcm",),
    JPEGLSLossless: ("pyjpegls", "gdcm"),
    JPEGLSNearLossless: ("pyjpegls", "gdcm"),
    JPEG2000Lossless: ("pylibjpeg", "gdcm"),
    JPEG2000: ("pylibjpeg", "gdcm"),
    HTJ2KLossless: ("pylibjpeg",),
    HTJ2KLosslessRPCL: ("pylibjpeg",),
    HTJ2K: ("pylibjpeg",),
}
_HUFFMAN_JPEG = frozenset({JPEGLossless, JPEGLosslessSV1, JPEGBaseline8Bit, JPEGExtended12Bit})
_JPEG_2000 = frozenset({JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K})
#: Every transfer syntax that can be decoded.
TRANSFER_SYNTAXES: frozenset[UID] = _NATIVE | PLUGINS.keys()


_Attempt = Callable[[bytes], NDArray[np.integer]]


def decode_stored(dataset: Dataset, header: PixelHeader) -> NDArray[np.integer]:
    """Decode the stored values of a single-frame image.

    Returns
    -------
    int8, uint8, int16 or uint16 by sign and BitsStored, in native byte order, rows x cols (x samples): BitsStored bits,
    sign-extended, without whatever lay in the unused bits. Pixel padding is intact.

    Raises
    ------
    UndecodablePixels
        When the pixel data are absent, have another length or size than the header says, or cannot be decoded.
    """
    data = _pixel_data(dataset)
    if header.transfer_syntax_uid in _NATIVE:
        if dataset["PixelData"].is_undefined_length:
            raise UndecodablePixels("PixelData is encapsulated, which the transfer syntax is not")
        return _native(data, header, words=dataset["PixelData"].VR == "OW")
    if header.transfer_syntax_uid in PLUGINS:
        return _encapsulated(data, header)
    raise UndecodablePixels(f"no decoder for transfer syntax {header.transfer_syntax_uid}")


def _pixel_data(dataset: Dataset) -> bytes:
    try:
        data = dataset.get("PixelData")
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        raise UndecodablePixels("PixelData is malformed") from None
    if not isinstance(data, bytes | bytearray | memoryview) or not len(data):
        raise UndecodablePixels("PixelData is absent or empty")
    return bytes(data)


def _native(data: bytes, header: PixelHeader, *, words: bool) -> NDArray[np.integer]:
    """View uncompressed pixel data (PS3.5 section 8.1.1 and annex A).

    What stands behind the last pixel is padding, and ignored. Whole rows or columns that show something are none: then
    the header speaks of other pixels.
    """
    size = header.bits_allocated // 8
    expected = header.count * size
    excess = data[expected:]
    lines = (header.samples * size * side for side in (header.rows, header.columns))
    is_padding = is_filler(excess) or all(len(excess) % line for line in lines)
    if len(data) < expected or not is_padding:
        raise UndecodablePixels(f"PixelData has {len(data)} bytes where the header promises {expected}")
    big = header.transfer_syntax_uid == ExplicitVRBigEndian
    if header.bits_allocated == 8 and big and words:
        # Two 8-bit pixels lie in one big endian word, the first in its low byte.
        data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
    kind = np.dtype(f"{'>' if big else '<'}u{header.bits_allocated // 8}")
    values = np.frombuffer(data, kind, count=header.count).astype(kind.newbyteorder("="), copy=False)
    return _arranged(_significant(values, header), header, planar=header.planar)


def _significant(values: NDArray[np.unsignedinteger], header: PixelHeader) -> NDArray[np.integer]:
    """Keep BitsStored bits up to HighBit, sign-extended, in the container's type."""
    below = header.high_bit + 1 - header.bits_stored
    above = header.bits_allocated - 1 - header.high_bit
    if not below and not above:
        return values.view(header.container)
    if header.signed:
        aligned = (values << above).view(f"i{values.itemsize}") >> (above + below)
        return aligned.astype(header.container)
    return ((values >> below) & ((1 << header.bits_stored) - 1)).astype(header.container)


def _arranged(values: NDArray[np.integer], header: PixelHeader, *, planar: bool) -> NDArray[np.integer]:
    if header.samples > 1 and planar:
        return values.reshape(header.samples, header.rows, header.columns).transpose(1, 2, 0)
    return values.reshape(header.shape)


def _encapsulated(data: bytes, header: PixelHeader) -> NDArray[np.integer]:
    """Decode the only frame of encapsulated pixel data (PS3.5 section A.4)."""
    frame = _frame(joined(data), header)
    *ways, last = (frame, *frame.others)
    for way in ways:
        with suppress(UndecodablePixels):
            return _decoded(way, header)
    return _decoded(last, header)


def _decoded(frame: Frame, header: PixelHeader) -> NDArray[np.integer]:
    bits = header.bits_stored if frame.size is None else frame.size.bits
    failures = []
    for name, attempt in _attempts(header, bits):
        values = _attempted(attempt, frame.data, header)
        if isinstance(values, str):
            failures.append(f"{name}: {values}")
            continue
        ended = header.transfer_syntax_uid in _HUFFMAN_JPEG and not frame.continuations
        if ended and may_be_made_up(values, frame, header.bits_stored):
            frame = jpeg.without_proof(frame)
        _require_whole(frame, values, partial(_attempted, attempt, header=header))
        return values
    raise UndecodablePixels(
        f"the frame cannot be decoded from {header.transfer_syntax_uid.name} ({', '.join(failures)})"
    )


def _frame(frame: bytes, header: PixelHeader) -> Frame:
    """Return a frame without what does not belong to it; refuse one whose own header disagrees with the data set's."""
    syntax = header.transfer_syntax_uid
    if syntax == RLELossless:
        return rle.read(frame, header.samples * header.bits_allocated // 8, header.rows * header.columns)
    read = jpeg_2000.read(frame) if syntax in _JPEG_2000 else jpeg.read(frame)
    size = read.size
    if size is None or (size.rows, size.columns, size.samples) != (header.rows, header.columns, header.samples):
        found = "of no size" if size is None else f"{size.rows} x {size.columns} x {size.samples}"
        raise UndecodablePixels(
            f"the frame is {found} where the header promises {header.rows} x {header.columns} x {header.samples}"
        )
    if not 1 <= size.bits <= (12 if syntax == JPEGExtended12Bit else header.bits_allocated):
        raise UndecodablePixels(f"the frame has {size.bits} bits a sample, more than it may have")
    return read


def _attempted(attempt: _Attempt, frame: bytes, header: PixelHeader) -> NDArray[np.integer] | str:
    """Return what a codec makes of a frame, or the name of the error that it ends with."""
    try:
        values = attempt(frame)
        if values.size != header.count or values.dtype.kind not in "iu":
            return "returned another image"
        return np.ascontiguousarray(values.astype(header.container, copy=False).reshape(header.shape))
    except BaseException as error:  # codecs raise anything, MemoryError included
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise  # an interrupt; a panic of pylibjpeg-rle's is no Exception, and no interrupt either
        return type(error).__name__


def _require_whole(
    frame: Frame, values: NDArray[np.integer], decode: Callable[[bytes], NDArray[np.integer] | str]
) -> None:
    """Refuse a frame when what might follow changes a pixel: then pixels were missing, and the codec made them up."""
    for continued in frame.continuations:
        again = decode(continued)
        if isinstance(again, str) and not frame.may_fail:
            raise UndecodablePixels("the frame is truncated: it cannot prove that it is whole")
        if not isinstance(again, str) and not np.array_equal(again, values):
            raise UndecodablePixels("the frame is truncated: its last pixels are not in it")
    if frame.unlike and not isinstance(again := decode(frame.unlike), str) and np.array_equal(again, values):
        raise UndecodablePixels("the frame may be truncated: zeros stand where its end should")


def _attempts(header: PixelHeader, bits: int) -> list[tuple[str, _Attempt]]:
    """Return the ways to decode, the first to be tried first."""
    if header.transfer_syntax_uid == JPEGExtended12Bit and bits > 8:
        # pydicom keeps gdcm from 12-bit frames, for the sake of old versions of it.
        return [("gdcm", partial(_extended_12_bit, header))]
    return [(plugin, partial(_by_plugin, header, plugin)) for plugin in PLUGINS[header.transfer_syntax_uid]]


def _by_plugin(header: PixelHeader, plugin: str, frame: bytes) -> NDArray[np.integer]:
    options: dict[str, Any] = {
        "rows": header.rows,
        "columns": header.columns,
        "number_of_frames": 1,
        "samples_per_pixel": header.samples,
        "bits_allocated": header.bits_allocated,
        "bits_stored": header.bits_stored,
        "pixel_representation": int(header.signed),
        "photometric_interpretation": header.photometric,
        "planar_configuration": int(header.planar),
        "pixel_keyword": "PixelData",
        "allow_excess_frames": False,
    }
    values: NDArray[np.integer]
    data = encapsulated(frame)
    values, _ = get_decoder(header.transfer_syntax_uid).as_array(data, raw=True, decoding_plugin=plugin, **options)
    return values


def _extended_12_bit(header: PixelHeader, frame: bytes) -> NDArray[np.integer]:
    """Decode JPEG Extended (process 4) of 12 bits with gdcm."""
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header.columns, header.rows, 1))
    image.SetDataElement(element)
    photometric = gdcm.PhotometricInterpretation.GetPIType(header.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGExtendedProcess2_4))
    image.SetPixelFormat(gdcm.PixelFormat(header.samples, 16, 12, 11, int(header.signed)))
    # gdcm hands bytes over as a str; what is no UTF-8 comes as lone surrogates.
    decoded = image.GetBuffer().encode("utf-8", "surrogateescape")
    return np.frombuffer(decoded, "<i2" if header.signed else "<u2")
