"""The elements of a data set, in one pass from the front to the end of the pixel data.

The one reader of instances: what the listener identifies, a worker analyses, a report takes over and the page shows is
read by it, so that all see the same. What stands behind the pixels is nobody's concern. It builds no tree, needs no
recursion, and goes on where a writer broke a rule and it is clear what was meant:

- groups below 0008 at the front, file meta information among them, are passed over (PS3.5 section 7.1);
- a sequence ends where its items end, whatever its length says, and also without its delimiters (see `sequences`);
- an odd length may be followed by the byte that makes it even; an element of unknown VR is passed over;
- of two elements with one tag the first counts;
- pixel data end with the file, or with the last whole fragment.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from service.dicom.bytes_at import BytesAt
from service.dicom.sequences import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, Edit, ElementHead, through
from service.vocabulary.errors import NotDicom

PIXEL_DATA = 0x7FE00010
#: Most elements, nested ones included, before the pixel data.
MAXIMUM_ELEMENTS = 100_000

_FIRST_GROUP = 0x0008
#: Explicit VRs with a length of four bytes (PS3.5 Table 7.1-1), and those with one of two (Table 7.1-2).
LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT_VRS = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a data set, and where its value lies.

    Attributes
    ----------
    implicit
        Whether what is nested in it is in implicit VR.
    undefined
        Whether it says no length: a sequence, or encapsulated pixel data.
    edits
        What to change in its bytes, so that they are a sequence as PS3.5 section 7.5 has it.
    """

    tag: int
    vr: bytes
    start: int
    end: int
    implicit: bool
    undefined: bool = False
    edits: tuple[Edit, ...] = ()


class Elements:
    """The top-level elements of a data set.

    Parameters
    ----------
    data
        The file.
    start
        Where in it the data set begins.
    order
        "<" for little endian, ">" for big endian.
    implicit
        Whether it is in implicit VR.
    first_group
        Elements of lower groups are passed over.

    Raises
    ------
    NotDicom
        While iterating, where no element can be made out, or the data set ends within one.
    """

    def __init__(
        self, data: BytesAt, start: int, order: str, *, implicit: bool, first_group: int = _FIRST_GROUP
    ) -> None:
        self.end = data.size
        self.order = order
        self.implicit = implicit
        self._first_group = first_group
        self._data = data
        self._start = start
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}L")
        self._heads = 0

    def __iter__(self) -> Iterator[Element]:
        """Yield every element up to the pixel data, and those."""
        at = self._start
        while at < self.end:
            head = self.head(at, implicit=self.implicit)
            if head is None:
                is_cut = self.end - at < 8
                raise NotDicom(
                    "the data set ends within an element"
                    if is_cut
                    else "an element has no known VR: not DICOM, or not the agreed syntax"
                )
            if head.tag in (ITEM, ITEM_END, SEQUENCE_END):
                at = head.value  # ends nothing
                continue
            if head.tag == PIXEL_DATA:
                yield self._pixel_data(head)
                return
            element = self._element(head)
            if head.tag >> 16 >= self._first_group:
                yield element
            at = self._behind(element.end, head)

    def head(self, at: int, *, implicit: bool) -> ElementHead | None:
        """Return the head of the element at a position; None where none can be made out.

        Raises
        ------
        NotDicom
            When more heads were asked for than a data set may have elements.
        """
        self._heads += 1
        if self._heads > MAXIMUM_ELEMENTS:
            raise NotDicom(f"the data set has more than {MAXIMUM_ELEMENTS} elements before its pixel data")
        raw = self._data(at, 12)
        if len(raw) < 8:
            return None
        group, number = self._tag.unpack_from(raw)
        tag = group << 16 | number
        if implicit or group == 0xFFFE:
            return ElementHead(tag, b"", self._long.unpack_from(raw, 4)[0], at + 8, implicit)
        vr = raw[4:6]
        if vr in SHORT_VRS:
            return ElementHead(tag, vr, self._short.unpack_from(raw, 6)[0], at + 8, implicit=False)
        if vr in LONG_VRS:
            return (
                ElementHead(tag, vr, self._long.unpack_from(raw, 8)[0], at + 12, implicit=False)
                if len(raw) == 12
                else None
            )
        return self._of_unknown_vr(at, tag, raw)

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
        if self.implicit:
            length, value = self._long.unpack_from(raw, 4)[0], at + 8
        elif raw[4:6] in SHORT_VRS:
            length, value = self._short.unpack_from(raw, 6)[0], at + 8
        elif raw[4:6] in LONG_VRS and len(raw) == 12:
            length, value = self._long.unpack_from(raw, 8)[0], at + 12
        else:
            return False
        is_pixel_data = (group << 16 | number) == PIXEL_DATA
        return bool(value + length <= self.end or length == UNDEFINED or is_pixel_data)

    def value(self, element: Element) -> bytes:
        """Return an element's value, made a whole sequence where it is none."""
        if not element.edits:
            return self._data(element.start, element.end - element.start)
        parts, at = [], element.start
        for position, removed, inserted in element.edits:
            parts += [self._data(at, position - at), inserted]
            at = position + removed
        return b"".join((*parts, self._data(at, element.end - at)))

    def _of_unknown_vr(self, at: int, tag: int, raw: bytes) -> ElementHead | None:
        """Return the head of an element whose VR is none: with a length of two or four bytes, or in implicit VR."""
        heads = [ElementHead(tag, b"UN", self._short.unpack_from(raw, 6)[0], at + 8, implicit=False)]
        if len(raw) == 12:
            heads.append(ElementHead(tag, b"UN", self._long.unpack_from(raw, 8)[0], at + 12, implicit=False))
        heads.append(ElementHead(tag, b"UN", self._long.unpack_from(raw, 4)[0], at + 8, implicit=False))
        return next((head for head in heads if self.begins(head.value + head.length, tag)), None)

    def _element(self, head: ElementHead) -> Element:
        implicit = head.implicit or (head.vr == b"UN" and head.length == UNDEFINED)
        if head.length == UNDEFINED:
            end, edits = through(self, head)
            return Element(head.tag, head.vr, head.value, end, implicit, undefined=True, edits=edits)
        end, edits = head.value + head.length, ()
        if head.length and self._seems_a_sequence(head):
            end, edits = self._end_of_sequence(head)
        if end > self.end:
            raise NotDicom("the data set ends within an attribute's value")
        return Element(head.tag, head.vr, head.value, end, implicit, edits=edits)

    def _seems_a_sequence(self, head: ElementHead) -> bool:
        return head.vr == b"SQ" or (head.implicit and self._data(head.value, 4) == self._tag.pack(0xFFFE, 0xE000))

    def _end_of_sequence(self, head: ElementHead) -> tuple[int, tuple[Edit, ...]]:
        """Return where a sequence ends that says its length: there, or where its items end, whichever is followed."""
        said = head.value + head.length
        try:
            end, edits = through(self, head, said)
        except NotDicom:
            if said <= self.end and self.begins(said, head.tag):
                return said, ()
            raise
        if end == said:
            return end, edits
        # Where its items end before it says, that is where it ends; where they go on, one of both lengths is wrong.
        is_longer_than_its_items = head.value < end < said and self.begins(end, head.tag)
        return (end, edits) if is_longer_than_its_items or not self._is_followed(said, head.tag) else (said, ())

    def _is_followed(self, at: int, after: int) -> bool:
        """Tell whether an element, and another one behind it, or the end, seem to follow at a position."""
        if at >= self.end or not self.begins(at, after):
            return at == self.end
        found = self.head(at, implicit=self.implicit)
        if found is None or found.tag >> 16 == 0xFFFE:
            return False
        is_last = found.tag == PIXEL_DATA or found.length == UNDEFINED
        return is_last or self.begins(found.value + found.length, found.tag)

    def _behind(self, end: int, head: ElementHead) -> int:
        """Return where the next element begins; a value of odd length may have been padded."""
        is_padded = head.length % 2 and head.length != UNDEFINED
        return end + 1 if is_padded and not self.begins(end, head.tag) and self.begins(end + 1, head.tag) else end

    def _pixel_data(self, head: ElementHead) -> Element:
        if head.length != UNDEFINED:
            return Element(head.tag, head.vr, head.value, min(head.value + head.length, self.end), head.implicit)
        at = head.value
        while self._tag_at(at) == ITEM:
            (length,) = self._long.unpack(self._data(at + 4, 4).ljust(4, b"\0"))
            at = min(at + 8 + length, self.end)
            if length % 2 and self._tag_at(at) not in (ITEM, SEQUENCE_END) and self._tag_at(at + 1) == ITEM:
                at += 1
        return Element(head.tag, head.vr, head.value, at, head.implicit, undefined=True)

    def _tag_at(self, at: int) -> int | None:
        raw = self._data(at, 4)
        if len(raw) < 4:
            return None
        group, number = self._tag.unpack(raw)
        return int(group << 16 | number)


def behind_meta(data: BytesAt, at: int) -> int:
    """Return where a data set begins whose front repeats what stands at the front of a file (PS3.10 section 7.1).

    Some archives keep a file's preamble and file meta information in the data set; these are in explicit VR little
    endian whatever the data set is in. Their lengths of group are often wrong, and none is read.
    """
    if data(at, 132)[128:] == b"DICM":
        at += 132
    while (raw := data(at, 12))[:2] == b"\x02\x00" and len(raw) >= 8:
        if raw[4:6] in SHORT_VRS:
            at += 8 + int.from_bytes(raw[6:8], "little")
        elif raw[4:6] in LONG_VRS and len(raw) == 12:
            at += 12 + int.from_bytes(raw[8:12], "little")
        else:
            break
    return min(at, data.size)


def elements_of(data: BytesAt, start: int, transfer_syntax_uid: str) -> Elements:
    """Return the elements of a data set in a transfer syntax; a deflated one has been inflated."""
    return Elements(
        data,
        behind_meta(data, start),
        ">" if transfer_syntax_uid == ExplicitVRBigEndian else "<",
        implicit=transfer_syntax_uid == ImplicitVRLittleEndian,
    )
