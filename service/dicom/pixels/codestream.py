"""What the headers of compressed frames say of their size, read before a codec allocates anything."""

from dataclasses import dataclass

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

from service.core.errors import UndecodablePixels

_JPEG = frozenset(
    {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless}
)
_JPEG_2000 = frozenset({JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K})
# SOF0 to SOF15 without DHT, JPG and DAC, which lie among them; SOF55 is JPEG-LS (ITU-T T.81 Table B.1, T.87 C.1.1).
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
# Markers without a length: TEM, RSTn, SOI.
_STANDALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})


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
    """Walk the markers to the start of frame (ITU-T T.81 section B.2.2)."""
    if frame[:2] != b"\xff\xd8":
        raise UndecodablePixels("the JPEG frame does not start with SOI")
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _START_OF_FRAME and at + 10 <= len(frame):
            rows, columns = _number(frame, at + 5, 2), _number(frame, at + 7, 2)
            return FrameSize(rows, columns, samples=frame[at + 9], bits=frame[at + 4])
        else:
            at += 2 + max(2, _number(frame, at + 2, 2))
    raise UndecodablePixels("the JPEG frame has no frame header")


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


def _number(frame: bytes, at: int, size: int) -> int:
    return int.from_bytes(frame[at : at + size], "big")
