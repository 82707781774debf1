"""A DIMSE request as it goes onto the wire, encoded at once.

pynetdicom makes a data set of the command, and a primitive, a queue entry and a system call of each fragment. Most
peers take fragments of 16 kB: a picture is two hundred of them.

References
----------
PS3.7 section 6.3.1 (command sets), section 9.3.1.1 (C-STORE-RQ), section 9.3.2.1 (C-FIND-RQ); PS3.8 section 9.3.5,
Annex E (P-DATA-TF)
"""

import struct
from collections.abc import Iterator

_GROUP_LENGTH, _AFFECTED_SOP_CLASS_UID, _COMMAND_FIELD, _MESSAGE_ID = 0x0000, 0x0002, 0x0100, 0x0110
_PRIORITY, _DATA_SET_TYPE, _AFFECTED_SOP_INSTANCE_UID = 0x0700, 0x0800, 0x1000
_C_STORE_RQ, _C_FIND_RQ = 0x0001, 0x0020
#: Of a message (PS3.7 section 9.1.1.1.8), and that there is a data set.
_LOW, _PRESENT = 0x0002, 0x0001
_COMMAND, _LAST = 0x01, 0x02
_PDV_HEADER_BYTES = 6
"""Length of the value, presentation context and message control header, which count as part of a PDU."""


class OutgoingMessage:
    """The P-DATA-TF PDUs of one request.

    Parameters
    ----------
    maximum_length
        The longest PDU that the peer takes; 0 is any.
    """

    def __init__(self, context_id: int, command: bytes, data_set: bytes | memoryview, maximum_length: int) -> None:
        longest = max(1, maximum_length - _PDV_HEADER_BYTES) if maximum_length else max(len(command), len(data_set))
        pieces = (*_fragments(context_id, _COMMAND, command, longest), *_fragments(context_id, 0, data_set, longest))
        self.encoded = b"".join(pieces)


def store_request(sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """Return the command set of a C-STORE-RQ."""
    return _command(
        (_AFFECTED_SOP_CLASS_UID, sop_class_uid),
        (_COMMAND_FIELD, _C_STORE_RQ),
        (_MESSAGE_ID, 1),
        (_PRIORITY, _LOW),
        (_DATA_SET_TYPE, _PRESENT),
        (_AFFECTED_SOP_INSTANCE_UID, sop_instance_uid),
    )


def find_request(sop_class_uid: str) -> bytes:
    """Return the command set of a C-FIND-RQ."""
    return _command(
        (_AFFECTED_SOP_CLASS_UID, sop_class_uid),
        (_COMMAND_FIELD, _C_FIND_RQ),
        (_MESSAGE_ID, 1),
        (_PRIORITY, _LOW),
        (_DATA_SET_TYPE, _PRESENT),
    )


def _command(*elements: tuple[int, str | int]) -> bytes:
    """Return a command set: implicit VR little endian, in ascending order of its elements."""
    encoded = b"".join(_element(number, value) for number, value in elements)
    return struct.pack("<HHLL", 0, _GROUP_LENGTH, 4, len(encoded)) + encoded


def _element(number: int, value: str | int) -> bytes:
    plain = struct.pack("<H", value) if isinstance(value, int) else value.encode("ascii")
    plain += b"\0" * (len(plain) % 2)
    return struct.pack("<HHL", 0, number, len(plain)) + plain


def _fragments(context_id: int, kind: int, content: bytes | memoryview, longest: int) -> Iterator[bytes | memoryview]:
    view = memoryview(content)
    for start in range(0, len(view), longest):
        piece = view[start : start + longest]
        control = kind | (_LAST if start + longest >= len(view) else 0)
        value_length = len(piece) + 2
        yield struct.pack(">BBLLBB", 0x04, 0, 4 + value_length, value_length, context_id, control)
        yield piece
