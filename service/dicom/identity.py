"""Identify a received instance from its header: which instance it is, whose, and what is to be done with it."""

import re
from pathlib import Path

from service.dicom.characters import decode, encodings
from service.dicom.header import read_values
from service.vocabulary.errors import ContradictsSopClass, InvalidUid, MissingAttribute
from service.vocabulary.identity import Identity
from service.vocabulary.uids import MANUFACTURER, MODEL_NAME

_SPECIFIC_CHARACTER_SET = 0x00080005
_SOP_CLASS_UID = 0x00080016
_SOP_INSTANCE_UID = 0x00080018
_MANUFACTURER = 0x00080070
_MODEL_NAME = 0x00081090
_STUDY_INSTANCE_UID = 0x0020000D
_SERIES_INSTANCE_UID = 0x0020000E
_NAMES = {
    _SOP_CLASS_UID: "SOP Class UID (0008,0016)",
    _SOP_INSTANCE_UID: "SOP Instance UID (0008,0018)",
    _STUDY_INSTANCE_UID: "Study Instance UID (0020,000D)",
    _SERIES_INSTANCE_UID: "Series Instance UID (0020,000E)",
}
#: The patient's attributes, by the field of `Identity` that holds each.
_PATIENT = {
    0x00100020: "patient_id",
    0x00100021: "issuer_of_patient_id",
    0x00100010: "patient_name",
    0x00100030: "birth_date",
    0x00100040: "sex",
    0x00080050: "accession_number",
}
_WANTED = frozenset({_SPECIFIC_CHARACTER_SET, _MANUFACTURER, _MODEL_NAME, *_NAMES, *_PATIENT})

# Components with leading zeros are forbidden, yet some modalities write them; as a name they do no harm.
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


def is_valid_uid(uid: str) -> bool:
    """Tell whether a UID can name an instance: components of digits, 64 characters at most; leading zeros are let pass.

    Source: PS3.5 section 9.1.
    """
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None


def identify(
    path: Path,
    offset: int,
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    maximum_bytes: int,
) -> tuple[Identity, bool]:
    """Read who and what an instance is, and whether auscult's own equipment made it.

    Parameters
    ----------
    path, offset
        The file, and where in it the data set begins.
    sop_class_uid, sop_instance_uid
        What the request says the data set is.
    maximum_bytes
        Most bytes that a deflated data set may inflate to.

    Returns
    -------
    The identity with its text decoded, and whether manufacturer and model name are ours. Values are taken as they are:
    neither a malformed date nor an unknown character set refuses an image.

    Raises
    ------
    NotDicom
        When the header cannot be read to its end.
    MissingAttribute
        When one of the four UIDs is absent or empty; none is ever invented.
    InvalidUid
        When one of them is not a UID.
    ContradictsSopClass
        When SOP Class or Instance UID differ from the request's.
    ObjectTooLarge
        When a deflated data set inflates beyond `maximum_bytes`.

    Source: PS3.4 section B.2.3 and Table B.2-1.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(offset)
        values = read_values(file, size, transfer_syntax_uid, _WANTED, maximum_bytes)
    uids = {tag: _uid(values, tag) for tag in _NAMES}
    _require_same(uids[_SOP_CLASS_UID], sop_class_uid, _SOP_CLASS_UID)
    _require_same(uids[_SOP_INSTANCE_UID], sop_instance_uid, _SOP_INSTANCE_UID)
    known = encodings(values.get(_SPECIFIC_CHARACTER_SET, b""))
    patient = {name: decode(values.get(tag, b""), known) for tag, name in _PATIENT.items()}
    patient["patient_name"] = _without_empty_ends(patient["patient_name"])
    identity = Identity(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        study_instance_uid=uids[_STUDY_INSTANCE_UID],
        series_instance_uid=uids[_SERIES_INSTANCE_UID],
        **patient,
    )
    equipment = tuple(decode(values.get(tag, b""), known) for tag in (_MANUFACTURER, _MODEL_NAME))
    return identity, equipment == (MANUFACTURER, MODEL_NAME)


def _uid(values: dict[int, bytes], tag: int) -> str:
    uid = values.get(tag, b"").decode("ascii", "replace").strip("\0 ")
    if not uid:
        raise MissingAttribute(f"{_NAMES[tag]} is absent or empty")
    if not is_valid_uid(uid):
        raise InvalidUid(f"{_NAMES[tag]} is not a valid UID")
    return uid


def _require_same(found: str, requested: str, tag: int) -> None:
    if found != requested:
        raise ContradictsSopClass(f"{_NAMES[tag]} is not the one that the request names")


def _without_empty_ends(name: str) -> str:
    """Return a Person Name without the empty ends that a writer may leave out (PS3.5 section 6.2.1.1)."""
    return "=".join(group.rstrip("^ ") for group in name.split("=")).rstrip("=")
