"""The heat map as a Secondary Capture image in the source study.

References
----------
PS3.3 section A.8.1 (Secondary Capture Image IOD)
"""

import hashlib

from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from service.report import codes
from service.report.draft import Draft
from service.report.overlay import picture
from service.report.sentences import disclaimer, image_words, result_sentence, superseding_sentences
from service.report.stamp import stamp


def build(draft: Draft) -> Dataset:
    """Build the Secondary Capture."""
    if draft.display is None:
        raise ValueError("a Secondary Capture needs the display values of its image")
    image_name = image_words(draft.evidence, draft.content.language)
    pixels = picture(draft.display, draft.content, draft.localisation, image_name, draft.equipment.software_version)
    sop_instance_uid = draft.sop_instance_uid(hashlib.sha256(pixels.tobytes()).hexdigest())
    source = draft.evidence.dataset
    image = SCImage.from_ref_dataset(
        ref_dataset=source,
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **draft.attributes(sop_instance_uid),
    )
    _complete(image, draft, image_name)
    stamp(image, source, draft.content.content_time, draft.equipment.software_version)
    return image


def _complete(image: Dataset, draft: Draft, image_name: str) -> None:
    """Add what highdicom leaves out of a Secondary Capture."""
    source, content = draft.evidence.dataset, draft.content
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
    image.ContentQualification = draft.equipment.content_qualification
    sentences = [result_sentence(content), image_name, disclaimer(content)]
    if content.superseding_reason is not None:
        sentences = superseding_sentences(content, draft.predecessors) + sentences
    image.DerivationDescription = ". ".join(sentence.rstrip(".") for sentence in sentences) + "."
    image.SourceImageSequence = [_reference(source)]


def _reference(source: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [codes.SOURCE_IMAGE]
    return item
