"""Look-up tables of a data set, read for what they hold where their descriptors lie.

References
----------
PS3.3 sections C.11.1.1 (Modality LUT) and C.11.2.1.1 (VOI LUT)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

_ALL_WORDS = 65536
#: From this share of the greatest number of so many bits on, a table ends in white.
_WHITE = 0.98
#: A table that has less of its entries was cut off; writers miscount by a few.
_LEAST_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Lut:
    """A table of values for the values from `first` on; `bits` is the depth of an entry."""

    entries: NDArray[np.uint16]
    first: int
    bits: int

    def apply(self, values: NDArray[np.number[Any]]) -> NDArray[np.float64]:
        """Look values up; those outside the table get its first or last entry."""
        index = np.clip(values - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return np.asarray(self.entries[index], dtype=np.float64)


def read_lut(presentation: Dataset, keyword: str, least: float, greatest: float) -> Lut | None:
    """Return the first LUT of a sequence that can be used, or None.

    What there is counts: a table that is shorter than promised is used as far as it goes, and an item without a table
    or without its place is none.

    Parameters
    ----------
    least, greatest
        The least and the greatest value that can be looked up: they tell whether the first value mapped has a sign.
    """
    return next((lut for item in _items(presentation, keyword) if (lut := _usable(item, least, greatest))), None)


def _items(presentation: Dataset, keyword: str) -> Iterator[Dataset]:
    try:
        yield from presentation.get(keyword) or ()
    except Exception:  # noqa: BLE001 - a malformed sequence raises whatever its parser raises; it is as good as none
        return


def _usable(item: Dataset, least: float, greatest: float) -> Lut | None:
    try:
        descriptor, order, _ = _words(item, "LUTDescriptor")
        promised, first, *rest = np.frombuffer(descriptor, f"{order}u2").tolist()
        bits = rest[0] if rest else 0
        entries = _entries(item, promised or _ALL_WORDS, bits)
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        return None
    if len(entries) < 2 or entries.min() == entries.max():
        return None
    depth = _depth(entries, bits, promised)
    return Lut(entries, _signed(first, len(entries), least, greatest), depth)


def _words(item: Dataset, keyword: str) -> tuple[bytes, str, str | None]:
    """Return an attribute's bytes, their order, and its VR; US, SS and OW are read alike, whichever was written."""
    element = item.get_item(keyword)
    value = element.value
    if isinstance(value, bytes):
        return value, "<" if getattr(element, "is_little_endian", True) else ">", element.VR
    words = np.atleast_1d(np.asarray(value, dtype=np.int64)) & 0xFFFF
    return words.astype("<u2").tobytes(), "<", element.VR


def _entries(item: Dataset, promised: int, bits: int) -> NDArray[np.uint16]:
    """Return the entries that a table has, at most as many as promised."""
    data, order, vr = _words(item, "LUTData")
    words = np.frombuffer(data, f"{order}u2", count=len(data) // 2)
    if len(data) in (promised, promised + promised % 2):
        # Entries of 8 bits, two to a word; or half a table of words, whose bytes go up and down.
        octets = np.frombuffer(words.astype("<u2").tobytes() if order == ">" and vr == "OW" else data, np.uint8)
        octets = octets[:promised]  # without the byte that makes their length even
        if _is_monotonic(octets) or (bits <= 8 and not _is_monotonic(words)):
            return octets.astype(np.uint16)
    return words[:promised].astype(np.uint16)


def _is_monotonic(values: NDArray[np.unsignedinteger[Any]]) -> bool:
    steps = np.diff(values.astype(np.int32))
    return bool((steps >= 0).all() or (steps <= 0).all())


def _signed(first: int, entries: int, least: float, greatest: float) -> int:
    """Return the first value mapped, which is read as unsigned.

    It has a sign where the values have one (PS3.3 C.11.2.1.1). It also has one where the table would otherwise begin
    beyond every value, or reach beyond all words: some write SS though no value has a sign.
    """
    negative = first > 0x7FFF and (least < 0 or first > greatest or first + entries > _ALL_WORDS)
    return first - _ALL_WORDS if negative else first


def _depth(entries: NDArray[np.uint16], bits: int, promised: int) -> int:
    """Return how many bits the entries of a table have that is promised so many of them, or 0: as many as there are.

    Many devices write the size of a word into the descriptor, or the depth of another table. So the descriptor is
    believed where the table agrees, give or take a bit: not every table ends in white. One that does says its depth
    itself. Of a table of which much was cut off, what is left says less.
    """
    greatest = int(entries.max())
    found = greatest.bit_length()
    is_cut = len(entries) < _LEAST_SHARE * promised
    ends_in_white = greatest >= _WHITE * ((1 << found) - 1) and not is_cut
    believed = found <= bits <= 16 and not ends_in_white and (bits - found <= 1 or (bits < 16 and is_cut))
    return bits if believed else found
