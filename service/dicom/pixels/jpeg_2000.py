"""JPEG 2000 frames: their size by their own header, and their tile-parts (ITU-T T.800 Annex A)."""

from dataclasses import dataclass, replace

from service.dicom.pixels.frame import Frame, FrameSize
from service.vocabulary.errors import UndecodablePixels

_SOT, _SOD = b"\xff\x90", b"\xff\x93"
_EOC = b"\xff\xd9"
#: No coded data end in so many zeros; a file that was made large enough before it was filled may.
_ZEROS = bytes(4)
# Bytes that continue a tile-part: were any packet still to come, they would show.
_CONTINUATIONS = (bytes(range(1, 250)) * 16, bytes(range(1, 120)) * 32)


@dataclass(frozen=True)
class _TilePart:
    tile: int
    parts: int
    start: int
    end: int


def read(frame: bytes) -> Frame:
    """Read a JPEG 2000 frame's size, and leave out what stands between and behind its tile-parts.

    Each tile-part says its length (Psot, section A.4.2), so that what follows the last one needs no look: comments,
    padding, an EOC or none. One that says 0 goes on to EOC, and has to prove that it is whole.

    Raises
    ------
    UndecodablePixels
        When the header is damaged, or a tile-part is missing or cut.
    """
    start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
    size, tiles = _size(frame, start)
    first = _first_tile_part(frame, start)
    parts, is_open = _tile_parts(frame, first)
    _check_whole(parts, tiles)
    parts[-1], counts_eoc = _without_eoc(frame, parts[-1])
    if counts_eoc:
        return read(frame[: parts[-1].start + 6] + bytes(4) + frame[parts[-1].start + 10 :])
    if not is_open and _is_contiguous(parts, first) and frame[parts[-1].end :].rstrip(b"\0") == _EOC:
        return Frame(frame, size)
    coded = b"".join((frame[start:first], *(frame[part.start : part.end] for part in parts)))
    if is_open:
        return Frame(coded + _EOC, size, tuple(coded + more + _EOC for more in _CONTINUATIONS))
    return Frame(coded + _EOC, size)


def _size(frame: bytes, start: int) -> tuple[FrameSize, int]:
    """Read the SIZ segment, which follows SOC at once (section A.5.1), also within a JP2 file; and count the tiles."""
    if start < 0 or len(frame) < start + 45:
        raise UndecodablePixels("the JPEG 2000 frame has no SIZ segment")
    numbers = [_number(frame, start + 8 + 4 * index, 4) for index in range(8)]
    width, height, left, top, tile_width, tile_height, tile_left, tile_top = numbers
    samples = _number(frame, start + 40, 2)
    precision, step_x, step_y = frame[start + 42 : start + 45]
    if (step_x, step_y) != (1, 1):
        raise UndecodablePixels("the JPEG 2000 frame is subsampled")
    if not tile_width or not tile_height:
        raise UndecodablePixels("the JPEG 2000 frame has no tiles")
    tiles = -(-(width - tile_left) // tile_width) * -(-(height - tile_top) // tile_height)
    return FrameSize(height - top, width - left, samples, bits=(precision & 0x7F) + 1), tiles


def _first_tile_part(frame: bytes, start: int) -> int:
    """Walk the main header, whose segments say their lengths."""
    at = start + 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        if frame[at : at + 2] == _SOT:
            return at
        at += 2 + max(2, _number(frame, at + 2, 2))
    raise UndecodablePixels("the JPEG 2000 frame's header is damaged")


def _tile_parts(frame: bytes, first: int) -> tuple[list[_TilePart], bool]:
    """Return the tile-parts, and whether nothing says where the last one ends."""
    parts: list[_TilePart] = []
    at: int | None = first
    while at is not None:
        length = _number(frame, at + 6, 4)
        tile, count = _number(frame, at + 4, 2), frame[at + 11] if at + 12 <= len(frame) else 0
        if length == 0:
            end = frame.find(_EOC, at)
            parts.append(_TilePart(tile, count, at, end if end >= 0 else len(frame)))
            return parts, True
        if length < 14 or at + length > len(frame):
            raise UndecodablePixels("the JPEG 2000 frame is truncated: a tile-part is longer than what is left")
        parts.append(_TilePart(tile, count, at, at + length))
        at = _next_tile_part(frame, at + length)
    return parts, False


def _next_tile_part(frame: bytes, at: int) -> int | None:
    """Return where the next tile-part begins, behind segments that do not belong there; None behind the last one."""
    while at + 4 <= len(frame) and frame[at] == 0xFF and frame[at : at + 2] != _EOC:
        if frame[at : at + 2] == _SOT:
            return at
        at += 2 + max(2, _number(frame, at + 2, 2))
    return None


def _check_whole(parts: list[_TilePart], tiles: int) -> None:
    """Refuse a frame without one of its tiles, or with fewer tile-parts of one than it says (TNsot, section A.4.2)."""
    found: dict[int, int] = {}
    for part in parts:
        found[part.tile] = found.get(part.tile, 0) + 1
    if len(found) < tiles or any(found[part.tile] < part.parts for part in parts):
        raise UndecodablePixels("the JPEG 2000 frame is truncated: a tile-part is missing")


def _without_eoc(frame: bytes, last: _TilePart) -> tuple[_TilePart, bool]:
    """Return the last tile-part without an EOC that its length counts, and whether there was one.

    Coded data hold no marker and end in no 0xFF (section B.10.1): where they seem to, they were cut, and what stood
    behind them came up, an EOC or padding.
    """
    coded = frame.find(_SOD, last.start, last.end)
    eoc = frame.find(_EOC, coded, last.end)
    end = last.end if eoc < 0 else eoc
    is_cut = last.end - end not in (0, len(_EOC)) or frame[end - 1] == 0xFF
    zeros = frame[:end].endswith(_ZEROS) and not frame[end:].strip(b"\0")
    if coded < 0 or is_cut or zeros:
        raise UndecodablePixels("the JPEG 2000 frame is truncated: its last tile-part is not all there")
    return replace(last, end=end), end < last.end


def _is_contiguous(parts: list[_TilePart], first: int) -> bool:
    return [part.start for part in parts] == [first, *(part.end for part in parts[:-1])]


def _number(frame: bytes, at: int, size: int) -> int:
    return int.from_bytes(frame[at : at + size], "big")
