"""What every object says besides its content: patient, study, series, equipment and times.

Source: PS3.3 sections C.7.1 to C.7.5 (patient, study, series, equipment), C.17.2 (SR Document General).
"""

from typing import Any, NamedTuple

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from service.report.equipment import Algorithm, Equipment
from service.report.template import Form, Varying

#: Keyword and value of each attribute of a data set; that of a sequence is a tuple of its items.
Attributes = tuple[tuple[str, Any], ...]

#: How values of each value representation vary; those of others are part of an object's shape.
_FORMS = {
    "UI": Form.UID,
    "DA": Form.DATE,
    "TM": Form.TIME,
    "AS": Form.AGE,
    "PN": Form.TEXT,
    "LO": Form.TEXT,
    "SH": Form.TEXT,
}

#: What one object refers to another by.
REFERENCE = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")


class Header(NamedTuple):
    """The part of a recipe that all kinds have.

    Attributes
    ----------
    source
        The image as evidence; see `service.report.evidence`.
    procedures
        Items of Referenced Request Sequence (0040,A370).
    further
        More images that it tells of: their references.
    predecessors
        The earlier documents in the same study whose place this one takes.
    date, time, moment
        When the result came about: DA, TM and DT.
    """

    sop_instance_uid: Any
    series_instance_uid: Any
    instance_number: Any
    series_number: int
    series_description: str
    equipment: Equipment
    institution: Any
    algorithm: Algorithm | None
    source: Attributes
    further: tuple[Attributes, ...]
    procedures: tuple[Attributes, ...]
    predecessors: tuple[Attributes, ...]
    date: Any
    time: Any
    moment: Any


def attributes_of(dataset: Dataset) -> Attributes:
    """Return a data set as a recipe: what is empty, coded or a SOP class is part of the shape, all else varies."""
    return tuple((element.keyword, _part(element.keyword, element.VR, element.value)) for element in dataset)


def reference_of(dataset: Dataset) -> Attributes:
    """Return of an image what refers to it: its UIDs."""
    return tuple((name, _part(name, "UI", dataset[name].value)) for name in REFERENCE)


def _part(keyword: str, vr: str, value: Any) -> Any:
    if vr == "SQ":
        return tuple(attributes_of(item) for item in value)
    text = "\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value)
    form = _FORMS.get(vr)
    if isinstance(value, int):
        return Varying(Form.COUNT, value)
    return text if form is None or not text or keyword == "SOPClassUID" else Varying(form, text)
