"""Images to forward: a folder of DICOM, PNG and JPEG files, whose pictures are wrapped as DICOM."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import generate_uid

from service.demo.phantom import cr_instance
from service.process.clock import utc_now

PICTURES = frozenset({".png", ".jpg", ".jpeg"})


def folder_images(folder: Path) -> Iterator[Dataset]:
    """Yield the DICOM instances below a folder, and its PNG and JPEG pictures wrapped as CR instances.

    Files that are neither are passed over.
    """
    for number, path in enumerate(files_below(folder), start=1):
        dataset = read_image(path, number)
        if dataset is not None:
            yield dataset


def files_below(folder: Path) -> list[Path]:
    """Return the files below a folder, in the order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read_image(path: Path, number: int) -> Dataset | None:
    """Return a DICOM instance, or a picture wrapped as a CR of patient DEMO-`number`; None when a file is neither."""
    try:
        if path.suffix.lower() not in PICTURES:
            return dcmread(path)
        stored = grey_values(path)
    except (InvalidDicomError, UnidentifiedImageError, OSError):
        return None
    return wrapped(stored, f"Demo^{path.stem[:50]}", f"DEMO-{number:04d}")


def grey_values(path: Path) -> NDArray[np.uint8]:
    """Return a picture's grey values, rows x cols.

    Raises
    ------
    UnidentifiedImageError, OSError
        When the file is no picture, or cannot be read.
    """
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"))


def wrapped(stored: NDArray[np.uint8], patient_name: str, patient_id: str, **details: Any) -> Dataset:
    """Return a CR instance of an 8-bit grey picture, in a new study of a made-up patient.

    Parameters
    ----------
    details
        What else `cr_instance` takes, such as an age.
    """
    return cr_instance(
        stored,
        bits_stored=8,
        patient_id=patient_id,
        patient_name=patient_name,
        sop_instance_uid=generate_uid(),
        series_instance_uid=generate_uid(),
        study_instance_uid=generate_uid(),
        accession_number=patient_id,
        acquired=utc_now(),
        manufacturer="",
        **details,
    )
