"""Which way is up in a frontal chest radiograph: the one in which it looks more like the mean of many."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from service.thorax.atlas import ATLAS_SIDE, atlas

_MARGIN = 0.03
"""By how much a turned image must look more like a radiograph than the image as it is (difference of correlations).

Of val's 480 images one is called upside down; of their copies turned by 180 degrees or upside down 99 % are.
"""
_RIM = 6
"""Width of the rim of the atlas that is not compared: collimation and markers, in its own pixels."""


def is_upright(display_HW: NDArray[np.float32]) -> bool:
    """Tell whether a frontal chest radiograph has its head end at the top; mirrored or not makes no difference.

    Parameters
    ----------
    display_HW
        Display values, float32, rows x columns, in [0, 1]; 0 is black.
    """
    small = cv2.resize(display_HW, (ATLAS_SIDE, ATLAS_SIDE), interpolation=cv2.INTER_AREA)
    # Mirrored as well, for the heart must not count for a side: only up and down is asked.
    upright, turned = (max(_likeness(view), _likeness(view[:, ::-1])) for view in (small, small[::-1]))
    return turned - upright <= _MARGIN


def _likeness(view_HW: NDArray[np.generic]) -> float:
    """Return the correlation with the mean radiograph, in [-1, 1]."""
    return float((_standardised(view_HW) * _standardised(atlas().grey)).mean())


def _standardised(view_HW: NDArray[np.generic]) -> NDArray[np.float64]:
    inner = np.asarray(view_HW, dtype=np.float64)[_RIM:-_RIM, _RIM:-_RIM]
    return np.asarray((inner - inner.mean()) / max(float(inner.std()), 1e-6), dtype=np.float64)
