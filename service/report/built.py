"""The objects of a report set, as they are handed to delivery."""

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset

from service.report.template import encoded
from service.vocabulary.report_kinds import ReportKind


@dataclass(frozen=True)
class BuiltObject:
    """One object of a report set; `content` is its DICOM file, always the same bytes."""

    kind: ReportKind
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    content: bytes

    @classmethod
    def of(cls, kind: ReportKind, dataset: Dataset) -> "BuiltObject":
        """Wrap a data set under its own UIDs."""
        return cls(
            kind,
            str(dataset.SOPClassUID),
            str(dataset.SOPInstanceUID),
            str(dataset.SeriesInstanceUID),
            encoded(dataset),
        )

    def encoded(self) -> bytes:
        """Return the DICOM file of the object, explicit VR little endian (PS3.10 section 7)."""
        return self.content

    @cached_property
    def dataset(self) -> Dataset:
        """The object as a data set; it is not to be changed any more."""
        return dcmread(BytesIO(self.content))
