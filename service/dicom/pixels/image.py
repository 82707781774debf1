"""A decoded image: stored values, their digest, and the values a screen would show."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from service.dicom.pixels.decoding import decode_stored
from service.dicom.pixels.grey import WindowableImage, windowable
from service.dicom.pixels.header import PixelHeader, read_header
from service.dicom.pixels.rendering import OPTIONAL_KEYWORDS, RENDERING_KEYWORDS, render
from service.vocabulary.errors import UndecodablePixels

#: Default limit on rows x columns; the greatest detector in use has about 20 million.
MAXIMUM_PIXELS = 100_000_000


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """One image, decoded once.

    Attributes
    ----------
    stored
        Stored values with pixel padding intact: int8, uint8, int16 or uint16 by sign and BitsStored, rows x cols
        (x samples).
    header
        The Image Pixel module.
    presentation
        The attributes that decide how stored values are displayed; no patient data among them.
    """

    stored: NDArray[np.integer]
    header: PixelHeader
    presentation: Dataset

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the pixels, the same for every lossless encoding of them.

        It covers rows, columns, samples, sign, polarity (MONOCHROME1 or 2) and every stored value; no window, LUT,
        transfer syntax, byte order, padding byte or unused bit.
        """
        polarity = self.header.photometric if self.header.monochrome else "COLOUR"
        meaning = f"auscult pixels 1|{self.stored.shape}|{int(self.header.signed)}|{polarity}|{self.stored.itemsize}|"
        values = np.ascontiguousarray(self.stored, self.stored.dtype.newbyteorder("<"))
        digest = hashlib.sha256(meaning.encode())
        digest.update(values.data)
        return digest.hexdigest()

    def display(self) -> NDArray[np.float32]:
        """Return the values as displayed, after Modality LUT, VOI LUT or window, and polarity.

        Returns
        -------
        float32, rows x cols, in [0, 1]; 0 is black, 1 is white.

        Raises
        ------
        UndecodablePixels
            When the image is in colour, or a rescale value is malformed.
        """
        if not self.header.monochrome:
            raise UndecodablePixels("a colour image has no display values")
        return render(self.stored, self.header, self.presentation)

    def grey(self) -> WindowableImage:
        """Return the grey values, for a screen that windows them itself.

        Raises
        ------
        UndecodablePixels
            When the image is in colour, or a rescale value is malformed.
        """
        if not self.header.monochrome:
            raise UndecodablePixels("a colour image has no grey values")
        return windowable(self.stored, self.header, self.presentation)


def decode(dataset: Dataset, max_pixels: int = MAXIMUM_PIXELS) -> DecodedImage:
    """Decode the pixels of a single-frame image.

    Raises
    ------
    PixelsTooLarge
        When rows x columns exceed `max_pixels`; nothing is allocated.
    UndecodablePixels
        When the image is multi-frame, has no pixel data, contradicts itself, or cannot be decoded.
    """
    header = read_header(dataset, max_pixels)
    presentation = Dataset()
    for keyword in RENDERING_KEYWORDS:
        if keyword in dataset:
            try:
                presentation.add(dataset[keyword])
            except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
                if keyword not in OPTIONAL_KEYWORDS:
                    raise UndecodablePixels(f"{keyword} is malformed") from None
    return DecodedImage(decode_stored(dataset, header), header, presentation)


def stored_values(dataset: Dataset, *, max_pixels: int = MAXIMUM_PIXELS) -> NDArray[np.integer]:
    """Return the stored values of an image; see `DecodedImage.stored` and `decode`."""
    return decode(dataset, max_pixels).stored


def pixel_digest(dataset: Dataset, *, max_pixels: int = MAXIMUM_PIXELS) -> str:
    """Return the digest of an image's pixels; see `DecodedImage.digest` and `decode`."""
    return decode(dataset, max_pixels).digest()


def display_values(dataset: Dataset, *, max_pixels: int = MAXIMUM_PIXELS) -> NDArray[np.float32]:
    """Return an image as displayed, float32 in [0, 1]; see `DecodedImage.display` and `decode`."""
    return decode(dataset, max_pixels).display()
