"""What a data set promises of its pixels, checked for sense before anything is decoded."""

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from service.vocabulary.errors import PixelsTooLarge, UndecodablePixels


@dataclass(frozen=True)
class PixelHeader:
    """The Image Pixel module of a single-frame image (PS3.3 Table C.7-11a)."""

    transfer_syntax_uid: UID
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    photometric: str
    planar: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns, then samples where there are several."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def count(self) -> int:
        """Number of values in the frame."""
        return self.rows * self.columns * self.samples

    @property
    def monochrome(self) -> bool:
        """Whether one sample of grey makes a pixel."""
        return self.samples == 1 and self.photometric in ("MONOCHROME1", "MONOCHROME2")

    @property
    def container(self) -> np.dtype[np.integer]:
        """The smallest type that holds the stored bits: int8, uint8, int16 or uint16."""
        return np.dtype(f"{'i' if self.signed else 'u'}{1 if self.bits_stored <= 8 else 2}")


def integer(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """Return an attribute that holds one whole number.

    Raises
    ------
    UndecodablePixels
        When it is absent without a default, or holds something else.
    """
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            value = default
        if value is not None:
            return int(value)
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        raise UndecodablePixels(f"{keyword} is malformed") from None
    raise UndecodablePixels(f"{keyword} is absent")


def read_header(dataset: Dataset, max_pixels: int) -> PixelHeader:
    """Read and check the Image Pixel module.

    Raises
    ------
    PixelsTooLarge
        When rows x columns exceed `max_pixels`.
    UndecodablePixels
        When an attribute is absent, malformed or contradicts another, or when the image is multi-frame.
    """
    header = PixelHeader(
        transfer_syntax_uid=_transfer_syntax_uid(dataset),
        rows=integer(dataset, "Rows"),
        columns=integer(dataset, "Columns"),
        samples=integer(dataset, "SamplesPerPixel", 1),
        bits_allocated=integer(dataset, "BitsAllocated"),
        bits_stored=integer(dataset, "BitsStored"),
        high_bit=integer(dataset, "HighBit", integer(dataset, "BitsStored") - 1),
        signed=integer(dataset, "PixelRepresentation", 0) == 1,
        photometric=_photometric(dataset),
        planar=integer(dataset, "PlanarConfiguration", 0) == 1,
    )
    if header.rows < 1 or header.columns < 1:
        raise UndecodablePixels(f"Rows {header.rows} and Columns {header.columns} make no image")
    if header.rows * header.columns > max_pixels:
        raise PixelsTooLarge(f"{header.rows} x {header.columns} pixels are more than {max_pixels}, the limit")
    if _frames(dataset) > 1:
        raise UndecodablePixels("the image is multi-frame")
    if header.samples not in (1, 3):
        raise UndecodablePixels(f"SamplesPerPixel {header.samples} is neither 1 nor 3")
    if header.bits_allocated not in (8, 16):
        raise UndecodablePixels(f"BitsAllocated {header.bits_allocated} is neither 8 nor 16")
    if not header.bits_stored <= header.high_bit + 1 <= header.bits_allocated or header.bits_stored < 1:
        raise UndecodablePixels(
            f"BitsStored {header.bits_stored} and HighBit {header.high_bit} do not fit "
            f"BitsAllocated {header.bits_allocated}"
        )
    return header


def _frames(dataset: Dataset) -> int:
    """Return Number of Frames; what is no number greater than zero is one frame (PS3.3 section C.7.6.6)."""
    try:
        return max(integer(dataset, "NumberOfFrames", 1), 1)
    except UndecodablePixels:
        return 1


def _photometric(dataset: Dataset) -> str:
    try:
        return str(dataset.get("PhotometricInterpretation") or "").strip()
    except Exception:  # noqa: BLE001 - as above
        raise UndecodablePixels("PhotometricInterpretation is malformed") from None


def _transfer_syntax_uid(dataset: Dataset) -> UID:
    """Return the transfer syntax, or the one that an instance without file meta information was parsed as."""
    uid = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if uid:
        if not isinstance(uid, str):  # a backslash makes several of it
            raise UndecodablePixels("the transfer syntax is malformed")
        return UID(uid)
    implicit, little = dataset.original_encoding
    if little is False:
        raise UndecodablePixels("the transfer syntax is unknown")
    return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
