"""RLE frames: checked and freed of padding before a decoder allocates anything (PS3.5 Annex G)."""

from itertools import pairwise

from service.dicom.pixels.frame import Frame, is_filler
from service.vocabulary.errors import UndecodablePixels

_HEADER = 64
_FEW = 16


def read(frame: bytes, segments: int, segment_bytes: int) -> Frame:
    """Return an RLE frame whose segments each decode to so many bytes, without what pads them.

    Two bytes can stand for 128, and decoders allocate what comes; so the runs are counted first.

    Raises
    ------
    UndecodablePixels
        When there are more or fewer segments or bytes.
    """
    header = [int.from_bytes(frame[at : at + 4], "little") for at in range(0, _HEADER, 4)]
    if len(frame) < _HEADER or header[0] != segments:
        raise UndecodablePixels(f"the RLE frame has not {segments} segments")
    bounds = [*header[1 : segments + 1], len(frame)]
    if bounds[0] < _HEADER or bounds != sorted(bounds):
        raise UndecodablePixels("the RLE frame's offsets are out of order")
    pieces = []
    for start, end in pairwise(bounds):
        length = _length(frame[start:end], segment_bytes)
        if length is None or not _is_padding(frame[start + length : end]):
            raise UndecodablePixels(f"a segment of the RLE frame does not decode to {segment_bytes} bytes")
        pieces.append((start, start + length, end))
    if bounds[0] == _HEADER and all(end - stop <= 1 for _, stop, end in pieces):
        return Frame(frame, None)
    return Frame(_packed([frame[start:stop] for start, stop, _ in pieces]), None)


def _is_padding(rest: bytes) -> bool:
    """Tell whether what is left of a segment is no more of an image: a few bytes, or all the same ones."""
    return len(rest) <= _FEW or is_filler(rest)


def _length(segment: bytes, expected: int) -> int | None:
    """Return how long the part of a PackBits segment is that decodes to the bytes expected; None where none does."""
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
    return at if decoded == expected and at <= end else None


def _packed(segments: list[bytes]) -> bytes:
    """Return a frame of segments, each of even length, one behind the other."""
    padded = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    offsets, at = [], _HEADER
    for segment in padded:
        offsets.append(at)
        at += len(segment)
    numbers = [len(segments), *offsets, *([0] * (15 - len(segments)))]
    return b"".join((*(number.to_bytes(4, "little") for number in numbers), *padded))
