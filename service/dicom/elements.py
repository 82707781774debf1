"""The elements of a data set, in one pass from the front to the end of the pixel data.

The one reader of instances: what the listener identifies, a worker analyses, a report takes over and the page shows is
read by it, so that all see the same. What stands behind the pixels is nobody's concern. It builds no tree, needs no
recursion, and goes on where a writer broke a rule and it is clear what was meant:

- groups below 0008 at the front, file meta information among them, are passed over (PS3.5 section 7.1);
- a sequence ends where its items end, whatever its length says, and also without its delimiters (see `sequences`);
- an odd length may be followed by the byte that makes it even; an element of unknown VR is passed over;
- of two elements with one tag the first counts, in whatever order they stand;
- pixel data end with the file, or with the last whole fragment.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from service.dicom.bytes_at import BytesAt
from service.dicom.element_heads import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    PIXEL_DATA,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED,
    ElementHead,
    ElementHeads,
)
from service.dicom.sequences import Edit, through
from service.vocabulary.errors import NotDicom

_FIRST_GROUP = 0x0008
#: Of a value of file meta information that was written without its VR; no two letters are so small a number.
_LONGEST_IMPLICIT = 1024


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
        self.order = order
        self.implicit = implicit
        self._first_group = first_group
        self._data = data
        self._start = start
        self._end = data.size
        self._heads = ElementHeads(data, order, implicit=implicit)

    def __iter__(self) -> Iterator[Element]:
        """Yield every element up to the pixel data, and those."""
        at = self._start
        while at < self._end:
            head = self._heads.head(at, implicit=self.implicit)
            if head is None:
                is_cut = self._end - at < 8
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

    def value(self, element: Element) -> bytes:
        """Return an element's value, made a whole sequence where it is none."""
        if not element.edits:
            return self._data(element.start, element.end - element.start)
        parts, at = [], element.start
        for position, removed, inserted in element.edits:
            parts += [self._data(at, position - at), inserted]
            at = position + removed
        return b"".join((*parts, self._data(at, element.end - at)))

    def _element(self, head: ElementHead) -> Element:
        implicit = head.implicit or (head.vr == b"UN" and head.length == UNDEFINED)
        if head.length == UNDEFINED:
            end, edits = through(self._heads, head)
            return Element(head.tag, head.vr, head.value, end, implicit, undefined=True, edits=edits)
        end, edits = head.value + head.length, ()
        if head.length and self._seems_a_sequence(head):
            end, edits = self._end_of_sequence(head)
        if end > self._end:
            raise NotDicom("the data set ends within an attribute's value")
        return Element(head.tag, head.vr, head.value, end, implicit, edits=edits)

    def _seems_a_sequence(self, head: ElementHead) -> bool:
        return head.vr == b"SQ" or (head.implicit and self._heads.tag(head.value) == ITEM)

    def _end_of_sequence(self, head: ElementHead) -> tuple[int, tuple[Edit, ...]]:
        """Return where a sequence ends that says its length: there, or where its items end, whichever is followed."""
        said = head.value + head.length
        try:
            end, edits = through(self._heads, head, said)
        except NotDicom:
            if said <= self._end and self._heads.begins(said, head.tag):
                return said, ()
            raise
        if end == said:
            return end, edits
        # Where its items end before it says, that is where it ends; where they go on, one of both lengths is wrong.
        is_longer_than_its_items = head.value < end < said and self._heads.is_followed(end, head.tag)
        return (end, edits) if is_longer_than_its_items or not self._heads.is_followed(said, head.tag) else (said, ())

    def _behind(self, end: int, head: ElementHead) -> int:
        """Return where the next element begins; a value of odd length may have been padded."""
        if head.length % 2 == 0 or head.length == UNDEFINED or self._heads.begins(end, head.tag):
            return end
        return end + 1 if self._heads.begins(end + 1, head.tag) else end

    def _pixel_data(self, head: ElementHead) -> Element:
        if head.length != UNDEFINED:
            return Element(head.tag, head.vr, head.value, min(head.value + head.length, self._end), head.implicit)
        at = head.value
        while self._heads.tag(at) == ITEM:
            length = self._heads.length(at)
            at = min(at + 8 + length, self._end)
            if length % 2 and self._heads.tag(at) not in (ITEM, SEQUENCE_END) and self._heads.tag(at + 1) == ITEM:
                at += 1
        return Element(head.tag, head.vr, head.value, at, head.implicit, undefined=True)


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
        elif (length := int.from_bytes(raw[4:8], "little")) <= _LONGEST_IMPLICIT:
            at += 8 + length
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
