"""Synthetic radiographs as valid DICOM instances, in every transfer syntax that a PACS forwards."""

import functools

# zlib comes before gdcm: gdcm's own zlib captures the calls inside a libz that is loaded after it, and the heap breaks.
import zlib  # noqa: F401
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import gdcm
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
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
    generate_uid,
)

from service.demo.phantom import cr_instance, phantom_values
from service.dicom.instance_file import InstanceFile

SopClass = Literal["CR", "DX", "DX processing", "SC"]

#: Every transfer syntax that `transcoded` writes without a loss.
LOSSLESS_TRANSFER_SYNTAXES = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
)
#: Every transfer syntax that `transcoded` writes with a loss; baseline takes 8 bits, extended takes 12.
LOSSY_TRANSFER_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000)

#: High-throughput JPEG 2000: no encoder is at hand, so one codestream is kept (see `htj2k`).
HTJ2K_TRANSFER_SYNTAXES = (HTJ2KLossless, HTJ2KLosslessRPCL)

#: Drawing a picture is half of the work of making an instance, and tests ask for the same ones again and again.
_drawn = functools.lru_cache(maxsize=64)(phantom_values)
_USUAL = 320 * 256  # pixels: larger ones would fill the memory

_GOLDENS = Path(__file__).parent / "goldens"
_ACQUIRED = datetime(2024, 3, 15, 9, 30, 0, tzinfo=UTC)


def chest(
    seed: int = 0,
    *,
    rows: int = 320,
    columns: int = 256,
    sop_class: SopClass = "CR",
    bits: int = 12,
    signed: bool = False,
    photometric: str = "MONOCHROME2",
    patient_id: str = "PHANTOM-0001",
    patient_name: str = "Phantom^Paediatric",
    patient_sex: str = "O",
    birth_date: date | None = date(2021, 2, 3),
    age: str | None = "003Y",
    accession_number: str = "ACC0001",
    sop_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
    study_instance_uid: str | None = None,
    body_part: str = "CHEST",
    view_position: str = "PA",
    values: NDArray[np.floating[Any]] | None = None,
    **attributes: Any,
) -> FileDataset:
    """Make a synthetic chest radiograph; the seed decides its pixels and its UIDs, the arguments all the rest.

    Parameters
    ----------
    sop_class
        ``"CR"``, ``"DX"`` (for presentation), ``"DX processing"`` (for processing) or ``"SC"``.
    bits
        BitsStored, 2 to 16; more than 8 are allocated as 16.
    signed
        Two's complement with the middle of the range at 0 (valid for CR alone; DX wants unsigned).
    photometric
        ``"MONOCHROME1"`` stores the picture inverted, so that it is displayed alike.
    birth_date, age
        PatientBirthDate and PatientAge; None leaves the date empty and the age out.
    values
        Other pixels than the phantom's: rows x cols in [0, 1], 0 is displayed black.
    attributes
        More attributes by keyword, set last; a value of None removes the attribute.
    """
    draw = _drawn if rows * columns <= _USUAL else phantom_values
    picture = draw(seed, rows, columns) if values is None else np.asarray(values)
    full = 2**bits - 1
    stored = np.rint(picture * full).astype(np.uint8 if bits <= 8 else np.uint16)
    dataset = cr_instance(
        stored if photometric == "MONOCHROME2" else (full - stored).astype(stored.dtype),
        bits_stored=bits,
        patient_id=patient_id,
        patient_name=patient_name,
        patient_sex=patient_sex,
        patient_birth_date=birth_date,
        patient_age=age,
        accession_number=accession_number,
        sop_instance_uid=sop_instance_uid or _uid("instance", sop_class, seed),
        series_instance_uid=series_instance_uid or _uid("series", sop_class, seed),
        study_instance_uid=study_instance_uid or _uid("study", seed),
        acquired=_ACQUIRED,
        body_part=body_part,
        view_position=view_position,
    )
    dataset.PhotometricInterpretation = photometric
    if signed:
        _make_signed(dataset, bits)
    _SOP_CLASSES[sop_class](dataset)
    for keyword, value in attributes.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    return dataset


def transcoded(dataset: FileDataset, transfer_syntax_uid: str) -> FileDataset:
    """Return the same instance in another transfer syntax; the one given is uncompressed little endian."""
    copy = deepcopy(dataset)
    _ENCODERS[UID(transfer_syntax_uid)](copy)
    copy.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    if transfer_syntax_uid in LOSSY_TRANSFER_SYNTAXES:
        copy.LossyImageCompression = "01"
        copy.LossyImageCompressionRatio = 8
        copy.LossyImageCompressionMethod = "ISO_10918_1"
    return copy


def htj2k(transfer_syntax_uid: str = HTJ2KLosslessRPCL, **arguments: Any) -> tuple[FileDataset, FileDataset]:
    """Return one phantom of 16 bits twice: in High-Throughput JPEG 2000, and uncompressed.

    Its codestream (goldens/phantom.jhc) was written once by OpenJPH 0.26: reversible, RPCL progression, with TLM
    marker. The pixels are kept beside it, for NumPy's functions differ in the last bit from processor to processor.
    Seed, size and bits are fixed with them; all other `arguments` are those of `chest`.
    """
    with Image.open(_GOLDENS / "phantom.png") as picture:
        values = np.asarray(picture) / (2**16 - 1)
    uncompressed = chest(seed=0, values=values, bits=16, **arguments)
    compressed = deepcopy(uncompressed)
    compressed.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    _encapsulate(compressed, (_GOLDENS / "phantom.jhc").read_bytes())
    return compressed, uncompressed


def write(dataset: Dataset, path: str | PathLike[str] | BytesIO) -> None:
    """Write an instance as a DICOM file in the transfer syntax that its file meta information names."""
    dataset.save_as(path, enforce_file_format=True)


def encoded(dataset: Dataset) -> bytes:
    """Return the DICOM file of an instance as bytes."""
    buffer = BytesIO()
    write(dataset, buffer)
    return buffer.getvalue()


def instance_file(dataset: Dataset) -> InstanceFile:
    """Return an instance in its DICOM file, as it is handed to a destination."""
    return InstanceFile.read(encoded(dataset))


def codes(value: str, scheme: str, meaning: str) -> Sequence:
    """Return a code sequence of one item."""
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return Sequence([item])


def _uid(*of: object) -> str:
    return str(generate_uid(prefix="2.25.", entropy_srcs=["auscult phantom", *map(str, of)]))


def _make_signed(dataset: Dataset, bits: int) -> None:
    """Shift the stored values so that the middle of the range is 0, in two's complement of `bits` bits."""
    unsigned = np.uint8 if dataset.BitsAllocated == 8 else np.uint16
    stored = np.frombuffer(dataset.PixelData, unsigned)
    data = (stored.astype(np.int32) - 2 ** (bits - 1)).astype(np.int8 if unsigned is np.uint8 else np.int16)
    dataset.PixelData = data.tobytes()
    dataset["PixelData"].VR = "OB" if dataset.BitsAllocated == 8 else "OW"
    dataset.PixelRepresentation = 1
    dataset.WindowCenter = 0


def _as_cr(dataset: Dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]


def _as_dx(dataset: Dataset) -> None:
    """Turn a CR image into a DX image for presentation (PS3.3 Table A.26-1)."""
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.Modality = "DX"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.ImageLaterality = "U"
    dataset.AnatomicRegionSequence = codes("51185008", "SCT", "Chest")
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1 if dataset.PhotometricInterpretation == "MONOCHROME2" else 1
    dataset.RescaleIntercept = 0
    dataset.RescaleSlope = 1
    dataset.RescaleType = "US"
    dataset.PresentationLUTShape = "IDENTITY" if dataset.PhotometricInterpretation == "MONOCHROME2" else "INVERSE"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.DetectorType = "DIRECT"
    dataset.PositionerType = "COLUMN"
    dataset.ImagerPixelSpacing = [0.15, 0.15]
    dataset.AcquisitionContextSequence = Sequence([])
    dataset.PatientOrientation = ["L", "F"]
    del dataset.KVP


def _as_dx_for_processing(dataset: Dataset) -> None:
    """Turn a CR image into a DX image for processing: no window, a linear signal."""
    _as_dx(dataset)
    dataset.SOPClassUID = DigitalXRayImageStorageForProcessing
    dataset.PresentationIntentType = "FOR PROCESSING"
    dataset.PixelIntensityRelationship = "LIN"
    del dataset.WindowCenter
    del dataset.WindowWidth


def _as_secondary_capture(dataset: Dataset) -> None:
    """Turn a CR image into a Secondary Capture of one (PS3.3 Table A.8-1)."""
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.ConversionType = "DI"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    del dataset.KVP
    del dataset.ViewPosition


_SOP_CLASSES = {"CR": _as_cr, "DX": _as_dx, "DX processing": _as_dx_for_processing, "SC": _as_secondary_capture}


def _keep(dataset: Dataset) -> None:
    """Leave the pixels as they are: the syntax concerns the writing of the data set alone."""


def _swap(dataset: Dataset) -> None:
    """Turn the data set to big endian, 16-bit pixels included."""
    for _ in dataset.iterall():
        pass  # decodes every element: those still raw would be written in the old byte order
    if dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.set_original_encoding(False, False, dataset.get("SpecificCharacterSet", "ISO_IR 6"))


def _compress(transfer_syntax_uid: str, plugin: str, **options: Any) -> Callable[[Dataset], None]:
    def encode(dataset: Dataset) -> None:
        dataset.compress(transfer_syntax_uid, encoding_plugin=plugin, generate_instance_uid=False, **options)

    return encode


def _encapsulate_by(encode: Callable[[Dataset], bytes]) -> Callable[[Dataset], None]:
    return lambda dataset: _encapsulate(dataset, encode(dataset))


def _encapsulate(dataset: Dataset, frame: bytes) -> None:
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def _jpeg_by_pillow(dataset: Dataset) -> bytes:
    if dataset.BitsAllocated != 8:
        raise ValueError("JPEG baseline holds 8 bits")
    pixels = np.frombuffer(dataset.PixelData, np.uint8)[: dataset.Rows * dataset.Columns]
    buffer = BytesIO()
    Image.fromarray(pixels.reshape(dataset.Rows, dataset.Columns)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def _jpeg_by_gdcm(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    writer = gdcm.ImageWriter()
    image = writer.GetImage()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    kind = gdcm.PhotometricInterpretation.GetPIType(dataset.PhotometricInterpretation)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.ExplicitVRLittleEndian))
    # gdcm chooses among its codecs by the bits allocated; its 16-bit one writes no valid extended frame.
    extended = transfer_syntax_uid == JPEGExtended12Bit and dataset.BitsAllocated == 16
    allocated = 12 if extended else dataset.BitsAllocated
    high_bit = dataset.HighBit
    image.SetPixelFormat(gdcm.PixelFormat(1, allocated, dataset.BitsStored, high_bit, dataset.PixelRepresentation))
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetByteStringValue(bytes(dataset.PixelData))
    image.SetDataElement(element)
    converter = gdcm.ImageChangeTransferSyntax()
    converter.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(transfer_syntax_uid))))
    converter.SetInput(image)
    if not converter.Change():
        raise ValueError(f"gdcm has no encoder for transfer syntax {transfer_syntax_uid} and these pixels")
    fragments = converter.GetOutput().GetDataElement().GetSequenceOfFragments()
    return b"".join(
        fragments.GetFragment(index).GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")
        for index in range(fragments.GetNumberOfFragments())
    )


_ENCODERS: dict[UID, Callable[[FileDataset], None]] = {
    ImplicitVRLittleEndian: _keep,
    ExplicitVRLittleEndian: _keep,
    DeflatedExplicitVRLittleEndian: _keep,
    ExplicitVRBigEndian: _swap,
    RLELossless: _compress(RLELossless, "pydicom"),
    JPEGLSLossless: _compress(JPEGLSLossless, "pyjpegls"),
    JPEGLSNearLossless: _compress(JPEGLSNearLossless, "pyjpegls", jls_error=2),
    JPEG2000Lossless: _compress(JPEG2000Lossless, "pylibjpeg"),
    JPEG2000: _compress(JPEG2000, "pylibjpeg", j2k_cr=[8]),
    JPEGBaseline8Bit: _encapsulate_by(_jpeg_by_pillow),
    JPEGExtended12Bit: _encapsulate_by(lambda dataset: _jpeg_by_gdcm(dataset, JPEGExtended12Bit)),
    JPEGLossless: _encapsulate_by(lambda dataset: _jpeg_by_gdcm(dataset, JPEGLossless)),
    JPEGLosslessSV1: _encapsulate_by(lambda dataset: _jpeg_by_gdcm(dataset, JPEGLosslessSV1)),
}
