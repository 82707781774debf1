"""The one frame in encapsulated pixel data, whatever their fragments and offset tables say (PS3.5 section A.4)."""

from service.vocabulary.errors import UndecodablePixels

_ITEM = b"\xfe\xff\x00\xe0"
_SEQUENCE_END = b"\xfe\xff\xdd\xe0" + bytes(4)
#: How a compressed frame begins: JPEG and JPEG-LS, JPEG 2000 bare and in a JP2 file.
_BEGINNINGS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP")


def joined(data: bytes) -> bytes:
    """Return the frame that the fragments of a single-frame image make together.

    The first item is the Basic Offset Table. A single frame needs none, so what it says does not count; where it is
    left out altogether, the frame begins there.

    Raises
    ------
    UndecodablePixels
        When the pixel data hold no item.
    """
    items, at = [], 0
    while data[at : at + 4] == _ITEM:
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        items.append(data[at + 8 : end])
        # A fragment of odd length may have been padded without counting the padding.
        at = end + 1 if data[end : end + 4] != _ITEM and data[end + 1 : end + 5] == _ITEM else end
    if not items:
        raise UndecodablePixels("PixelData is not encapsulated")
    has_table = len(items) > 1 and not items[0].startswith(_BEGINNINGS)
    return b"".join(items[1:] if has_table else items)


def encapsulated(frame: bytes) -> bytes:
    """Return pixel data of one frame in one fragment, with an empty offset table."""
    padded = frame + b"\0" * (len(frame) % 2)
    return b"".join((_ITEM, bytes(4), _ITEM, len(padded).to_bytes(4, "little"), padded, _SEQUENCE_END))
