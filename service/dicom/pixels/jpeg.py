"""JPEG and JPEG-LS frames: their size by their own header, and where they end (ITU-T T.81, T.87)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from service.dicom.pixels.frame import Frame, FrameSize
from service.vocabulary.errors import UndecodablePixels

# SOF0 to SOF15 without DHT, JPG and DAC, which lie among them; SOF55 is JPEG-LS (ITU-T T.81 Table B.1, T.87 C.1.1).
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
#: Sequential Huffman processes and JPEG-LS: all of a pixel comes in one scan.
_SEQUENTIAL = frozenset({0xC0, 0xC1, 0xC3, 0xF7})
_JPEG_LS = 0xF7
_HUFFMAN = _SEQUENTIAL - {_JPEG_LS}
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FILL = 0xFF
_EOI = b"\xff\xd9"
# What else may stand before a scan: DHT, DAC, DQT, DRI, LSE (of JPEG-LS), APPn, COM.
_SEGMENTS = frozenset({0xC4, 0xCC, 0xDB, 0xDD, 0xF8, *range(0xE0, 0xF0), 0xFE})
#: A marker within a scan, restarts left out: JPEG stuffs a zero byte behind 0xFF, JPEG-LS a zero bit.
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")
_MARKER_OF_JPEG_LS = re.compile(rb"\xff+([\x80-\xcf\xd8-\xfe])")
#: Behind the end only another image is more than padding.
_NEXT_IMAGE = re.compile(rb"\x00*\xff\xd8\xff")
# Bytes that continue a scan: were any pixel still to come, they would show. Decoders go on with bits of 0 where a scan
# ends too early, so the first ones are 1.
_CONTINUATION = bytes(range(0xFE, 0, -1)) * 16
_CONTINUATIONS_OF_JPEG_LS = (b"\0", b"\x7f", b"\x55\xaa")


#: Huffman coding of differences from a prediction, without transform.
_LOSSLESS = 0xC3
_HUFFMAN_TABLES, _RESTART_INTERVAL = 0xC4, 0xDD
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")


@dataclass(frozen=True)
class _Header:
    size: FrameSize
    process: int
    scan: int
    categories: Mapping[int, int]
    restart_interval: int


@dataclass(frozen=True)
class LosslessScan:
    """How a lossless frame of one sample is coded: its predictor, and the difference that bits of zero stand for."""

    predictor: int
    difference_of_zeros: int


def read(frame: bytes) -> Frame:
    """Read a JPEG or JPEG-LS frame's size, and cut off what stands behind its end.

    A frame without an end gets one; whether all of it is there, only decoding can tell: `Frame.continuations`.

    Raises
    ------
    UndecodablePixels
        When the frame's header is damaged, an interval is missing, or another image follows it.
    """
    header = _header(frame)
    if len(_RESTART.findall(frame, header.scan)) < _restarts(header):
        raise UndecodablePixels("the JPEG frame is truncated: fewer restarts are in it than its size asks for")
    end = _end(frame, header)
    if end is not None:
        if _NEXT_IMAGE.match(frame, end):
            raise UndecodablePixels("another image follows the frame's end")
        return Frame(frame if end == len(frame) else frame[:end], header.size)
    if header.process not in _SEQUENTIAL or header.size.samples != 1:
        raise UndecodablePixels("the JPEG frame is truncated: it does not end with EOI")
    return _without_end(frame, header)


def without_proof(frame: Frame) -> Frame:
    """Return a frame that ends with EOI and has to prove that it is whole."""
    return _proving(frame.data[:-2], _header(frame.data))


def _without_end(frame: bytes, header: _Header) -> Frame:
    """Return a frame that lacks its end, in each way to understand zero bytes at its end: as padding, and as data."""
    coded = frame.rstrip(b"\0")
    zeros = len(frame) - len(coded)
    least = int(coded.endswith(b"\xff"))  # a zero bit or byte belongs to the 0xFF before it
    first = _proving(coded + bytes(least), header)
    others = []
    if zeros > least:  # the last bits of a scan may be a byte of zeros
        others.append(_proving(coded + bytes(least + 1), header))
    if zeros > least + 1:  # and so may those of many pixels that are alike
        unlike = frame[:-2] + _endings(header)[0] + _EOI
        others.append(replace(_proving(frame, header), unlike=unlike))
    return replace(first, others=tuple(others))


def _proving(coded: bytes, header: _Header) -> Frame:
    # 0xFF before a marker is no data, but would make a marker of what follows it.
    continued = tuple(coded.rstrip(b"\xff") + ending + _EOI for ending in _endings(header))
    return Frame(coded + _EOI, header.size, continued, may_fail=header.process == _JPEG_LS)


def _endings(header: _Header) -> tuple[bytes, ...]:
    return _CONTINUATIONS_OF_JPEG_LS if header.process == _JPEG_LS else (_CONTINUATION,)


def _header(frame: bytes) -> _Header:
    """Walk every marker segment up to the scan (ITU-T T.81 section B.2).

    The walk is strict because gdcm ends the process, not just the call, over anything that libjpeg warns of in a
    header: stray bytes between segments, and a JFIF version that does not exist.
    """
    if frame[:2] != b"\xff\xd8":
        raise UndecodablePixels("the JPEG frame does not start with SOI")
    size, process, at = None, 0, 2
    categories: dict[int, int] = {}
    interval = 0
    while at + 10 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == _FILL:
            at += 1
            continue
        if marker == _START_OF_SCAN and size is not None:
            return _Header(size, process, at, categories, interval)
        if marker in _START_OF_FRAME and size is None:
            rows, columns = (int.from_bytes(frame[at + place : at + place + 2], "big") for place in (5, 7))
            size, process = FrameSize(rows, columns, samples=frame[at + 9], bits=frame[at + 4]), marker
        elif marker == _RESTART_INTERVAL:
            interval = int.from_bytes(frame[at + 4 : at + 6], "big")
        elif marker == _HUFFMAN_TABLES:
            categories |= _first_categories(frame[at + 4 : at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")])
        elif marker not in _SEGMENTS or (frame[at + 4 : at + 9] == b"JFIF\0" and frame[at + 9] != 1):
            break
        at += 2 + max(2, int.from_bytes(frame[at + 2 : at + 4], "big"))
    raise UndecodablePixels("the header of the JPEG frame is damaged")


def _first_categories(segment: bytes) -> dict[int, int]:
    """Return by the class and number of each Huffman table what its code of zeros stands for (section B.2.4.2)."""
    found, at = {}, 0
    while at + 17 < len(segment):
        found[segment[at]] = segment[at + 17]
        at += 17 + sum(segment[at + 1 : at + 17])
    return found


def _restarts(header: _Header) -> int:
    """Return how many restarts divide the scan of a frame of one sample (section E.1.4); 0 where none is known to."""
    if not header.restart_interval or header.size.samples != 1 or header.process not in _HUFFMAN:
        return 0
    side = 1 if header.process == _LOSSLESS else 8
    units = -(-header.size.rows // side) * -(-header.size.columns // side)
    return -(-units // header.restart_interval) - 1


def lossless_scan(frame: Frame) -> LosslessScan | None:
    """Return how a lossless frame is coded (sections B.2.3 and H.1.2); None for what is not, or in another way."""
    header = _header(frame.data)
    components, table, predictor, shift = (frame.data[header.scan + place] for place in (4, 6, 7, 9))
    if header.process != _LOSSLESS or components != 1 or shift:
        return None
    category = header.categories.get(table >> 4, 0)
    return LosslessScan(predictor, 1 - (1 << category) if category < 16 else 1 << 15)


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
