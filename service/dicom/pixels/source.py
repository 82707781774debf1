"""Read an instance from a file, tolerant of missing headers and safe from deflate bombs."""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from service.vocabulary.errors import PixelsTooLarge, UndecodablePixels

#: Default limit of `read_instance`.
MAXIMUM_BYTES = 256 * 1024**2

_CHUNK = 64 * 1024


def read_instance(source: str | PathLike[str] | BinaryIO, max_bytes: int = MAXIMUM_BYTES) -> Dataset:
    """Read a DICOM file, with or without preamble and file meta information.

    A deflated data set is measured before it is kept, so a bomb costs 64 KiB and some processor time.

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

    Source: PS3.10 section 7.1, PS3.5 section A.5.
    """
    with ExitStack() as stack:
        if isinstance(source, str | PathLike):
            file: BinaryIO = stack.enter_context(Path(source).open("rb"))
        else:
            file = source
        if file.seek(0, 2) > max_bytes:
            raise PixelsTooLarge(f"the file has more than {max_bytes} bytes, the limit")
        file.seek(0)
        try:
            dataset = _parse(file, max_bytes)
        except (PixelsTooLarge, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a parser of foreign bytes raises anything
            raise UndecodablePixels(f"the file cannot be parsed as DICOM: {type(error).__name__}") from None
    if not len(dataset):
        raise UndecodablePixels("the file cannot be parsed as DICOM: it holds no element")
    return dataset


def read_patient_id(path: Path) -> str:
    """Read a DICOM file's Patient ID (0010,0020), and nothing else of it; empty where there is none.

    For telling patients apart when a data set is split. It is personal: it goes into no log and no file.
    """
    try:
        return str(dcmread(path, force=True, stop_before_pixels=True, specific_tags=["PatientID"]).get("PatientID", ""))
    except Exception:  # noqa: BLE001 - a parser of foreign bytes raises anything
        return ""


def _parse(file: BinaryIO, max_bytes: int) -> Dataset:
    preamble = read_preamble(file, force=True)
    meta = FileMetaDataset(read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_outside_meta))
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        file.seek(0)
        return dcmread(file, force=True)
    start = file.tell()
    if sum(map(len, _inflated(file, max_bytes))) > max_bytes:
        raise PixelsTooLarge(f"the data set inflates to more than {max_bytes} bytes, the limit")
    file.seek(start)
    inflated = BytesIO(b"".join(_inflated(file, max_bytes)))
    dataset = read_dataset(inflated, is_implicit_VR=False, is_little_endian=True)
    return FileDataset("", dataset, preamble=preamble, file_meta=meta, is_implicit_VR=False, is_little_endian=True)


def _outside_meta(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001 - the parser's signature
    return tag.group != 0x0002


def _inflated(file: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    """Yield the rest of a deflated file inflated, piece by piece, and stop soon after `max_bytes`."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    while not inflater.eof and total <= max_bytes:
        deflated = inflater.unconsumed_tail or file.read(_CHUNK)
        piece = inflater.decompress(deflated, _CHUNK)
        if not deflated and not piece:
            return  # truncated: what came is parsed, and the pixels' length tells
        total += len(piece)
        yield piece
