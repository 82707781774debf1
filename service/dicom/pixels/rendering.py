"""From stored values to displayed ones, through one table over every value that a pixel can hold.

PS3.3 orders the steps: Modality LUT (C.11.1), VOI LUT or window (C.11.2), polarity. Each depends on the stored value
alone, so they are computed once for each of at most 65,536 values, and the image is one look-up.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from service.dicom.pixels.header import PixelHeader, integer
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
# A constant image has no range; it is shown in the middle grey of a window this narrow.
_LEAST_WIDTH = 1e-30


def render(stored: NDArray[np.integer], header: PixelHeader, presentation: Dataset) -> NDArray[np.float32]:
    """Return the displayed value of each pixel, float32 in [0, 1].

    Without a VOI LUT or a usable window, the full range of the image's own values is shown. Padding never counts
    towards that range, and is black. The photometric interpretation alone decides polarity: PresentationLUTShape says
    the same once more (PS3.3 C.8.11.3.1.2) and must not invert twice.

    Raises
    ------
    UndecodablePixels
        When a LUT or a rescale value is malformed.
    """
    domain = _domain(stored.dtype)
    padding = _padding(domain, header, presentation)
    modality = _modality(domain, header, presentation)
    voi = _voi_lut(modality, header, presentation)
    if voi is None:
        window = read_window(presentation) or _full_range(modality[_present(stored) & ~padding])
        voi = apply_window(modality, window)
    displayed = 1 - voi if header.photometric == "MONOCHROME1" else voi
    displayed = np.where(padding, 0, displayed).astype(np.float32)
    bits = np.ascontiguousarray(stored).view(f"u{stored.itemsize}")
    return np.asarray(cv2.LUT(bits, displayed), dtype=np.float32).reshape(stored.shape)


def _domain(kind: np.dtype[np.integer]) -> NDArray[np.int32]:
    """Return every value of an integer type, in the order of its bit patterns."""
    patterns = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}")
    return patterns.view(kind).astype(np.int32)


def _present(stored: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Tell of every bit pattern whether a pixel has it."""
    bits = np.ascontiguousarray(stored).view(f"u{stored.itemsize}")
    size = 2 ** (8 * stored.itemsize)
    counts = cv2.calcHist([bits], [0], None, [size], [0, size])
    return np.asarray(counts.ravel() > 0)


def _padding(domain: NDArray[np.int32], header: PixelHeader, presentation: Dataset) -> NDArray[np.bool_]:
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


def _modality(domain: NDArray[np.int32], header: PixelHeader, presentation: Dataset) -> NDArray[np.float64]:
    item = _first_item(presentation, "ModalityLUTSequence")
    if item is not None:
        table, first, _ = _table(item, "ModalityLUTSequence", signed=header.signed)
        return table[np.clip(domain - first, 0, len(table) - 1)]
    slope = _real(presentation, "RescaleSlope", 1.0)
    intercept = _real(presentation, "RescaleIntercept", 0.0)
    return domain.astype(np.float64) * slope + intercept


def _voi_lut(modality: NDArray[np.float64], header: PixelHeader, presentation: Dataset) -> NDArray[np.float64] | None:
    item = _first_item(presentation, "VOILUTSequence")
    if item is None:
        return None
    signed = header.signed or _real(presentation, "RescaleIntercept", 0.0) < 0
    table, first, bits = _table(item, "VOILUTSequence", signed=signed)
    index = np.clip(modality - first, 0, len(table) - 1).astype(np.intp)
    return np.asarray(np.clip(table[index] / (2**bits - 1), 0, 1))


def _full_range(values: NDArray[np.float64]) -> Window:
    """Return the window that shows values from the least to the greatest."""
    if not values.size:
        return Window(0.0, 1.0, "LINEAR_EXACT")
    least, greatest = float(values.min()), float(values.max())
    return Window((least + greatest) / 2, max(greatest - least, _LEAST_WIDTH), "LINEAR_EXACT")


def _first_item(presentation: Dataset, keyword: str) -> Dataset | None:
    sequence = presentation.get(keyword)
    if not sequence:
        return None
    item = sequence[0]
    return item if "LUTData" in item else None


def _table(item: Dataset, keyword: str, *, signed: bool) -> tuple[NDArray[np.float64], int, int]:
    """Return a LUT's entries, the first value it maps, and the bits of an entry (PS3.3 C.11.1.1)."""
    try:
        entries, first, bits = (int(number) for number in item.LUTDescriptor)
        data = item.LUTData
        if isinstance(data, bytes):
            # Entries of 8 bits may be packed two to a word.
            packed = bits <= 8 and len(data) in (entries, entries + 1)
            data = np.frombuffer(data, np.uint8 if packed else "<u2")
        table = np.asarray(data, dtype=np.float64).ravel()
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        raise UndecodablePixels(f"{keyword} is malformed") from None
    entries = (entries & 0xFFFF) or 65536
    if len(table) < entries or not 1 <= bits <= 16:
        raise UndecodablePixels(f"{keyword} has {len(table)} entries of {bits} bits where it promises {entries}")
    first &= 0xFFFF
    return table[:entries], first - 65536 if signed and first > 32767 else first, bits


def _real(presentation: Dataset, keyword: str, default: float) -> float:
    try:
        value = presentation.get(keyword)
        number = default if value is None or value == "" else float(value)
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        raise UndecodablePixels(f"{keyword} is malformed") from None
    if not np.isfinite(number):
        raise UndecodablePixels(f"{keyword} is not a finite number")
    return number
