"""The heads of elements: tag, value representation and length, in whatever syntax a data set is in.

Nothing here knows how elements follow each other. A head that breaks a rule is read as it must have been meant where
that is clear, by what stands where its value would end: an element of a VR that nobody knows, in a data set that is
explicit, may have a length of two bytes or of four, or have been written in implicit VR.

References
----------
PS3.5 sections 7.1 and 7.5, Tables 7.1-1 to 7.1-3
"""

import struct
from typing import NamedTuple

from service.dicom.bytes_at import BytesAt
from service.vocabulary.errors import NotDicom

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF
#: Most elements, nested ones included, before the pixel data.
MAXIMUM_ELEMENTS = 100_000

#: Explicit VRs with a length of four bytes (PS3.5 Table 7.1-1), and those with one of two (Table 7.1-2).
LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT_VRS = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)


class ElementHead(NamedTuple):
    """The head of an element: where its value begins, and how long it says that is; `vr` is empty in implicit VR."""

    tag: int
    vr: bytes
    length: int
    value: int
    implicit: bool


class ElementHeads:
    """Where elements begin in a data set, and what they say of themselves.

    Parameters
    ----------
    data
        The file.
    order
        "<" for little endian, ">" for big endian.
    implicit
        Whether the data set is in implicit VR.
    """

    def __init__(self, data: BytesAt, order: str, *, implicit: bool) -> None:
        self.end = data.size
        self.order = order
        self.implicit = implicit
        self._data = data
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}L")
        self._asked = 0

    def head(self, at: int, *, implicit: bool) -> ElementHead | None:
        """Return the head of the element at a position; None where none can be made out.

        Raises
        ------
        NotDicom
            When more heads were asked for than a data set may have elements.
        """
        self._asked += 1
        if self._asked > MAXIMUM_ELEMENTS:
            raise NotDicom(f"the data set has more than {MAXIMUM_ELEMENTS} elements before its pixel data")
        raw = self._data(at, 12)
        if len(raw) < 8:
            return None
        group, number = self._tag.unpack_from(raw)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:
            return ElementHead(tag, b"", self._long.unpack_from(raw, 4)[0], at + 8, implicit)
        vr, explicit = raw[4:6], self._explicit(at, raw)
        if explicit is not None:
            return ElementHead(tag, vr, *explicit, implicit=False)
        return None if vr in LONG_VRS else self._of_unknown_vr(at, tag, raw)

    def begins(self, at: int, after: int) -> bool:
        """Tell whether an element with a greater tag, or a delimiter, seems to begin at a position; or the end is."""
        raw = self._data(at, 12)
        if at == self.end or len(raw) < 8:
            return at == self.end
        group, number = self._tag.unpack_from(raw)
        if group == 0xFFFE:
            return (group << 16 | number) in (ITEM, ITEM_END, SEQUENCE_END)
        if group << 16 | number <= after:
            return False
        found = (self._long.unpack_from(raw, 4)[0], at + 8) if self.implicit else self._explicit(at, raw)
        if found is None:
            return False
        length, value = found
        is_pixel_data = (group << 16 | number) == PIXEL_DATA
        return bool(value + length <= self.end or length == UNDEFINED or is_pixel_data)

    def is_followed(self, at: int, after: int) -> bool:
        """Tell whether an element, and another one behind it, or the end, seem to follow at a position."""
        if at >= self.end or not self.begins(at, after):
            return at == self.end
        found = self.head(at, implicit=self.implicit)
        if found is None or found.tag >> 16 == 0xFFFE:
            return False
        is_last = found.tag == PIXEL_DATA or found.length == UNDEFINED
        return is_last or self.begins(found.value + found.length, found.tag)

    def tag(self, at: int) -> int | None:
        """Return the tag at a position; None behind the end."""
        raw = self._data(at, 4)
        if len(raw) < 4:
            return None
        group, number = self._tag.unpack(raw)
        return int(group << 16 | number)

    def length(self, at: int) -> int:
        """Return the length of the item whose tag is at a position; what the file lacks of it counts as zero."""
        (length,) = self._long.unpack(self._data(at + 4, 4).ljust(4, b"\0"))
        return int(length)

    def _explicit(self, at: int, raw: bytes) -> tuple[int, int] | None:
        """Return length and position of a value in explicit VR; None for an unknown VR, and where the file ends."""
        if raw[4:6] in SHORT_VRS:
            return self._short.unpack_from(raw, 6)[0], at + 8
        if raw[4:6] in LONG_VRS and len(raw) == 12:
            return self._long.unpack_from(raw, 8)[0], at + 12
        return None

    def _of_unknown_vr(self, at: int, tag: int, raw: bytes) -> ElementHead | None:
        """Return the head of an element whose VR is none: with a length of two or four bytes, or in implicit VR."""
        heads = [ElementHead(tag, b"UN", self._short.unpack_from(raw, 6)[0], at + 8, implicit=False)]
        if len(raw) == 12:
            heads.append(ElementHead(tag, b"UN", self._long.unpack_from(raw, 8)[0], at + 12, implicit=False))
        heads.append(ElementHead(tag, b"UN", self._long.unpack_from(raw, 4)[0], at + 8, implicit=False))
        return next((head for head in heads if self.begins(head.value + head.length, tag)), None)
