"""From stored values to displayed ones, through one table over every value that a pixel can hold.

PS3.3 orders the steps: Modality LUT (C.11.1), VOI LUT or window (C.11.2), polarity. Each depends on the stored value
alone, so they are computed once for each of at most 65,536 values, and the image is one look-up.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from service.dicom.pixels.header import PixelHeader, integer
from service.dicom.pixels.lut import read_lut
from service.dicom.pixels.window import Window, apply_window, read_window
from service.vocabulary.errors import UndecodablePixels

#: Every attribute that decides the display of a decoded image.
RENDERING_KEYWORDS = (
    "ModalityLUTSequence",
    "RescaleIntercept",
    "RescaleSlope",
    "VOILUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
)
#: Those in whose place something else counts where they cannot be read.
OPTIONAL_KEYWORDS = frozenset(
    {"ModalityLUTSequence", "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction"}
)
# A constant image has no range; it is shown in the middle grey of a window this narrow.
_LEAST_WIDTH = 1e-30


def render(stored: NDArray[np.integer], header: PixelHeader, presentation: Dataset) -> NDArray[np.float32]:
    """Return the displayed value of each pixel, float32 in [0, 1].

    A LUT that cannot be used counts as absent. Without a VOI LUT or a usable window, the full range of the image's own
    values is shown. Padding never counts towards that range, and is black. The photometric interpretation alone decides
    polarity: PresentationLUTShape says the same once more (PS3.3 C.8.11.3.1.2) and must not invert twice.

    Raises
    ------
    UndecodablePixels
        When a rescale value is malformed.
    """
    domain = domain_of(stored.dtype)
    padding = padding_in(domain, header, presentation)
    can_be = possible_in(domain, header)
    modality, step = modality_of(domain, can_be, presentation)
    voi = _voi(modality, can_be, step, presentation)
    if voi is None:
        voi = apply_window(modality, full_range(modality[present_in(stored) & ~padding]))
    displayed = 1 - voi if header.photometric == "MONOCHROME1" else voi
    displayed = np.where(padding, 0, displayed).astype(np.float32)
    bits = np.ascontiguousarray(stored).view(f"u{stored.itemsize}")
    return np.asarray(cv2.LUT(bits, displayed), dtype=np.float32).reshape(stored.shape)


def domain_of(kind: np.dtype[np.integer]) -> NDArray[np.int32]:
    """Return every value of an integer type, in the order of its bit patterns."""
    patterns = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}")
    return patterns.view(kind).astype(np.int32)


def possible_in(domain: NDArray[np.int32], header: PixelHeader) -> NDArray[np.bool_]:
    """Tell of every value whether the stored bits can hold it."""
    least = -(1 << (header.bits_stored - 1)) if header.signed else 0
    return np.asarray((domain >= least) & (domain < least + (1 << header.bits_stored)))


def present_in(stored: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Tell of every bit pattern whether a pixel has it."""
    bits = np.ascontiguousarray(stored).view(f"u{stored.itemsize}")
    size = 2 ** (8 * stored.itemsize)
    counts = cv2.calcHist([bits], [0], None, [size], [0, size])
    return np.asarray(counts.ravel() > 0)


def padding_in(domain: NDArray[np.int32], header: PixelHeader, presentation: Dataset) -> NDArray[np.bool_]:
    """Tell of every value whether it is padding (PS3.3 C.7.5.1.1.2): one value, or a range with both its ends."""
    if "PixelPaddingValue" not in presentation or presentation.get("PixelPaddingValue") in (None, ""):
        return np.zeros(domain.shape, dtype=np.bool_)
    first = _as_stored(integer(presentation, "PixelPaddingValue"), header)
    last = _as_stored(
        integer(presentation, "PixelPaddingRangeLimit", integer(presentation, "PixelPaddingValue")), header
    )
    return np.asarray((domain >= min(first, last)) & (domain <= max(first, last)))


def _as_stored(value: int, header: PixelHeader) -> int:
    """Return a value as the stored bits hold it, whichever of US and SS it was read as."""
    value &= (1 << header.bits_stored) - 1
    negative = header.signed and value >> (header.bits_stored - 1)
    return value - (1 << header.bits_stored) if negative else value


def modality_of(
    domain: NDArray[np.int32], can_be: NDArray[np.bool_], presentation: Dataset
) -> tuple[NDArray[np.float64], float]:
    """Return every value after the Modality LUT, or else after rescaling, and by how much neighbours differ."""
    possible = domain[can_be]
    lut = read_lut(presentation, "ModalityLUTSequence", float(possible.min()), float(possible.max()))
    if lut is not None:
        return lut.apply(domain), 1.0
    slope = _real(presentation, "RescaleSlope", 1.0)
    intercept = _real(presentation, "RescaleIntercept", 0.0)
    if slope == 0:  # maps all to one value; other programs ignore it too
        return domain.astype(np.float64), 1.0
    return domain.astype(np.float64) * slope + intercept, abs(slope)


def _voi(
    modality: NDArray[np.float64], can_be: NDArray[np.bool_], step: float, presentation: Dataset
) -> NDArray[np.float64] | None:
    """Return every value as a VOI LUT shows it, or else a window; None without either."""
    possible = modality[can_be]
    lut = read_lut(presentation, "VOILUTSequence", float(possible.min()), float(possible.max()))
    if lut is not None:
        return np.asarray(np.clip(lut.apply(modality) / (2**lut.bits - 1), 0, 1))
    window = read_window(presentation, step)
    return None if window is None else apply_window(modality, window)


def full_range(values: NDArray[np.float64]) -> Window:
    """Return the window that shows values from the least to the greatest."""
    if not values.size:
        return Window(0.0, 1.0, "LINEAR_EXACT")
    least, greatest = float(values.min()), float(values.max())
    return Window((least + greatest) / 2, max(greatest - least, _LEAST_WIDTH), "LINEAR_EXACT")


def _real(presentation: Dataset, keyword: str, default: float) -> float:
    try:
        value = presentation.get(keyword)
        if isinstance(value, MultiValue | list):
            value = value[0] if value else None
        number = default if value is None or value == "" else float(value)
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        raise UndecodablePixels(f"{keyword} is malformed") from None
    if not np.isfinite(number):
        raise UndecodablePixels(f"{keyword} is not a finite number")
    return number
