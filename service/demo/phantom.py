"""Synthetic chest radiographs, and single-frame grey pictures as Computed Radiography instances."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

#: Implementation Class UID and version name in the file meta information of generated instances.
IMPLEMENTATION_CLASS_UID = generate_uid(prefix="2.25.", entropy_srcs=["auscult", "implementation class"])
IMPLEMENTATION_VERSION_NAME = "AUSCULT_PHANTOM"


def phantom_values(seed: int, rows: int = 320, columns: int = 256) -> NDArray[np.float32]:
    """Draw a picture that looks like a frontal chest radiograph and means nothing.

    Body, lungs, heart, spine and ribs are ellipses and arcs that vary with the seed; noise lies over all.

    Parameters
    ----------
    seed
        The same seed, rows and columns give the same picture.
    rows, columns
        Size in pixels, each at least 1.

    Returns
    -------
    float32, rows x cols, in [0, 1]; 0 is black (air), 1 is white (bone), as displayed.
    """
    random = np.random.default_rng(seed)
    # A generous raster of [-1, 1] both ways; y points down, as rows do.
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]

    def vary(size: float) -> float:
        return float(random.uniform(-size, size))

    def ellipse(centre_x: float, centre_y: float, radius_x: float, radius_y: float) -> NDArray[np.float32]:
        distance = ((x - centre_x) / radius_x) ** 2 + ((y - centre_y) / radius_y) ** 2
        # A soft edge: tissue does not end within one pixel.
        soft = 1 / (1 + np.exp(np.clip((distance - 1) * 12, -40, 40)))
        return np.asarray(soft, dtype=np.float32)

    body = ellipse(vary(0.03), 0.2, 0.93 + vary(0.04), 1.25)
    lungs = np.maximum(
        ellipse(-0.42 + vary(0.03), -0.05 + vary(0.04), 0.31 + vary(0.03), 0.66 + vary(0.05)),
        ellipse(0.42 + vary(0.03), -0.05 + vary(0.04), 0.30 + vary(0.03), 0.66 + vary(0.05)),
    )
    heart = ellipse(0.14 + vary(0.04), 0.3 + vary(0.04), 0.30 + vary(0.04), 0.30 + vary(0.03))
    spine = np.exp(-((x / 0.09) ** 2)) * np.ones_like(y)
    arcs = np.cos((y + 0.35 * np.abs(x) ** 1.5 + vary(0.1)) * (26 + vary(2)))
    ribs = np.clip(arcs - 0.55, 0, None) * body * (np.abs(x) < 0.8)
    opacity = ellipse(0.4 * random.choice([-1, 1]) + vary(0.1), 0.1 + vary(0.3), 0.16, 0.16) * random.uniform(0, 0.25)

    picture = 0.72 * body - 0.52 * lungs * body + 0.3 * heart + 0.18 * spine * body + 0.22 * ribs + opacity * body
    picture = picture + random.normal(0, 0.012, (rows, columns))
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def cr_instance(
    stored: NDArray[np.unsignedinteger[Any]],
    *,
    bits_stored: int,
    patient_id: str,
    patient_name: str,
    sop_instance_uid: str,
    series_instance_uid: str,
    study_instance_uid: str,
    patient_sex: str = "",
    patient_birth_date: date | None = None,
    patient_age: str | None = None,
    accession_number: str = "",
    acquired: datetime | None = None,
    view_position: str = "PA",
    body_part: str = "CHEST",
    study_description: str = "Chest X-ray",
    manufacturer: str = "auscult",
    attributes: Mapping[str, Any] | None = None,
) -> FileDataset:
    """Make a Computed Radiography instance from grey values, complete in every Type 1 and Type 2 attribute.

    Text is written in UTF-8 (ISO_IR 192), pixels uncompressed in explicit VR little endian.

    Parameters
    ----------
    stored
        uint8 or uint16, rows x cols; black is 0 (MONOCHROME2).
    bits_stored
        How many of the low bits carry the value, at most those of the array's type.
    patient_age
        PatientAge as DICOM writes it ("007Y"); None leaves it out.
    acquired
        When the image was taken; the present when None.
    view_position, body_part
        ViewPosition and BodyPartExamined; both may be empty.
    attributes
        More attributes by keyword, set last; a value of None removes the attribute.

    Raises
    ------
    ValueError
        When the array is not a grey picture of 8 or 16 bits.

    References
    ----------
    PS3.3 Table A.2-1, the CR Image IOD
    """
    if stored.ndim != 2 or stored.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f"a CR image is made of uint8 or uint16 rows x cols, not {stored.dtype} with {stored.ndim} axes"
        )
    acquired = acquired or datetime.now(UTC)
    dataset = _file_dataset(sop_instance_uid)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = patient_name
    dataset.PatientID = patient_id
    dataset.PatientBirthDate = f"{patient_birth_date:%Y%m%d}" if patient_birth_date else ""
    dataset.PatientSex = patient_sex
    if patient_age is not None:
        dataset.PatientAge = patient_age
    dataset.StudyInstanceUID = study_instance_uid
    dataset.SeriesInstanceUID = series_instance_uid
    dataset.StudyID = "1"
    dataset.StudyDescription = study_description
    dataset.AccessionNumber = accession_number
    dataset.ReferringPhysicianName = ""
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.Modality = "CR"
    dataset.Manufacturer = manufacturer
    dataset.BodyPartExamined = body_part
    dataset.ViewPosition = view_position
    dataset.PatientOrientation = ["L", "F"] if view_position in ("PA", "AP") else ""
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    dataset.KVP = None
    _set_times(dataset, acquired)
    _set_pixels(dataset, stored, bits_stored)
    for keyword, value in (attributes or {}).items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    return dataset


def _file_dataset(sop_instance_uid: str) -> FileDataset:
    """Return an empty data set with file meta information and SOP Common identity of a CR image."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = UID(sop_instance_uid)
    return dataset


def _set_times(dataset: FileDataset, acquired: datetime) -> None:
    """Set study, series, acquisition and content date and time to one moment."""
    for kind in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{kind}Date", f"{acquired:%Y%m%d}")
        setattr(dataset, f"{kind}Time", f"{acquired:%H%M%S}")


def _set_pixels(dataset: FileDataset, stored: NDArray[np.unsignedinteger[Any]], bits_stored: int) -> None:
    """Set Image Pixel module and a window over the full range of the stored bits."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = stored.dtype.itemsize * 8
    dataset.BitsStored = bits_stored
    dataset.HighBit = bits_stored - 1
    dataset.PixelRepresentation = 0
    dataset.WindowCenter = 2 ** (bits_stored - 1)
    dataset.WindowWidth = 2**bits_stored
    data = np.ascontiguousarray(stored, dtype=stored.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OB" if stored.dtype == np.uint8 else "OW"
