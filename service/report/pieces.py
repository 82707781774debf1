"""A DICOM file in pieces: bytes that stay, and places for values; joined again with the lengths that follow from these.

Source: PS3.5 section 7.1.2 (explicit VR little endian), section 7.5 (sequences); PS3.10 section 7.1 (file meta group).
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydicom.valuerep import DS

#: Value representations whose length takes four bytes after two that are reserved.
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_PADDED_WITH_NULL = frozenset((b"OB", b"OW", b"UI"))
_BINARY: Mapping[bytes, Callable[[Any], bytes]] = {
    b"FD": struct.Struct("<d").pack,
    b"US": struct.Struct("<H").pack,
    b"FL": lambda value: np.asarray(value, dtype="<f4").tobytes(),
    b"OB": bytes,
    b"OW": bytes,
}
_ITEM = b"\xfe\xff\x00\xe0"
_META_BEGIN = 132
"""Where the file meta group begins: after the preamble of 128 bytes and the prefix."""
_GROUP_LENGTH = 12
"""Bytes of the element that holds the length of the file meta group."""


class ItemSequence(NamedTuple):
    """A sequence of items in which something varies: its tag, and the nodes of each item."""

    tag: bytes
    items: tuple["Nodes", ...]


class Place(NamedTuple):
    """An element whose value varies: tag and value representation, and which value it takes."""

    tag: bytes
    vr: bytes
    number: int


Nodes = tuple["bytes | ItemSequence | Place", ...]


class Template(NamedTuple):
    """A DICOM file in pieces."""

    beginning: bytes
    meta: Nodes
    body: Nodes

    def filled(self, values: Sequence[Any]) -> bytes:
        """Return the file with these values in their places."""
        meta = _joined(self.meta, values)
        return b"".join((self.beginning, struct.pack("<I", len(meta)), meta, _joined(self.body, values)))

    def fixed(self) -> Iterator[bytes]:
        """Yield the pieces that stay as they are."""
        yield from _fixed((*self.meta, *self.body))


def taken_apart(content: bytes, places: Mapping[bytes, int]) -> Template:
    """Take a file apart.

    Parameters
    ----------
    places
        Which value an element takes, by what stands in it now.
    """
    meta_at = _META_BEGIN + _GROUP_LENGTH
    (meta_length,) = struct.unpack_from("<I", content, meta_at - 4)
    body_at = meta_at + meta_length
    meta, body = _nodes(content, meta_at, body_at, places), _nodes(content, body_at, len(content), places)
    return Template(content[: meta_at - 4], meta, body)


def written(vr: bytes, value: Any) -> bytes:
    """Return a value as it is written, of even length (PS3.5 section 6.2)."""
    if vr in _BINARY:
        plain = _BINARY[vr](value)
    elif vr == b"DS":
        plain = str(DS(value, auto_format=True)).encode("ascii")
    else:
        plain = str(value).encode("utf-8")
    return plain + (b"\0" if vr in _PADDED_WITH_NULL else b" ") * (len(plain) % 2)


def _nodes(content: bytes, start: int, end: int, places: Mapping[bytes, int]) -> Nodes:
    """Take elements apart; what does not vary stays in one piece."""
    nodes: list[bytes | ItemSequence | Place] = []
    kept = start
    while start < end:
        tag, vr = content[start : start + 4], content[start + 4 : start + 6]
        long = vr in _LONG
        (length,) = struct.unpack_from("<I" if long else "<H", content, start + (8 if long else 6))
        begin = start + (12 if long else 8)
        following = begin + length
        found: ItemSequence | Place | None = None
        if vr == b"SQ":
            items = tuple(_items(content, begin, following, places))
            if any(not isinstance(node, bytes) for item in items for node in item):
                found = ItemSequence(tag, items)
        elif (number := places.get(content[begin:following])) is not None:
            found = Place(tag, vr, number)
        if found is not None:
            nodes += [content[kept:start], found]
            kept = following
        start = following
    return (*nodes, content[kept:end])


def _items(content: bytes, start: int, end: int, places: Mapping[bytes, int]) -> Iterator[Nodes]:
    while start < end:
        (length,) = struct.unpack_from("<I", content, start + 4)
        yield _nodes(content, start + 8, start + 8 + length, places)
        start += 8 + length


def _joined(nodes: Nodes, values: Sequence[Any]) -> bytes:
    pieces: list[bytes] = []
    for node in nodes:
        if isinstance(node, bytes):
            pieces.append(node)
        elif isinstance(node, Place):
            pieces += _element(node.tag, node.vr, written(node.vr, values[node.number]))
        else:
            items = [_joined(item, values) for item in node.items]
            joined = b"".join(part for item in items for part in (_ITEM, struct.pack("<I", len(item)), item))
            pieces += _element(node.tag, b"SQ", joined)
    return b"".join(pieces)


def _element(tag: bytes, vr: bytes, value: bytes) -> tuple[bytes, ...]:
    if vr in _LONG:
        return tag, vr, struct.pack("<HI", 0, len(value)), value
    return tag, vr, struct.pack("<H", len(value)), value


def _fixed(nodes: Nodes) -> Iterator[bytes]:
    for node in nodes:
        if isinstance(node, bytes):
            yield node
        elif isinstance(node, ItemSequence):
            for item in node.items:
                yield from _fixed(item)
