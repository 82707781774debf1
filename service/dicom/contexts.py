"""What the listener accepts, as data: SOP classes and transfer syntaxes; docs/conformance.md is generated from here."""

import re
from collections.abc import Iterable

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from service.vocabulary.report_kinds import REPORT_SOP_CLASSES
from service.vocabulary.sop_classes import RADIOGRAPHS, STORAGE_COMMITMENT, VERIFICATION

#: Names the software in file meta information and in association negotiation. It stays the same in every release: it is
#: part of the stored bytes, whose digest tells a repeated instance from a new one.
IMPLEMENTATION_VERSION_NAME = "AUSCULT"

#: Transfer syntaxes of data sets whose pixels are not compressed, the preferred one first.
PLAIN_TRANSFER_SYNTAXES: tuple[str, ...] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)

#: Transfer syntaxes with encapsulated pixels; the data set around them is explicit little endian (PS3.5 section A.4).
ENCAPSULATED_TRANSFER_SYNTAXES: tuple[str, ...] = (
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
)


#: Every other storage SOP class, retired ones too: CT, MR, ultrasound, documents. A PACS whose rule forwards everything
#: sends them; where the settings say so, they are kept and recorded as out of scope.
OTHER_SOP_CLASSES: tuple[str, ...] = tuple(
    sorted(
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and re.search(r" Storage( -|$)", name)
        if uid not in {*RADIOGRAPHS, *REPORT_SOP_CLASSES}
    )
)
#: Transfer syntaxes of theirs besides: video, and what no decoder here reads. The data set around the pixels is in
#: explicit little endian, which is all that is read of it. JPIP's pixels are elsewhere, and would be kept by nobody.
FURTHER_TRANSFER_SYNTAXES: tuple[str, ...] = tuple(
    str(uid)
    for uid in AllTransferSyntaxes
    if uid.is_encapsulated and "JPIP" not in uid.name and uid not in ENCAPSULATED_TRANSFER_SYNTAXES
)


def is_image_class(sop_class_uid: str) -> bool:
    """Return whether a storage SOP class is of images, by its name in the standard."""
    return "Image Storage" in UID(sop_class_uid).name


def accepted(*, other_objects: bool = False, further: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
    """Return the transfer syntaxes that are accepted for each SOP class, by UID.

    Parameters
    ----------
    other_objects
        Takes storage SOP classes of every kind, not of radiographs and reports alone.
    further
        SOP classes besides, without pixels.
    """
    images = PLAIN_TRANSFER_SYNTAXES + ENCAPSULATED_TRANSFER_SYNTAXES
    others = OTHER_SOP_CLASSES if other_objects else ()
    return (
        dict.fromkeys(others, images + FURTHER_TRANSFER_SYNTAXES)
        | dict.fromkeys((VERIFICATION, STORAGE_COMMITMENT, *further), (ExplicitVRLittleEndian, ImplicitVRLittleEndian))
        | dict.fromkeys(RADIOGRAPHS, images)
        | {uid: PLAIN_TRANSFER_SYNTAXES for uid in REPORT_SOP_CLASSES if uid not in RADIOGRAPHS}
    )
