"""An instance in its DICOM file: what is sent of it is what lies in the file."""

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode

from service.dicom.instance_file import InstanceFile
from tests.phantoms import chest, encoded, instance_file


def test_a_data_set_in_the_files_own_transfer_syntax_is_the_files_own_bytes() -> None:
    content = encoded(chest(rows=40, columns=30, sop_class="SC"))
    sent = bytes(InstanceFile.read(content).encoded_in(ExplicitVRLittleEndian))
    assert content.endswith(sent)
    assert sent[:2] == b"\x08\0"  # group 0008 is the first after the file meta information
    assert decode(BytesIO(sent), False, True) == dcmread(BytesIO(content))


def test_a_data_set_in_another_transfer_syntax_says_the_same() -> None:
    source = chest(rows=40, columns=30, sop_class="SC")
    sent = bytes(instance_file(source).encoded_in(ImplicitVRLittleEndian))
    assert decode(BytesIO(sent), True, True) == source


def test_its_header_says_whose_it_is() -> None:
    source = chest(sop_class="SC", patient_name="Anna^Author")
    header = instance_file(source).header
    assert (header.PatientName, header.SOPInstanceUID) == ("Anna^Author", source.SOPInstanceUID)
    assert "PixelData" not in header


def test_what_is_no_dicom_file_is_said_to_be_none() -> None:
    with pytest.raises(InvalidDicomError):
        InstanceFile.read(b"not DICOM")
