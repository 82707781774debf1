"""Read a few attributes from the front of a data set, in one pass forward and with flat memory.

A general parser builds a tree of whatever it meets, and some ten bytes of an empty sequence item become a kilobyte of
objects. The listener needs ten short values, and must not be felled by an object that is made to fell it.
"""

import struct
import zlib
from collections.abc import Collection
from typing import BinaryIO, Protocol

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from service.vocabulary.errors import NotDicom, ObjectTooLarge

#: Longest value that is read; identifying attributes hold 64 characters or a few times that (PS3.5 Table 6.2-1).
MAXIMUM_VALUE_BYTES = 4096
#: Most elements, nested ones included, before the last attribute of interest.
MAXIMUM_ELEMENTS = 100_000

_CHUNK = 65536
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
#: Explicit VRs with a length of four bytes (PS3.5 Table 7.1-1), and those with one of two (Table 7.1-2).
_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_SHORT_VRS = frozenset(
    (
        *(b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO"),
        *(b"LT", b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"),
    )
)


class _Source(Protocol):
    """A data set's bytes, from front to back."""

    def take(self, count: int) -> bytes:
        """Return the next bytes; fewer at the end."""

    def skip(self, count: int) -> None:
        """Pass over bytes."""


class _Plain:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def take(self, count: int) -> bytes:
        return self._file.read(count)

    def skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise NotDicom("the data set ends within an attribute's value")
        self._file.seek(count, 1)


class _Deflated:
    """A deflated data set, inflated as far as it is read (PS3.5 section A.5: no zlib header)."""

    def __init__(self, file: BinaryIO, maximum_bytes: int) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._ready = b""
        self._left = maximum_bytes

    def take(self, count: int) -> bytes:
        while len(self._ready) < count:
            piece = self._inflate()
            if not piece:
                break
            self._ready += piece
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    def skip(self, count: int) -> None:
        while count:
            passed = len(self.take(min(count, _CHUNK)))
            if not passed:
                raise NotDicom("the data set ends within an attribute's value")
            count -= passed

    def drain(self) -> None:
        """Inflate the rest and forget it, so that an object that inflates beyond the limit is found out."""
        while self._inflate():
            pass

    def _inflate(self) -> bytes:
        while not self._inflater.eof:
            compressed = self._inflater.unconsumed_tail or self._file.read(_CHUNK)
            try:
                piece = self._inflater.decompress(compressed, _CHUNK)
            except zlib.error:
                raise NotDicom("the deflated data set cannot be inflated") from None
            self._left -= len(piece)
            if self._left < 0:
                raise ObjectTooLarge("the deflated data set inflates beyond the size limit")
            if piece or not compressed:
                return piece
        return b""


def read_values(
    file: BinaryIO, size: int, transfer_syntax_uid: str, wanted: Collection[int], maximum_bytes: int
) -> dict[int, bytes]:
    """Return the encoded values of top-level attributes by tag; absent ones are left out.

    Parameters
    ----------
    file
        Stands at the first byte of the data set.
    size
        Where the file ends, in bytes.
    wanted
        Tags; reading ends with the greatest, so pixel data are never touched.
    maximum_bytes
        Most bytes that a deflated data set may inflate to.

    Raises
    ------
    NotDicom
        When the data set is not encoded as its transfer syntax says, or ends within an element.
    ObjectTooLarge
        When it inflates beyond `maximum_bytes`.

    Source: PS3.5 sections 7.1 and 7.5, Annex A.
    """
    if transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        deflated = _Deflated(file, maximum_bytes)
        values = _Walk(deflated, "<", implicit=False).collect(wanted)
        deflated.drain()
        return values
    order = ">" if transfer_syntax_uid == ExplicitVRBigEndian else "<"
    walk = _Walk(_Plain(file, size), order, implicit=transfer_syntax_uid == ImplicitVRLittleEndian)
    return walk.collect(wanted)


class _Walk:
    """Goes from element to element; sequences of undefined length are passed through without recursion."""

    def __init__(self, source: _Source, order: str, *, implicit: bool) -> None:
        self._source = source
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}H")
        self._long = struct.Struct(f"{order}L")
        self._implicit = implicit
        self._elements = 0
        self._vr = b""

    def collect(self, wanted: Collection[int]) -> dict[int, bytes]:
        values: dict[int, bytes] = {}
        last = max(wanted)
        while (head := self._head()) is not None:
            tag, length = head
            if tag >> 16 < 0x0008:
                raise NotDicom(f"the data set begins with group {tag >> 16:04x}, where 0008 is the first")
            if tag > last:
                break
            if length == _UNDEFINED:
                self._pass_sequence(self._vr == b"UN")
            elif tag in wanted:
                values[tag] = self._value(tag, length)
            else:
                self._source.skip(length)
            if tag == last:
                break
        return values

    def _value(self, tag: int, length: int) -> bytes:
        if length > MAXIMUM_VALUE_BYTES:
            raise NotDicom(f"attribute ({tag >> 16:04x},{tag & 0xFFFF:04x}) is longer than {MAXIMUM_VALUE_BYTES} bytes")
        return self._exactly(length)

    def _pass_sequence(self, unknown: bool) -> None:
        """Pass over the items of a sequence of undefined length, however deep they are nested.

        One of unknown VR is in implicit VR inside, whatever the data set is in (PS3.5 section 6.2.2).
        """
        outside = self._implicit
        self._implicit = outside or unknown
        implicit_depth = 1 if unknown else 0
        depth = 1
        while depth:
            head = self._head()
            if head is None:
                raise NotDicom("the data set ends within a sequence")
            tag, length = head
            if tag in (_ITEM_END, _SEQUENCE_END):
                depth -= 1
                if depth < implicit_depth:
                    self._implicit, implicit_depth = outside, 0
            elif length == _UNDEFINED:
                depth += 1
                if self._vr == b"UN" and not self._implicit:
                    self._implicit, implicit_depth = True, depth
            else:
                self._source.skip(length)

    def _head(self) -> tuple[int, int] | None:
        """Return the next element's tag and length in bytes, or None at the end of the data set."""
        self._elements += 1
        if self._elements > MAXIMUM_ELEMENTS:
            raise NotDicom(f"the data set has more than {MAXIMUM_ELEMENTS} elements before its identifying attributes")
        start = self._source.take(4)
        if not start:
            return None
        group, number = self._tag.unpack(start + self._exactly(4 - len(start)))
        tag = group << 16 | number
        self._vr = b""
        if self._implicit or group == 0xFFFE:
            return tag, self._number(self._long)
        self._vr = self._exactly(2)
        if self._vr in _SHORT_VRS:
            return tag, self._number(self._short)
        if self._vr not in _LONG_VRS:
            raise NotDicom("an element has no known VR: not DICOM, or not the agreed syntax")
        self._exactly(2)
        return tag, self._number(self._long)

    def _number(self, form: struct.Struct) -> int:
        number: int = form.unpack(self._exactly(form.size))[0]
        return number

    def _exactly(self, count: int) -> bytes:
        taken = self._source.take(count)
        if len(taken) < count:
            raise NotDicom("the data set ends within an element")
        return taken
