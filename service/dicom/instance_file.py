"""An instance in its DICOM file, whose data set stays encoded as it is."""

from dataclasses import dataclass
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.uid import UID
from pynetdicom.dsutils import encode

#: Preamble, prefix and the element that says how long the rest of the file meta information is (PS3.10 section 7.1).
_BEFORE_META_BYTES = 128 + 4 + 12
_HEADER = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("PatientID", "PatientName", "AccessionNumber", "SpecificCharacterSet"),
)


@dataclass(frozen=True)
class InstanceFile:
    """A file that we wrote ourselves.

    Attributes
    ----------
    content
        All of its bytes.
    header
        What it says of which instance it is, and whose.
    """

    content: bytes
    header: Dataset

    @classmethod
    def read(cls, content: bytes) -> "InstanceFile":
        """Read a file's header.

        Raises
        ------
        InvalidDicomError
            When it is no DICOM file.
        """
        return cls(content, dcmread(BytesIO(content), specific_tags=[*_HEADER], stop_before_pixels=True))

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class."""
        return str(self.header.SOPClassUID)

    @property
    def sop_instance_uid(self) -> str:
        """Its SOP Instance UID."""
        return str(self.header.SOPInstanceUID)

    def dataset(self) -> Dataset:
        """Return the whole data set, decoded."""
        return dcmread(BytesIO(self.content))

    def encoded_in(self, transfer_syntax: UID) -> bytes | memoryview:
        """Return the data set in an uncompressed transfer syntax: as it lies in the file, where that is the file's.

        Raises
        ------
        ValueError
            When it cannot be encoded otherwise.
        """
        meta = self.header.file_meta
        if meta.TransferSyntaxUID == transfer_syntax:
            return memoryview(self.content)[_BEFORE_META_BYTES + meta.FileMetaInformationGroupLength :]
        encoded = encode(self.dataset(), transfer_syntax.is_implicit_VR, transfer_syntax.is_little_endian)
        if encoded is None:
            raise ValueError("the data set cannot be encoded")
        return encoded
