"""The source image as evidence of a report: the attributes a report takes over, made valid.

A report copies from its source nothing but the attributes named here: no private tag, no oddity elsewhere reaches it.
They are read as the ledger reads them (`service.dicom.normalised`) and written in UTF-8. A date, time, sex or age that
breaks its value representation is left empty and noted by the attribute's name.

References
----------
PS3.3 sections C.7.1.1, C.7.2.1, C.7.2.2; PS3.5 section 6.2
"""

import re
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from service.dicom.characters import CharacterSet
from service.dicom.normalised import declared, normalised, text_of
from service.scope.view import View, view_of

#: Attributes of Type 2: present in every report, empty where the source has none.
_ALWAYS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)

#: Attributes that a report has where the source has them.
_WHERE_PRESENT = (
    "IssuerOfPatientID",
    "PatientAge",
    "StudyDescription",
    "TimezoneOffsetFromUTC",
    "PatientOrientation",
    "Laterality",
    "BodyPartExamined",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "StationName",
    "InstitutionName",
    "PlacerOrderNumberImagingServiceRequest",
    "FillerOrderNumberImagingServiceRequest",
)

#: An integer of no more digits than a reader can compare.
_NUMBER = re.compile(r"\d{1,9}")

_UIDS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True)
class ImageName:
    """What people call the source by, beside the other images of its study; empty or None where it says nothing.

    Attributes
    ----------
    position
        View Position (0018,5101), such as "PA".
    view
        The direction of projection, by whatever else tells it.
    laterality
        "L" or "R".
    """

    position: str
    view: View | None
    laterality: str
    number: str
    series_number: str


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
    image
        What the source is called in the reports' sentences.
    """

    dataset: Dataset
    requested_procedures: tuple[Dataset, ...]
    notes: tuple[str, ...]
    image: ImageName


def prepare(source: Dataset) -> Evidence:
    """Take from a source image what its reports need.

    Malformed values never raise; the four UIDs, Rows and Columns are checked where an instance is received.
    """
    dataset = Dataset()
    notes = []
    known = declared(source)
    for keyword in _UIDS:
        setattr(dataset, keyword, text_of(source, keyword, known) or "")
    for keyword in ("Rows", "Columns"):
        setattr(dataset, keyword, _count(source, keyword))
    # highdicom asks for it; with CR or DX it would ask for spacing and orientation too, which many images do not have.
    dataset.Modality = "OT"
    for keyword in (*_ALWAYS, *_WHERE_PRESENT):
        text = text_of(source, keyword, known)
        value = normalised(keyword, text) if text is not None else None
        if value is None:
            notes.append(keyword)
        if value or keyword in _ALWAYS:
            setattr(dataset, keyword, value or "")
    procedures = tuple(_requested_procedures(source, dataset, known))
    return Evidence(dataset, procedures, tuple(notes), _image_name(source, known))


def _image_name(source: Dataset, known: CharacterSet) -> ImageName:
    numbers = [_value(source, keyword, known) for keyword in ("InstanceNumber", "SeriesNumber")]
    number, series_number = (text if _NUMBER.fullmatch(text) else "" for text in numbers)
    side = _value(source, "ImageLaterality", known) or _value(source, "Laterality", known)
    return ImageName(
        position=_value(source, "ViewPosition", known),
        view=view_of(source),
        laterality=side if side in ("L", "R") else "",
        number=number,
        series_number=series_number,
    )


def _count(source: Dataset, keyword: str) -> int:
    try:
        count = int(source.get(keyword))
    except Exception:  # noqa: BLE001 (pydicom raises whatever a broken element makes it raise)
        return 0
    return count if 0 <= count < 65536 else 0


def _requested_procedures(source: Dataset, dataset: Dataset, known: CharacterSet) -> list[Dataset]:
    """Return the items of Referenced Request Sequence (PS3.3 section C.17.2), which highdicom does not derive."""
    requests: list[Dataset] = []
    try:
        requests.extend(source.get("RequestAttributesSequence") or [])
    except Exception:  # noqa: BLE001 (a broken sequence is as good as none)
        requests.clear()
    if not requests and not dataset.AccessionNumber:
        return []
    # An accession number alone still names a request: one item without more.
    return [_request_item(request, dataset, known) for request in requests or [Dataset()]]


def _request_item(request: Dataset, dataset: Dataset, parent: CharacterSet) -> Dataset:
    known = declared(request, parent)
    item = Dataset()
    item.StudyInstanceUID = dataset.StudyInstanceUID
    # Type 2, as all that follows: present, and empty where it is unknown (PS3.3 section C.17.2).
    item.ReferencedStudySequence = []
    item.AccessionNumber = _value(request, "AccessionNumber", known) or dataset.AccessionNumber
    item.PlacerOrderNumberImagingServiceRequest = dataset.get("PlacerOrderNumberImagingServiceRequest", "")
    item.FillerOrderNumberImagingServiceRequest = dataset.get("FillerOrderNumberImagingServiceRequest", "")
    item.RequestedProcedureID = _value(request, "RequestedProcedureID", known)
    item.RequestedProcedureDescription = _value(request, "RequestedProcedureDescription", known)
    item.RequestedProcedureCodeSequence = _codes(request, known)
    return item


def _value(dataset: Dataset, keyword: str, known: CharacterSet) -> str:
    return normalised(keyword, text_of(dataset, keyword, known) or "") or ""


def _codes(request: Dataset, parent: CharacterSet) -> Sequence:
    """Return the first requested procedure code where it is complete and fits its value representations."""
    try:
        codes: Any = request.get("RequestedProcedureCodeSequence") or []
        first = codes[0]
    except Exception:  # noqa: BLE001 (no item, or a broken sequence)
        return Sequence()
    # The lengths of SH and LO (PS3.5 section 6.2): a longer value would make the report invalid.
    limits = {"CodeValue": 16, "CodingSchemeDesignator": 16, "CodeMeaning": 64}
    known = declared(first, parent)
    values = {keyword: text_of(first, keyword, known) or "" for keyword in limits}
    if not all(0 < len(values[keyword]) <= length for keyword, length in limits.items()):
        return Sequence()
    code = Dataset()
    for keyword, value in values.items():
        setattr(code, keyword, value)
    return Sequence([code])
