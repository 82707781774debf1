"""The head of a DICOM file that arrives in pieces: what its file meta information says of the data set behind it."""

import struct
from typing import NamedTuple

from service.dicom.element_heads import LONG_VRS, SHORT_VRS
from service.vocabulary.errors import NotDicom

#: Most bytes of a preamble and file meta information; ours have some 350.
MAXIMUM_HEAD_BYTES = 1 << 16
_PREFIX_END = 132
_GROUP_LENGTH = 0x00020000
_SOP_CLASS_UID = 0x00020002
_SOP_INSTANCE_UID = 0x00020003
_TRANSFER_SYNTAX_UID = 0x00020010
_WANTED = (_SOP_CLASS_UID, _SOP_INSTANCE_UID, _TRANSFER_SYNTAX_UID)


class FileMeta(NamedTuple):
    """What a file says of its data set, as it says it, and where in it the data set begins; "" for what is absent."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int


def file_meta(head: bytes | bytearray, *, is_whole: bool) -> FileMeta | None:
    """Read the front of a file.

    Parameters
    ----------
    is_whole
        Whether no more bytes come, or none that are looked at.

    Returns
    -------
    What it says; None where more bytes must come first.

    Raises
    ------
    NotDicom
        When it is no file of PS3.10.

    References
    ----------
    PS3.10 section 7.1 and Table 7.1-1
    """
    if len(head) >= _PREFIX_END and head[128:_PREFIX_END] != b"DICM":
        raise NotDicom("the part is no DICOM file: the prefix DICM is missing")
    at, end, found = _PREFIX_END, None, dict.fromkeys(_WANTED, "")
    while len(head) >= at + 12:
        group, number, vr, short = struct.unpack_from("<HH2sH", head, at)
        if at == end or group != 0x0002:
            return FileMeta(found[_SOP_CLASS_UID], found[_SOP_INSTANCE_UID], found[_TRANSFER_SYNTAX_UID], at)
        if vr in LONG_VRS:
            length, value = struct.unpack_from("<L", head, at + 8)[0], at + 12
        elif vr in SHORT_VRS:
            length, value = short, at + 8
        else:
            raise NotDicom("the file meta information is not in explicit VR")
        tag, at = group << 16 | number, value + length
        if at > len(head):
            break
        if tag == _GROUP_LENGTH and length == 4:
            # A deflated data set may begin like another element of the group: the length tells them apart.
            end = at + struct.unpack_from("<L", head, value)[0]
        elif tag in found:
            found[tag] = bytes(head[value:at]).decode("ascii", "replace").strip("\0 ")
    if is_whole:
        raise NotDicom("the part ends, or 64 KiB do, within its file meta information or right behind it")
    return None
