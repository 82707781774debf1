"""Windows (PS3.3 section C.11.2.1.2) and their three functions."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


@dataclass(frozen=True)
class Window:
    """A window on modality values; `function` is LINEAR, LINEAR_EXACT or SIGMOID."""

    centre: float
    width: float
    function: str


def read_window(presentation: Dataset, step: float = 1.0) -> Window | None:
    """Return the first window, or None where there is none that the standard allows.

    A width below 1 (LINEAR) or not above 0 (the other two) is illegal; devices write 0 where they mean no window. But
    where a small Rescale Slope makes all values finer than that, a narrow window means what it says: its width, without
    the correction for whole numbers that LINEAR has.

    Parameters
    ----------
    step
        By how much neighbouring modality values differ.
    """
    function = str(presentation.get("VOILUTFunction") or "LINEAR").strip().upper()
    window = _first_window(presentation)
    if window is None or function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return None
    centre, width = window
    if function == "LINEAR" and width <= 1 and step < width:
        function = "LINEAR_EXACT"
    if width < 1 if function == "LINEAR" else width <= 0:
        return None
    return Window(centre, width, function)


def apply_window(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Map modality values to [0, 1].

    References
    ----------
    PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT)
    """
    if window.function == "SIGMOID":
        exponent = np.clip(-4 * (values - window.centre) / window.width, -700, 700)
        return 1 / (1 + np.exp(exponent))
    if window.function == "LINEAR_EXACT":
        return np.clip((values - window.centre) / window.width + 0.5, 0, 1)
    if window.width == 1:
        return (values > window.centre - 0.5).astype(np.float64)
    return np.clip((values - (window.centre - 0.5)) / (window.width - 1) + 0.5, 0, 1)


def _first_window(presentation: Dataset) -> tuple[float, float] | None:
    """Return the first pair of centre and width in which neither is left empty."""
    pairs = zip(_numbers(presentation, "WindowCenter"), _numbers(presentation, "WindowWidth"), strict=False)
    return next(((centre, width) for centre, width in pairs if centre is not None and width is not None), None)


def _numbers(presentation: Dataset, keyword: str) -> list[float | None]:
    try:
        value: Any = presentation.get(keyword)
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        return []
    return [_number(item) for item in (value if isinstance(value, MultiValue | list) else [value])]


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None
