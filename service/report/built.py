"""The objects of a report set, as they are handed to delivery."""

from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from service.vocabulary.report_kinds import ReportKind


@dataclass(frozen=True)
class BuiltObject:
    """One object of a report set; its data set is complete and is not to be changed any more."""

    kind: ReportKind
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    dataset: Dataset

    @classmethod
    def of(cls, kind: ReportKind, dataset: Dataset) -> "BuiltObject":
        """Wrap a data set under its own UIDs."""
        return cls(kind, str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), str(dataset.SeriesInstanceUID), dataset)

    def encoded(self) -> bytes:
        """Return the DICOM file of the object, explicit VR little endian, always the same bytes (PS3.10 section 7)."""
        buffer = BytesIO()
        dcmwrite(buffer, self.dataset, enforce_file_format=True)
        return buffer.getvalue()
