"""The command set of a DIMSE message, as far as a C-STORE SCP needs it."""

import struct
from dataclasses import dataclass

from service.dicom.identity import is_valid_uid

_AFFECTED_SOP_CLASS_UID = 0x0002
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_PRIORITY = 0x0700
_COMMAND_DATA_SET_TYPE = 0x0800
_AFFECTED_SOP_INSTANCE_UID = 0x1000

_C_STORE_RQ = 0x0001
_NO_DATA_SET = 0x0101
_HIGH = 0x0001


class InvalidCommand(ValueError):
    """A message breaks the rules of DIMSE; its text never quotes what the peer sent."""


@dataclass(frozen=True)
class CommandSet:
    """What a command set says; UIDs as sent, valid or not.

    References
    ----------
    PS3.7 Table 9.3-1
    """

    field: int
    message_id: int
    has_data_set: bool
    has_high_priority: bool
    sop_class_uid: str
    sop_instance_uid: str

    @classmethod
    def parse(cls, encoded: bytes) -> "CommandSet":
        """Read a complete command set; it is in implicit VR little endian (PS3.7 section 6.3.1).

        Raises
        ------
        InvalidCommand
            When it is not one.
        """
        values: dict[int, bytes] = {}
        position = 0
        while position < len(encoded):
            if len(encoded) - position < 8:
                raise InvalidCommand("a command set that ends within an element")
            group, number, length = struct.unpack_from("<HHL", encoded, position)
            position += 8
            if group != 0 or len(encoded) - position < length:
                raise InvalidCommand("a command set with an element that is none")
            values[number] = encoded[position : position + length]
            position += length
        return cls(
            field=_number(values, _COMMAND_FIELD),
            message_id=_number(values, _MESSAGE_ID, 0),
            has_data_set=_number(values, _COMMAND_DATA_SET_TYPE) != _NO_DATA_SET,
            has_high_priority=_number(values, _PRIORITY, 0) == _HIGH,
            sop_class_uid=_text(values, _AFFECTED_SOP_CLASS_UID),
            sop_instance_uid=_text(values, _AFFECTED_SOP_INSTANCE_UID),
        )

    @property
    def is_store_request(self) -> bool:
        """Whether this is a C-STORE-RQ."""
        return self.field == _C_STORE_RQ

    @property
    def sop_class_uid_or_none(self) -> str | None:
        """The SOP class as a response may repeat it: not when it is no UID."""
        return self.sop_class_uid if is_valid_uid(self.sop_class_uid) else None

    @property
    def sop_instance_uid_or_none(self) -> str | None:
        """The SOP instance as a response may repeat it: not when it is no UID."""
        return self.sop_instance_uid if is_valid_uid(self.sop_instance_uid) else None


def _number(values: dict[int, bytes], number: int, default: int | None = None) -> int:
    value = values.get(number)
    if value is None and default is not None:
        return default
    if value is None or len(value) != 2:
        raise InvalidCommand(f"a command set without a proper element (0000,{number:04x})")
    return int.from_bytes(value, "little")


def _text(values: dict[int, bytes], number: int) -> str:
    return values.get(number, b"").decode("ascii", "replace").strip("\0 ")
