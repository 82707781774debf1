"""The grey values of an image as they are, for a screen that windows them itself.

References
----------
PS3.3 sections C.11.1 (Modality LUT), C.11.2 (VOI LUT and window) and C.7.5.1.1.2 (pixel padding)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from service.dicom.pixels.header import PixelHeader
from service.dicom.pixels.lut import read_lut
from service.dicom.pixels.rendering import domain_of, full_range, modality_of, padding_in, possible_in, present_in
from service.dicom.pixels.window import Window, read_window

#: Codes of grey values; 0 is padding.
_CODES = 65535


@dataclass(frozen=True, eq=False)
class WindowableImage:
    """An image's grey values as codes, and how its own header would show them.

    Attributes
    ----------
    codes
        uint16, rows x cols: 0 is padding, which is black; code c is the grey value ``first + (c - 1) * step``.
    first, step
        In units of the modality values, after rescaling or the Modality LUT; after the VOI LUT where there is one, for
        no window can say what that does. No two stored values share a code unless their range is wider than 65,535.
    window
        What the header shows by default; without one, the full range of the image.
    inverted
        Whether the least grey value is white, as in MONOCHROME1.
    """

    codes: NDArray[np.uint16]
    first: float
    step: float
    window: Window
    inverted: bool


def windowable(stored: NDArray[np.integer], header: PixelHeader, presentation: Dataset) -> WindowableImage:
    """Return the grey values of stored ones; what `render` shows of them is their window.

    Raises
    ------
    UndecodablePixels
        When a rescale value is malformed.
    """
    domain = domain_of(stored.dtype)
    padding, can_be = padding_in(domain, header, presentation), possible_in(domain, header)
    values, step = modality_of(domain, can_be, presentation)
    seen = present_in(stored) & ~padding
    lut = read_lut(presentation, "VOILUTSequence", float(values[can_be].min()), float(values[can_be].max()))
    if lut is not None:
        values, step, highest = lut.apply(values), 1.0, 2**lut.bits - 1
        window = Window(highest / 2, highest, "LINEAR_EXACT")
    else:
        window = read_window(presentation, step) or full_range(values[seen])
    least, greatest = (float(values[seen].min()), float(values[seen].max())) if seen.any() else (0.0, 0.0)
    step = max(step, (greatest - least) / (_CODES - 1))
    codes = np.clip(np.rint((values - least) / step) + 1, 1, _CODES).astype(np.uint16)
    codes[padding] = 0
    bits = np.ascontiguousarray(stored).view(f"u{stored.itemsize}")
    return WindowableImage(codes[bits].reshape(stored.shape), least, step, window, header.photometric == "MONOCHROME1")
