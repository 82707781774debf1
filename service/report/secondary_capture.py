"""The heat map as a Secondary Capture image in the source study.

References
----------
PS3.3 section A.8.1 (Secondary Capture Image IOD)
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from service.report import codes
from service.report.draft import Draft
from service.report.header import Header, arguments, dataset_of
from service.report.overlay import picture
from service.report.sentences import disclaimer, image_words, result_sentence, superseding_sentences
from service.report.stamp import stamp
from service.report.template import Form, Varying


class SecondaryCapture(NamedTuple):
    """The recipe of a Secondary Capture; `pixels` are RGB, 8 bits, row by row."""

    header: Header
    rows: Any
    columns: Any
    pixels: Any
    derivation: Any


def recipe(draft: Draft) -> SecondaryCapture:
    """Return what the Secondary Capture of a draft is made of."""
    if draft.display is None:
        raise ValueError("a Secondary Capture needs the display values of its image")
    image_name = image_words(draft.evidence, draft.content.language)
    drawn = picture(draft.display, draft.content, draft.localisation, image_name, draft.equipment.software_version)
    pixels = drawn.tobytes()
    return SecondaryCapture(
        header=draft.header(hashlib.sha256(pixels).hexdigest()),
        rows=Varying(Form.ROWS, drawn.shape[0]),
        columns=Varying(Form.COLUMNS, drawn.shape[1]),
        pixels=Varying(Form.PIXELS, pixels),
        derivation=Varying(Form.TEXT, _derivation(draft, image_name)),
    )


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


def _derivation(draft: Draft, image_name: str) -> str:
    content = draft.content
    sentences = [result_sentence(content), image_name, disclaimer(content)]
    if content.superseding_reason is not None:
        sentences = superseding_sentences(content, draft.predecessors) + sentences
    return ". ".join(sentence.rstrip(".") for sentence in sentences) + "."


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
    item.PurposeOfReferenceCodeSequence = [codes.SOURCE_IMAGE]
    return item
