"""From a DICOM instance to the values that a radiologist's screen would show.

`decode` checks what the header promises before anything is allocated, decodes with the fastest free codec for the
transfer syntax, and returns a `DecodedImage`: stored values, their digest, and display values.
The same code reads for the worker, for training and for the pages, so that all of them see alike.
"""

from service.dicom.pixels.grey import WindowableImage
from service.dicom.pixels.image import (
    MAXIMUM_PIXELS,
    DecodedImage,
    decode,
    display_values,
    pixel_digest,
    stored_values,
)
from service.dicom.pixels.source import MAXIMUM_BYTES, read_instance, read_patient_id

__all__ = [
    "MAXIMUM_BYTES",
    "MAXIMUM_PIXELS",
    "DecodedImage",
    "WindowableImage",
    "decode",
    "display_values",
    "pixel_digest",
    "read_instance",
    "read_patient_id",
    "stored_values",
]
