"""The source image as evidence of a report: the attributes a report takes over, made valid.

A report copies from its source nothing but the attributes named here: no private tag, no oddity elsewhere reaches it.
Identity (names, IDs, accession number) is taken over as it stands, in UTF-8: a shortened ID is another patient's ID.
A date, time, sex or age that breaks its value representation is left empty and noted by the attribute's name.

Source: PS3.3 sections C.7.1.1, C.7.2.1, C.7.2.2; PS3.5 section 6.2.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

#: A rule turns the source's text into what is written; None means that the text breaks its value representation.
_Rule = Callable[[str], str | None]

_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?")
_AGE = re.compile(r"\d{3}[DWMY]")
_OFFSET = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")
_ORIENTATION = re.compile(r"[APLRHF]{1,3}\\[APLRHF]{1,3}")


def _verbatim(text: str) -> str:
    return text


def _person_name(text: str) -> str:
    # One name: what a backslash separates would be two, which no report can have.
    return text.replace("\\", " ").strip()


def _at_most(length: int) -> _Rule:
    return lambda text: text.replace("\\", "/")[:length].strip()


def _one_of(*values: str) -> _Rule:
    return lambda text: text if text in values else None


def _matching(pattern: re.Pattern[str]) -> _Rule:
    return lambda text: text if pattern.fullmatch(text) else None


def _date(text: str) -> str | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    try:
        datetime(int(match[1]), int(match[2]), int(match[3]))  # noqa: DTZ001 (a calendar date has no zone)
    except ValueError:
        return None
    return "".join(match.groups())


#: Attributes of Type 2: present in every report, empty where the source has none.
_ALWAYS: dict[str, _Rule] = {
    "PatientName": _person_name,
    "PatientID": _verbatim,
    "PatientBirthDate": _date,
    "PatientSex": _one_of("M", "F", "O"),
    "StudyDate": _date,
    "StudyTime": _matching(_TIME),
    "StudyID": _at_most(16),
    "AccessionNumber": _verbatim,
    "ReferringPhysicianName": _person_name,
}

#: Attributes that a report has where the source has them.
_WHERE_PRESENT: dict[str, _Rule] = {
    "IssuerOfPatientID": _verbatim,
    "PatientAge": _matching(_AGE),
    "StudyDescription": _at_most(64),
    "TimezoneOffsetFromUTC": _matching(_OFFSET),
    "PatientOrientation": _matching(_ORIENTATION),
    "Laterality": _one_of("L", "R"),
    "BodyPartExamined": _matching(re.compile(r"[A-Z0-9_ ]{1,16}")),
    "Manufacturer": _at_most(64),
    "ManufacturerModelName": _at_most(64),
    "DeviceSerialNumber": _at_most(64),
    "StationName": _at_most(16),
    "InstitutionName": _at_most(64),
    "PlacerOrderNumberImagingServiceRequest": _at_most(64),
    "FillerOrderNumberImagingServiceRequest": _at_most(64),
}

_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True)
class Evidence:
    """The source as a report sees it.

    Attributes
    ----------
    dataset
        A new data set with valid attributes alone; the source is left as it was.
    requested_procedures
        Items of Referenced Request Sequence (0040,A370), one for each requested procedure that the source names.
    notes
        Keywords of the attributes that were malformed and left empty.
    """

    dataset: Dataset
    requested_procedures: tuple[Dataset, ...]
    notes: tuple[str, ...]


def prepare(source: Dataset) -> Evidence:
    """Take from a source image what its reports need.

    Malformed values never raise; the four UIDs, Rows and Columns are checked where an instance is received.
    """
    dataset = Dataset()
    notes = []
    for keyword in _UIDS:
        setattr(dataset, keyword, _text(source, keyword) or "")
    for keyword in ("Rows", "Columns"):
        setattr(dataset, keyword, _count(source, keyword))
    # highdicom asks for it; with CR or DX it would ask for spacing and orientation too, which many images do not have.
    dataset.Modality = "OT"
    for keyword, rule in (_ALWAYS | _WHERE_PRESENT).items():
        text = _text(source, keyword)
        value = rule(text) if text else text
        if value is None and (text is None or text != ""):
            notes.append(keyword)
        if value or keyword in _ALWAYS:
            setattr(dataset, keyword, value or "")
    return Evidence(dataset, tuple(_requested_procedures(source, dataset)), tuple(notes))


def _text(source: Dataset, keyword: str) -> str | None:
    """Return an attribute's text without control characters, empty where it is absent, None where it cannot be read."""
    try:
        value = source.get(keyword)
        if value is None:
            return ""
        text = "\\".join(map(str, value)) if isinstance(value, MultiValue | list) else str(value)
    except Exception:  # noqa: BLE001 (pydicom raises whatever a broken element makes it raise)
        return None
    # Surrogates cannot be written in UTF-8; control characters belong to no value representation used here.
    return "".join(sign for sign in text if unicodedata.category(sign) not in ("Cc", "Cs")).strip()


def _count(source: Dataset, keyword: str) -> int:
    text = _text(source, keyword) or ""
    return int(text) if text.isascii() and text.isdigit() and int(text) < 65536 else 0


def _requested_procedures(source: Dataset, dataset: Dataset) -> list[Dataset]:
    """Return the items of Referenced Request Sequence (PS3.3 section C.17.2), which highdicom does not derive."""
    requests: list[Dataset] = []
    try:
        requests.extend(source.get("RequestAttributesSequence") or [])
    except Exception:  # noqa: BLE001 (a broken sequence is as good as none)
        requests.clear()
    if not requests and not dataset.AccessionNumber:
        return []
    return [_request_item(request, dataset) for request in requests or [Dataset()]]


def _request_item(request: Dataset, dataset: Dataset) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = dataset.StudyInstanceUID
    item.ReferencedStudySequence = []
    item.AccessionNumber = _text(request, "AccessionNumber") or dataset.AccessionNumber
    item.PlacerOrderNumberImagingServiceRequest = dataset.get("PlacerOrderNumberImagingServiceRequest", "")
    item.FillerOrderNumberImagingServiceRequest = dataset.get("FillerOrderNumberImagingServiceRequest", "")
    item.RequestedProcedureID = _at_most(16)(_text(request, "RequestedProcedureID") or "")
    item.RequestedProcedureDescription = _at_most(64)(_text(request, "RequestedProcedureDescription") or "")
    item.RequestedProcedureCodeSequence = _codes(request)
    return item


def _codes(request: Dataset) -> Sequence:
    """Return the first requested procedure code where it is complete and fits its value representations."""
    try:
        codes: Any = request.get("RequestedProcedureCodeSequence") or []
        first = codes[0]
    except Exception:  # noqa: BLE001 (no item, or a broken sequence)
        return Sequence()
    limits = {"CodeValue": 16, "CodingSchemeDesignator": 16, "CodeMeaning": 64}
    values = {keyword: _text(first, keyword) or "" for keyword in limits}
    if not all(0 < len(values[keyword]) <= length for keyword, length in limits.items()):
        return Sequence()
    code = Dataset()
    for keyword, value in values.items():
        setattr(code, keyword, value)
    return Sequence([code])
