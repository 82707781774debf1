"""Windows (PS3.3 section C.11.2.1.2) and their three functions."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset


@dataclass(frozen=True)
class Window:
    """A window on modality values; `function` is LINEAR, LINEAR_EXACT or SIGMOID."""

    centre: float
    width: float
    function: str


def read_window(presentation: Dataset) -> Window | None:
    """Return the first window, or None where there is none that the standard allows.

    A width below 1 (LINEAR) or not above 0 (the other two) is illegal; devices write 0 where they mean no window.
    """
    centre = _first_number(presentation, "WindowCenter")
    width = _first_number(presentation, "WindowWidth")
    function = str(presentation.get("VOILUTFunction") or "LINEAR").strip().upper()
    if centre is None or width is None or function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        return None
    if width < 1 if function == "LINEAR" else width <= 0:
        return None
    return Window(centre, width, function)


def apply_window(values: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    """Map modality values to [0, 1].

    Source: PS3.3 C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT).
    """
    if window.function == "SIGMOID":
        exponent = np.clip(-4 * (values - window.centre) / window.width, -700, 700)
        return 1 / (1 + np.exp(exponent))
    if window.function == "LINEAR_EXACT":
        return np.clip((values - window.centre) / window.width + 0.5, 0, 1)
    if window.width == 1:
        return (values > window.centre - 0.5).astype(np.float64)
    return np.clip((values - (window.centre - 0.5)) / (window.width - 1) + 0.5, 0, 1)


def _first_number(presentation: Dataset, keyword: str) -> float | None:
    try:
        value: Any = presentation.get(keyword)
        if value is None or isinstance(value, str):
            return None
        number = float(value[0] if hasattr(value, "__getitem__") else value)
    except Exception:  # noqa: BLE001 - a malformed element raises whatever its VR's parser raises
        return None
    return number if isfinite(number) else None
