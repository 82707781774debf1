"""The heat map as a Secondary Capture image, as highdicom makes it.

References
----------
PS3.3 section A.8.1 (Secondary Capture Image IOD)
"""

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from service.report import codes
from service.report.making.arguments import arguments, dataset_of
from service.report.making.concepts import coded
from service.report.making.stamp import stamp
from service.report.secondary_capture import SecondaryCapture


def make(parts: SecondaryCapture) -> Dataset:
    """Let highdicom make the Secondary Capture."""
    header = parts.header
    source = dataset_of(header.source)
    image = SCImage.from_ref_dataset(
        ref_dataset=source,
        pixel_array=np.frombuffer(parts.pixels, dtype=np.uint8).reshape(parts.rows, parts.columns, 3),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **arguments(header),
    )
    _complete(image, source, parts)
    stamp(image, header)
    return image


def _complete(image: Dataset, source: Dataset, parts: SecondaryCapture) -> None:
    """Add what highdicom leaves out of a Secondary Capture."""
    image.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    image.BurnedInAnnotation = "YES"
    # The constructor asks for an orientation; what is written is the source's, empty where unknown.
    image.PatientOrientation = source.get("PatientOrientation", "")
    # Laterality is for paired body parts and where the body part is unknown (PS3.3 section C.7.3.1); empty is unknown.
    if source.get("BodyPartExamined") == "CHEST":
        image.BodyPartExamined = "CHEST"
    else:
        image.Laterality = source.get("Laterality", "")
    for keyword in ("StudyDescription", "PatientAge", "IssuerOfPatientID"):
        if keyword in source:
            setattr(image, keyword, source[keyword].value)
    image.ContentQualification = parts.header.equipment.content_qualification
    image.DerivationDescription = parts.derivation
    image.SourceImageSequence = [_reference(source)]


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [coded(codes.SOURCE_IMAGE)]
    return item
