"""Identify a received instance from its header: which instance it is, whose, and what is to be done with it."""

import re
from pathlib import Path
from typing import NamedTuple

from service.dicom.acquisition import TAGS, acquisition_of
from service.dicom.characters import character_set
from service.dicom.header import read_values
from service.dicom.normalised import encoded_text, normalised
from service.vocabulary.acquisition import Acquisition
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
    "patient_id": (0x00100020, "PatientID"),
    "issuer_of_patient_id": (0x00100021, "IssuerOfPatientID"),
    "patient_name": (0x00100010, "PatientName"),
    "birth_date": (0x00100030, "PatientBirthDate"),
    "sex": (0x00100040, "PatientSex"),
    "accession_number": (0x00080050, "AccessionNumber"),
}
_REQUIRED = frozenset(
    {_SPECIFIC_CHARACTER_SET, _MANUFACTURER, _MODEL_NAME, *_NAMES, *(tag for tag, _ in _PATIENT.values())}
)
_WANTED = _REQUIRED | TAGS
_DISPENSABLE = TAGS - _REQUIRED

# Components with leading zeros are forbidden, yet some modalities write them; as a name they do no harm.
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")


class Identified(NamedTuple):
    """Who and what an instance is, whether auscult's own equipment made it, and which machine did."""

    identity: Identity
    is_own: bool
    acquisition: Acquisition


def is_valid_uid(uid: str) -> bool:
    """Tell whether a UID can name an instance: components of digits, 64 characters at most; leading zeros are let pass.

    References
    ----------
    PS3.5 section 9.1
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
) -> Identified:
    """Read who and what an instance is, and which equipment made it.

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
    The identity with its text decoded and normalised, whether manufacturer and model name are ours, and what the header
    says of machine and acquisition. A value that breaks its value representation is taken as it is: neither a malformed
    date nor an unknown character set refuses an image.

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

    References
    ----------
    PS3.4 section B.2.3 and Table B.2-1
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(offset)
        values = read_values(file, size, transfer_syntax_uid, _WANTED, maximum_bytes, _DISPENSABLE, _NAMES)
    uids = {tag: _uid(values, tag) for tag in _NAMES}
    # The peer's response names what it requested: had it asked for another object, it would take this one for that.
    _require_same(uids[_SOP_CLASS_UID], sop_class_uid, _SOP_CLASS_UID)
    _require_same(uids[_SOP_INSTANCE_UID], sop_instance_uid, _SOP_INSTANCE_UID)
    known = character_set(values.get(_SPECIFIC_CHARACTER_SET, b""))
    patient = {}
    for name, (tag, keyword) in _PATIENT.items():
        text = encoded_text(keyword, values.get(tag, b""), known)
        patient[name] = normalised(keyword, text) or text
    identity = Identity(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=sop_instance_uid,
        study_instance_uid=uids[_STUDY_INSTANCE_UID],
        series_instance_uid=uids[_SERIES_INSTANCE_UID],
        **patient,
    )
    maker = encoded_text("Manufacturer", values.get(_MANUFACTURER, b""), known)
    model = encoded_text("ManufacturerModelName", values.get(_MODEL_NAME, b""), known)
    return Identified(identity, (maker, model) == (MANUFACTURER, MODEL_NAME), acquisition_of(values, known))


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
