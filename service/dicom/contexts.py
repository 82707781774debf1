"""What the listener accepts, as data: SOP classes and transfer syntaxes; docs/conformance.md is generated from here."""

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    EnhancedSRStorage,
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
    SecondaryCaptureImageStorage,
)

#: Names the software in file meta information and in association negotiation. It stays the same in every release: it is
#: part of the stored bytes, whose digest tells a repeated instance from a new one.
IMPLEMENTATION_VERSION_NAME = "AUSCULT"

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"

#: SOP classes whose instances are radiographs.
IMAGE_SOP_CLASSES: tuple[str, ...] = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)

#: SOP classes of our own reports. A PACS that forwards whatever it receives sends them back, and its job must succeed.
REPORT_SOP_CLASSES: tuple[str, ...] = (
    BasicTextSRStorage,
    EnhancedSRStorage,
    ComprehensiveSRStorage,
    Comprehensive3DSRStorage,
)

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


def accepted() -> dict[str, tuple[str, ...]]:
    """Return the transfer syntaxes that are accepted for each SOP class, by UID."""
    images = PLAIN_TRANSFER_SYNTAXES + ENCAPSULATED_TRANSFER_SYNTAXES
    return (
        dict.fromkeys((VERIFICATION, STORAGE_COMMITMENT), (ExplicitVRLittleEndian, ImplicitVRLittleEndian))
        | dict.fromkeys(IMAGE_SOP_CLASSES, images)
        | dict.fromkeys(REPORT_SOP_CLASSES, PLAIN_TRANSFER_SYNTAXES)
    )
