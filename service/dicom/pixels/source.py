"""Read an instance from a file, tolerant of missing headers and of faults that leave its pixels whole."""

from contextlib import ExitStack, suppress
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from service.dicom.bytes_at import BytesAt, Inflated
from service.dicom.element_heads import LONG_VRS, PIXEL_DATA, SHORT_VRS, UNDEFINED
from service.dicom.elements import Element, Elements, behind_meta, elements_of
from service.vocabulary.errors import NotDicom, ObjectTooLarge, PixelsTooLarge, UndecodablePixels

#: Default limit of `read_instance`.
MAXIMUM_BYTES = 256 * 1024**2

_PATIENT_ID = 0x00100020
_META = 0x0002


def read_instance(source: str | PathLike[str] | BinaryIO, max_bytes: int = MAXIMUM_BYTES) -> Dataset:
    """Read a DICOM file up to the end of its pixel data, with or without preamble and file meta information.

    What breaks a rule of the standard and leaves the pixels whole is read as it is meant: see `service.dicom.elements`.
    No attribute is decoded before it is asked for, so that one that cannot be decoded spoils no other. A deflated data
    set is measured before it is kept, so a bomb costs 64 KiB and some processor time.

    Parameters
    ----------
    source
        A path, or a binary file object that can seek, at its start.
    max_bytes
        Most bytes that the file, or the data set inflated from it, may have.

    Raises
    ------
    PixelsTooLarge
        When the file or the inflated data set is larger than `max_bytes`.
    UndecodablePixels
        When the bytes cannot be parsed as DICOM.
    OSError
        When the file cannot be read.

    References
    ----------
    PS3.10 section 7.1, PS3.5 sections 7.1 and A.5
    """
    with ExitStack() as stack:
        if isinstance(source, str | PathLike):
            file: BinaryIO = stack.enter_context(Path(source).open("rb"))
        else:
            file = source
        size = file.seek(0, 2)
        if size > max_bytes:
            raise PixelsTooLarge(f"the file has more than {max_bytes} bytes, the limit")
        try:
            dataset = _read(BytesAt(file, size), file, max_bytes, PIXEL_DATA)
        except ObjectTooLarge:
            raise PixelsTooLarge(f"the data set inflates to more than {max_bytes} bytes, the limit") from None
        except NotDicom as error:
            raise UndecodablePixels(f"the file cannot be parsed as DICOM: {error}") from None
    if not len(dataset):
        raise UndecodablePixels("the file cannot be parsed as DICOM: it holds no element")
    return dataset


def read_patient_id(path: Path) -> str:
    """Read a DICOM file's Patient ID (0010,0020), and nothing else of it; empty where there is none.

    For telling patients apart when a data set is split. It is personal: it goes into no log and no file.
    """
    try:
        with path.open("rb") as file:
            data = BytesAt(file, file.seek(0, 2))
            return str(_read(data, file, MAXIMUM_BYTES, _PATIENT_ID).get("PatientID", ""))
    except Exception:  # noqa: BLE001 - a parser of foreign bytes raises anything
        return ""


def _read(data: BytesAt, file: BinaryIO, max_bytes: int, last: int) -> FileDataset:
    """Read a file's elements, the last of those wanted being the one with tag `last`."""
    start = 132 if data(0, 132)[128:] == b"DICM" else 0
    behind = behind_meta(data, start)
    meta = _meta(data, start, behind)
    syntax = meta.get("TransferSyntaxUID")
    if syntax == DeflatedExplicitVRLittleEndian:
        inflated = Inflated(file, behind_meta(data, behind), max_bytes)
        # As seldom as it is, it is inflated as a whole: a window on it would go back and forth.
        inflated_bytes = inflated.read(inflated.size())
        data, behind = BytesAt(BytesIO(inflated_bytes), len(inflated_bytes)), 0
    elements = elements_of(data, behind, syntax if isinstance(syntax, str) else _syntax_of(data, behind))
    found: dict[BaseTag, DataElement | RawDataElement] = {}
    for element in elements:
        found.setdefault(BaseTag(element.tag), _raw(elements, element))
        if element.tag == last:
            break
    preamble = data(0, 128) if start else None
    implicit, little = elements.implicit, elements.order == "<"
    dataset = FileDataset("", found, preamble, meta, is_implicit_VR=implicit, is_little_endian=little)
    dataset.set_original_encoding(implicit, little, _character_encodings(dataset))
    return dataset


def _meta(data: BytesAt, start: int, end: int) -> FileMetaDataset:
    """Read the file meta information, which is in explicit VR little endian."""
    bounded = BytesAt(BytesIO(data(start, end - start)), end - start)
    elements = Elements(bounded, 0, "<", implicit=False, first_group=_META)
    found: dict[BaseTag, DataElement | RawDataElement] = {}
    with suppress(NotDicom):  # an archive's copy of it that stands behind it may be in implicit VR
        for element in elements:
            found.setdefault(BaseTag(element.tag), _raw(elements, element))
    return FileMetaDataset(found)


def _syntax_of(data: BytesAt, at: int) -> str:
    """Return the transfer syntax that a data set without file meta information seems to be in."""
    raw = data(at, 6)
    if raw[4:6] not in LONG_VRS | SHORT_VRS:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if raw[:1] == b"\0" else ExplicitVRLittleEndian


def _raw(elements: Elements, element: Element) -> RawDataElement:
    value = elements.value(element)
    is_pixel_data = element.tag == PIXEL_DATA
    vr: str | None = element.vr.decode("ascii") or None
    if element.undefined and not is_pixel_data and vr in (None, "UN"):
        vr = "SQ"
    length = UNDEFINED if element.undefined and is_pixel_data else len(value)
    return RawDataElement(
        BaseTag(element.tag), vr, length, value, element.start, element.implicit, elements.order == "<"
    )


def _character_encodings(dataset: Dataset) -> list[str]:
    try:
        return list(convert_encodings(dataset.get("SpecificCharacterSet")))
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        return [default_encoding]
