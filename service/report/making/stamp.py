"""The last touches that make an object a function of its inputs: times, identity of the writer, separate containers.

highdicom reads the clock; every value it takes from there is replaced by the content's own time.
"""

from pydicom.dataset import Dataset
from pydicom.uid import UID

from service.report.header import Header
from service.vocabulary.uids import IMPLEMENTATION_CLASS_UID

_TIMES = (
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("ContentDate", "ContentTime"),
    ("DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
)


def stamp(dataset: Dataset, header: Header) -> None:
    """Set every date and time of a new object, and its file meta information."""
    for date_keyword, time_keyword in _TIMES:
        # An SR has no secondary capture time; the others belong to both. A series has none: it grows with its study.
        if date_keyword in dataset:
            setattr(dataset, date_keyword, header.date)
            setattr(dataset, time_keyword, header.time)
    for item in dataset.get("ContributingEquipmentSequence", []):
        if "DeviceUID" in item or "ContributionDateTime" in item:
            item.ContributionDateTime = header.moment
    source = dict(header.source)
    if "TimezoneOffsetFromUTC" in source:
        dataset.TimezoneOffsetFromUTC = source["TimezoneOffsetFromUTC"]
    dataset.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    # SH holds 16 characters (PS3.5 section 6.2).
    dataset.file_meta.ImplementationVersionName = f"AUSCULT_{header.equipment.software_version}"[:16]


def separate(item: Dataset) -> None:
    """Mark every container as SEPARATE: viewers drop the labels of continuous ones (PS3.3 section C.18.8)."""
    if item.get("ValueType") == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for child in item.get("ContentSequence", []):
        separate(child)
