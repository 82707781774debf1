"""Read a few attributes from the front of a data set, in one pass forward and with flat memory.

A general parser builds a tree of whatever it meets, and some ten bytes of an empty sequence item become a kilobyte of
objects. The listener needs ten short values, and must not be felled by an object that is made to fell it.
"""

from collections.abc import Collection
from typing import BinaryIO

from pydicom.uid import DeflatedExplicitVRLittleEndian

from service.dicom.bytes_at import BytesAt, Inflated
from service.dicom.elements import Elements, behind_meta, elements_of
from service.vocabulary.errors import NotDicom

#: Longest value that is read; identifying attributes hold 64 characters or a few times that (PS3.5 Table 6.2-1).
MAXIMUM_VALUE_BYTES = 4096


def elements_in(file: BinaryIO, size: int, transfer_syntax_uid: str, maximum_bytes: int) -> Elements:
    """Return the elements of a data set that begins where a file stands; see `read_values`."""
    data, start = BytesAt(file, size), file.tell()
    if transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        inflated = Inflated(file, behind_meta(data, start), maximum_bytes)
        data, start = BytesAt(inflated, inflated.size()), 0
    return elements_of(data, start, transfer_syntax_uid)


def read_values(
    file: BinaryIO,
    size: int,
    transfer_syntax_uid: str,
    wanted: Collection[int],
    maximum_bytes: int,
    dispensable: Collection[int] = (),
    required: Collection[int] = (),
) -> dict[int, bytes]:
    """Return the encoded values of top-level attributes by tag; absent ones are left out.

    Parameters
    ----------
    file
        Stands at the first byte of the data set.
    size
        Where the file ends, in bytes.
    wanted
        Tags; reading ends with the greatest, so pixel data are never touched, and what is behind it matters to nobody.
    maximum_bytes
        Most bytes that a deflated data set may inflate to.
    dispensable
        Those of the wanted tags that are left out where their value is too long to be one.
    required
        Tags among those wanted: a data set that lacks one up to there may have been written out of order, and is read
        on up to its pixel data.

    Raises
    ------
    NotDicom
        When the data set is not encoded as its transfer syntax says, or ends within an element.
    ObjectTooLarge
        When it inflates beyond `maximum_bytes`.

    References
    ----------
    PS3.5 sections 7.1 and 7.5, Annex A
    """
    elements = elements_in(file, size, transfer_syntax_uid, maximum_bytes)
    values: dict[int, bytes] = {}
    last = max(wanted)
    for element in elements:
        if element.tag > last and all(tag in values for tag in required):
            break
        if element.tag in wanted and element.tag not in values:
            # A name or a UID of megabytes is none; it would be read into memory, and then into a row.
            if element.end - element.start > MAXIMUM_VALUE_BYTES:
                if element.tag in dispensable:
                    continue
                name = f"({element.tag >> 16:04x},{element.tag & 0xFFFF:04x})"
                raise NotDicom(f"attribute {name} is longer than {MAXIMUM_VALUE_BYTES} bytes")
            values[element.tag] = elements.value(element)
        if element.tag == last and all(tag in values for tag in required):
            break
    return values
