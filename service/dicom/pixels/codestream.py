"""What the headers of compressed frames say of their size, read before a codec allocates anything."""

from dataclasses import dataclass
from itertools import pairwise

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from service.vocabulary.errors import UndecodablePixels

_JPEG = frozenset(
    {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless}
)
_JPEG_2000 = frozenset({JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K})
# SOF0 to SOF15 without DHT, JPG and DAC, which lie among them; SOF55 is JPEG-LS (ITU-T T.81 Table B.1, T.87 C.1.1).
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
_START_OF_SCAN = 0xDA
_FILL = 0xFF
# How many bytes, EOI included, may end a frame; one zero is due to an even length, some encoders write a few.
_PADDING = 16
# What else may stand before a scan: DHT, DAC, DQT, DRI, LSE (of JPEG-LS), APPn, COM.
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xF8, *range(0xE0, 0xF0), 0xFE})


@dataclass(frozen=True)
class FrameSize:
    """Size of a compressed frame by its own header; `bits` is the precision of a sample."""

    rows: int
    columns: int
    samples: int
    bits: int


def frame_size(frame: bytes, transfer_syntax_uid: UID) -> FrameSize | None:
    """Read a compressed frame's size from its header; None for RLE, which has none.

    Raises
    ------
    UndecodablePixels
        When the frame has no such header.
    """
    if transfer_syntax_uid in _JPEG:
        return _jpeg_size(frame)
    if transfer_syntax_uid in _JPEG_2000:
        return _jpeg_2000_size(frame)
    if transfer_syntax_uid == RLELossless:
        return None
    raise UndecodablePixels(f"no decoder for transfer syntax {transfer_syntax_uid}")


def _jpeg_size(frame: bytes) -> FrameSize:
    """Walk every marker segment up to the scan (ITU-T T.81 section B.2).

    The walk is strict because gdcm ends the process, not just the call, over anything that libjpeg warns of in a
    header: stray bytes between segments, and a JFIF version that does not exist. Over a truncated frame
    pyjpegls takes seconds even where the image is small.
    """
    if frame[:2] != b"\xff\xd8":
        raise UndecodablePixels("the JPEG frame does not start with SOI")
    if b"\xff\xd9" not in frame[-_PADDING:]:
        raise UndecodablePixels("the JPEG frame is truncated: it does not end with EOI")
    size = None
    at = 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == _FILL:
            at += 1
            continue
        if marker == _START_OF_SCAN and size is not None:
            return size
        if marker in _START_OF_FRAME and size is None:
            rows, columns = _number(frame, at + 5, 2), _number(frame, at + 7, 2)
            size = FrameSize(rows, columns, samples=frame[at + 9], bits=frame[at + 4])
        elif marker not in _SEGMENTS or (frame[at + 4 : at + 9] == b"JFIF\0" and frame[at + 9] != 1):
            break
        at += 2 + max(2, _number(frame, at + 2, 2))
    raise UndecodablePixels("the header of the JPEG frame is damaged")


def _jpeg_2000_size(frame: bytes) -> FrameSize:
    """Read the SIZ segment, which follows SOC at once (ITU-T T.800 section A.5.1), also within a JP2 file."""
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    if start < 0 or len(frame) < start + 45:
        raise UndecodablePixels("the JPEG 2000 frame has no SIZ segment")
    width, height, left, top = (_number(frame, start + 8 + 4 * index, 4) for index in range(4))
    samples = _number(frame, start + 40, 2)
    precision, step_x, step_y = frame[start + 42 : start + 45]
    if (step_x, step_y) != (1, 1):
        raise UndecodablePixels("the JPEG 2000 frame is subsampled")
    return FrameSize(height - top, width - left, samples, bits=(precision & 0x7F) + 1)


def check_rle(frame: bytes, segments: int, segment_bytes: int) -> None:
    """Refuse an RLE frame unless each of its segments decodes to so many bytes (PS3.5 annex G).

    Two bytes can stand for 128, and decoders allocate what comes; so the runs are counted first.

    Raises
    ------
    UndecodablePixels
        When there are more or fewer segments or bytes.
    """
    header = [int.from_bytes(frame[at : at + 4], "little") for at in range(0, 64, 4)]
    if len(frame) < 64 or header[0] != segments:
        raise UndecodablePixels(f"the RLE frame has not {segments} segments")
    bounds = [*header[1 : segments + 1], len(frame)]
    if bounds[0] != 64 or bounds != sorted(bounds):
        raise UndecodablePixels("the RLE frame's offsets are out of order")
    for start, end in pairwise(bounds):
        if not _fills(frame[start:end], segment_bytes):
            raise UndecodablePixels(f"a segment of the RLE frame does not decode to {segment_bytes} bytes")


def _fills(segment: bytes, expected: int) -> bool:
    """Tell whether a PackBits segment decodes to the bytes expected; one more byte may pad it."""
    at = decoded = 0
    end = len(segment)
    while at < end and decoded < expected:
        control = segment[at]
        if control < 128:
            at += control + 2
            decoded += control + 1
        else:
            at += 2
            decoded += 257 - control if control > 128 else 0
            at -= control == 128
    return decoded == expected and end - 1 <= at <= end


def _number(frame: bytes, at: int, size: int) -> int:
    return int.from_bytes(frame[at : at + size], "big")
