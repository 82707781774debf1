"""Where a sequence ends, by what stands in it: also one that lacks its delimiters, or lies about its lengths.

A sequence of undefined length ends with a Sequence Delimitation Item, an item of undefined length with an Item
Delimitation Item (PS3.5 section 7.5). Writers forget them. What follows then seems to stand in the last item; it is
known for what it is by the order of the tags, which rises within a data set (PS3.5 section 7.1): the elements at the
end that could stand outside of the sequence do.
"""

from dataclasses import dataclass

from service.dicom.element_heads import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED, ElementHead, ElementHeads
from service.vocabulary.errors import NotDicom

#: A position in a file, how many bytes to leave out there, and which to put in their place.
Edit = tuple[int, int, bytes]


@dataclass(slots=True)
class _Open:
    """A sequence or an item whose end is still to come.

    Attributes
    ----------
    outside_from
        From where on all elements of an item could stand behind the outermost sequence.
    last
        The last tag in an item.
    """

    is_item: bool
    implicit: bool
    outside_from: int | None = None
    last: int = -1

    def meet(self, tag: int, at: int, outermost: int) -> None:
        """Note an element of an item."""
        if tag <= outermost:
            self.outside_from = None
        elif self.outside_from is None or tag <= self.last:
            self.outside_from = at
        self.last = tag


class _Sequence:
    """A way through one sequence, from the head on."""

    def __init__(self, heads: ElementHeads, head: ElementHead, said: int | None) -> None:
        self._heads = heads
        self._head = head
        self._said = said
        self._open = [_Open(is_item=False, implicit=head.implicit or (head.vr == b"UN" and said is None))]
        self._edits: list[Edit] = []

    def through(self) -> tuple[int, tuple[Edit, ...]]:
        at = self._head.value
        while self._open:
            if len(self._open) == 1 and at == self._said:
                break
            found = self._heads.head(at, implicit=self._open[-1].implicit)
            if found is None or (self._open[-1].is_item and self._is_cut(found)):
                return self._without_end(at)
            at = self._in_item(at, found) if self._open[-1].is_item else self._between_items(at, found)
        return at, tuple(self._edits)

    def _is_cut(self, found: ElementHead) -> bool:
        is_delimiter = found.tag in (ITEM, ITEM_END, SEQUENCE_END)
        return not is_delimiter and found.length != UNDEFINED and found.value + found.length > self._heads.end

    def _between_items(self, at: int, found: ElementHead) -> int:
        if found.tag == ITEM:
            return self._item(found)
        if found.tag == ITEM_END:
            self._edits.append((at, 8, b""))  # ends nothing
            return found.value
        self._open.pop()
        if found.tag == SEQUENCE_END:
            return found.value
        if self._open or self._said is None:
            self._edits.append((at, 0, self._delimiter(SEQUENCE_END)))
        return at

    def _item(self, found: ElementHead) -> int:
        end = found.value + found.length
        if found.length != UNDEFINED and (end == self._said or self._heads.begins(end, self._head.tag)):
            return end
        if found.length != UNDEFINED:  # that it is not so long is plain, so its elements tell
            self._edits.append((found.value - 4, 4, b"\xff\xff\xff\xff"))
        self._open.append(_Open(is_item=True, implicit=self._open[-1].implicit))
        return found.value

    def _in_item(self, at: int, found: ElementHead) -> int:
        if found.tag in (ITEM, SEQUENCE_END):
            self._edits.append((at, 0, self._delimiter(ITEM_END)))
        if found.tag in (ITEM, ITEM_END, SEQUENCE_END):
            self._open.pop()
            return found.value if found.tag == ITEM_END else at
        self._open[-1].meet(found.tag, at, self._head.tag)
        if found.length != UNDEFINED:
            return found.value + found.length
        self._open.append(_Open(is_item=False, implicit=found.implicit or found.vr == b"UN"))
        return found.value

    def _without_end(self, at: int) -> tuple[int, tuple[Edit, ...]]:
        """Return where the sequence must have ended in which nothing more can be made out at a position."""
        innermost = self._open[-1]
        if innermost.is_item and innermost.outside_from is None and self._heads.begins(at, self._head.tag):
            innermost.outside_from = at  # it is no element of an implicit sequence, but one of the explicit data set
        for depth, item in enumerate(self._open):
            if item.outside_from is not None:
                end = item.outside_from
                ends = [ITEM_END if inner.is_item else SEQUENCE_END for inner in reversed(self._open[: depth + 1])]
                closing = b"".join(map(self._delimiter, ends))
                return end, (*(edit for edit in self._edits if edit[0] < end), (end, 0, closing))
        raise NotDicom("the data set ends within a sequence")

    def _delimiter(self, tag: int) -> bytes:
        order = "little" if self._heads.order == "<" else "big"
        return (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order) + bytes(4)  # type: ignore[arg-type]


def through(heads: ElementHeads, head: ElementHead, said: int | None = None) -> tuple[int, tuple[Edit, ...]]:
    """Return where a sequence ends, and what to change in it so that each of its parts ends.

    Parameters
    ----------
    heads
        Of the data set that it stands in.
    said
        Where it ends by its length; None for one of undefined length.

    Raises
    ------
    NotDicom
        When the data set ends within it, and nothing tells where it should have ended.
    """
    return _Sequence(heads, head, said).through()
