"""JPEG and JPEG-LS frames: their size by their own header, and where they end (ITU-T T.81, T.87)."""

import re
from dataclasses import dataclass

from service.dicom.pixels.frame import Frame, FrameSize
from service.vocabulary.errors import UndecodablePixels

# SOF0 to SOF15 without DHT, JPG and DAC, which lie among them; SOF55 is JPEG-LS (ITU-T T.81 Table B.1, T.87 C.1.1).
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
#: Sequential Huffman processes and JPEG-LS: all of a pixel comes in one scan.
_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC3, 0xF7})
_JPEG_LS = 0xF7
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FILL = 0xFF
# What else may stand before a scan: DHT, DAC, DQT, DRI, LSE (of JPEG-LS), APPn, COM.
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xF8, *range(0xE0, 0xF0), 0xFE})
#: A marker within a scan, restarts left out: JPEG stuffs a zero byte behind 0xFF, JPEG-LS a zero bit.
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_MARKER_OF_JPEG_LS = re.compile(rb"\xff+([\x80-\xcf\xd8-\xfe])")
#: Behind the end only another image is more than padding.
_NEXT_IMAGE = re.compile(rb"\x00*\xff\xd8\xff")
# Bytes that continue a scan: were any pixel still to come, they would show.
_CONTINUATIONS = (bytes(range(1, 255)) * 16, bytes(range(1, 120)) * 32)
_CONTINUATIONS_OF_JPEG_LS = (b"\0", b"\x7f", b"\x55\xaa")


@dataclass(frozen=True)
class _Header:
    size: FrameSize
    process: int
    scan: int


def read(frame: bytes) -> Frame:
    """Read a JPEG or JPEG-LS frame's size, and cut off what stands behind its end.

    A frame without an end gets one; whether all of it is there, only decoding can tell: `Frame.continuations`.

    Raises
    ------
    UndecodablePixels
        When the frame's header is damaged, or another image follows it.
    """
    header = _header(frame)
    end = _end(frame, header)
    if end is not None:
        if _NEXT_IMAGE.match(frame, end):
            raise UndecodablePixels("another image follows the frame's end")
        return Frame(frame if end == len(frame) else frame[:end], header.size)
    if header.process not in _SEQUENTIAL or header.size.samples != 1:
        raise UndecodablePixels("the JPEG frame is truncated: it does not end with EOI")
    coded = frame.rstrip(b"\0")
    stuffed = b"\0" if coded.endswith(b"\xff") else b""  # it belongs to the 0xFF before it
    return without_proof(Frame(coded + stuffed + b"\xff\xd9", header.size), header.process)


def without_proof(frame: Frame, process: int | None = None) -> Frame:
    """Return a frame that ends with EOI and has to prove that it is whole."""
    process = _header(frame.data).process if process is None else process
    body = frame.data[:-2]
    endings = _CONTINUATIONS_OF_JPEG_LS if process == _JPEG_LS else _CONTINUATIONS
    continued = tuple(body + ending + b"\xff\xd9" for ending in endings)
    return Frame(frame.data, frame.size, continued, may_fail=process == _JPEG_LS)


def _header(frame: bytes) -> _Header:
    """Walk every marker segment up to the scan (ITU-T T.81 section B.2).

    The walk is strict because gdcm ends the process, not just the call, over anything that libjpeg warns of in a
    header: stray bytes between segments, and a JFIF version that does not exist.
    """
    if frame[:2] != b"\xff\xd8":
        raise UndecodablePixels("the JPEG frame does not start with SOI")
    size, process, at = None, 0, 2
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == _FILL:
            at += 1
            continue
        if marker == _START_OF_SCAN and size is not None:
            return _Header(size, process, at)
        if marker in _START_OF_FRAME and size is None:
            rows, columns = (int.from_bytes(frame[at + place : at + place + 2], "big") for place in (5, 7))
            size, process = FrameSize(rows, columns, samples=frame[at + 9], bits=frame[at + 4]), marker
        elif marker not in _SEGMENTS or (frame[at + 4 : at + 9] == b"JFIF\0" and frame[at + 9] != 1):
            break
        at += 2 + max(2, int.from_bytes(frame[at + 2 : at + 4], "big"))
    raise UndecodablePixels("the header of the JPEG frame is damaged")


def _end(frame: bytes, header: _Header) -> int | None:
    """Return where a frame ends, behind its EOI; None where it has none."""
    tail = frame[-64:].rstrip(b"\0")
    if tail.endswith(b"\xff\xd9"):
        return len(frame) - len(frame[-64:]) + len(tail)
    marker = _MARKER_OF_JPEG_LS if header.process == _JPEG_LS else _MARKER
    at = header.scan
    while at + 4 <= len(frame):
        # A scan's header, or a segment between scans, and the coded data behind it.
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        found = marker.search(frame, at)
        if found is None:
            return None
        if found[1][0] == _END_OF_IMAGE:
            return found.end()
        at = found.end() - 2
    return None
