"""Where the lungs are, found without a network: dark, inside the body, and where lungs are in other radiographs.

An approximation, good enough to ask how much of a network's evidence lies outside; it is no segmentation for reading.
Shape suffixes: H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.thorax.atlas import atlas

#: Rows and columns of the raster in which a lung field is found; it spans the whole image, whatever its aspect.
SIDE = 224

_ROUNDS = 10
_AREA = (0.025, 0.2)
"""Plausible share of the image for one lung."""
_OVERLAP = 0.45
"""How much one lung must have in common with the atlas (intersection over union)."""
_RARELY = 0.05
"""Share of the atlas's radiographs up to which a place does not count as lung: the armpit is as dark, and near."""
_MOSTLY = 0.5
_CORE = 0.85
"""Share of the atlas's radiographs from which a place counts as lung, dark or not: a consolidation is not dark."""


@dataclass(frozen=True)
class LungField:
    """The field of one image.

    Attributes
    ----------
    mask_HW
        True inside either lung; `SIDE` x `SIDE`, spanning the whole image.
    borrowed
        Whether one lung was not found and is the atlas's.
    """

    mask_HW: NDArray[np.bool_]
    borrowed: bool


def find_lung_field(display_HW: NDArray[np.float32]) -> LungField | None:
    """Find the lungs in a frontal radiograph.

    The atlas of other radiographs is the prior of a mixture of two greys, lungs and the rest. A lung is the convex hull
    of its dark part, so that ribs and small opacities belong to it, with the places that are lung in nearly all; the
    heart does not belong to it.

    Parameters
    ----------
    display_HW
        Display values, float32, rows x columns, in [0, 1]; 0 is black.

    Returns
    -------
    None where neither lung is credible: then nobody should say where in the lungs something is.
    """
    smooth_HW = _smooth(_raster(display_HW))
    prior_HW = _prior()
    field_HW, missing = prior_HW > _CORE, 0
    for side, mean in zip(_sides(_mixture(smooth_HW, prior_HW)), _sides(usual_lung_field()), strict=True):
        lung = _lung(side) & (prior_HW > _RARELY)
        common = (lung & mean).sum() / max((lung | mean).sum(), 1)
        if not _plausible(lung) or common < _OVERLAP:
            lung = mean
            missing += 1
        field_HW = field_HW | lung
    return None if missing == 2 else LungField(field_HW, missing == 1)


def usual_lung_field() -> NDArray[np.bool_]:
    """Return where the lungs lie in most radiographs, `SIDE` x `SIDE`."""
    return np.asarray(_prior() > _MOSTLY)


def lungs_by_threshold(display_HW: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return both lungs by a threshold alone, `SIDE` x `SIDE`; None unless both are plausible.

    It needs no atlas, and works where the contrast is good: an atlas is made of what it finds.

    References
    ----------
    Otsu, A threshold selection method from gray-level histograms, IEEE Transactions on Systems, Man and Cybernetics 9,
    1979
    """
    left, right = (_lung(side) for side in _sides(_dark(_smooth(_raster(display_HW)))))
    return left | right if _plausible(left) and _plausible(right) else None


@lru_cache(maxsize=1)
def _prior() -> NDArray[np.float32]:
    return np.asarray(cv2.resize(atlas().lung, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _raster(display_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image in the raster of the field, whatever its size and aspect."""
    interpolation = cv2.INTER_AREA if min(display_HW.shape) > SIDE else cv2.INTER_LINEAR
    # Averaged where it is reduced: interpolation would skip most of the pixels.
    raster_HW = cv2.resize(np.asarray(display_HW, dtype=np.float32), (SIDE, SIDE), interpolation=interpolation)
    return np.nan_to_num(np.asarray(raster_HW, dtype=np.float32))


def _smooth(image_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Even the contrast out, and blur the ribs away."""
    grey = np.clip(np.rint(image_HW * 255), 0, 255).astype(np.uint8)
    even = cv2.createCLAHE(2.0, (4, 4)).apply(grey)
    return np.asarray(cv2.GaussianBlur(even.astype(np.float32) / 255, (0, 0), grey.shape[1] / 60), dtype=np.float32)


def _air(smooth_HW: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the air beside the body: far darker than its middle, and connected with the left, right or upper edge."""
    rows, columns = smooth_HW.shape
    middle = np.median(smooth_HW[rows // 5 :, columns // 4 : 3 * columns // 4])
    _, label_HW = cv2.connectedComponents((smooth_HW < 0.45 * middle).astype(np.uint8), connectivity=4)
    at_edge = np.unique(np.concatenate([label_HW[:, 0], label_HW[:, -1], label_HW[0]]))
    return np.isin(label_HW, at_edge[at_edge > 0])


def _dark(smooth_HW: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return what is dark in the middle of the image and inside the body."""
    rows, columns = smooth_HW.shape
    inside_HW = np.zeros(smooth_HW.shape, dtype=bool)
    inside_HW[int(0.12 * rows) : int(0.9 * rows), int(0.12 * columns) : int(0.88 * columns)] = True
    margin = np.ones((columns // 25, columns // 25), dtype=np.uint8)
    inside_HW &= cv2.dilate(_air(smooth_HW).astype(np.uint8), margin) == 0
    if not inside_HW.any():
        return inside_HW
    grey_HW = np.rint(smooth_HW * 255).astype(np.uint8)
    threshold, _ = cv2.threshold(grey_HW[inside_HW][:, None], 0, 255, cv2.THRESH_OTSU)
    return inside_HW & (grey_HW < threshold)


def _mixture(smooth_HW: NDArray[np.float32], atlas_HW: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return where the darker of two Gaussians of one width is the likelier, the atlas being the prior."""
    margin = np.ones((atlas_HW.shape[1] // 32,) * 2, dtype=np.uint8)
    zone_HW = (cv2.dilate((atlas_HW > 0.05).astype(np.uint8), margin) > 0) & ~_air(smooth_HW)
    found_HW = np.zeros(smooth_HW.shape, dtype=bool)
    if not zone_HW.any():
        return found_HW
    # A prior of 0 or 1 would stand whatever the image shows.
    grey, prior = smooth_HW[zone_HW], np.clip(atlas_HW[zone_HW], 0.02, 0.98)
    number, all_grey, all_squares = grey.size, _sum(grey), _sum(grey * grey)
    usual_odds, posterior = np.log(prior / (1 - prior)), prior
    for _ in range(_ROUNDS):
        share, lung_grey = _sum(posterior), _sum(posterior * grey)
        lungs, rest = lung_grey / share, (all_grey - lung_grey) / (number - share)
        # One grey throughout has no variance to divide by.
        variance = (all_squares - share * lungs**2 - (number - share) * rest**2) / number + 1e-5
        # How much likelier a grey is in the lungs: of two Gaussians of one width the logarithm is linear in it.
        odds = usual_odds + (grey - (lungs + rest) / 2) * ((lungs - rest) / variance)
        posterior = np.clip(1 / (1 + np.exp(-odds)), 1e-6, 1 - 1e-6)
    # Where the places that should be lungs came out brighter, what was found is no lung.
    found_HW[zone_HW] = (posterior > 0.5) & (lungs < rest)
    return found_HW


def _sum(values: NDArray[np.floating[Any]]) -> float:
    return float(values.sum(dtype=np.float64))


def _sides(field_HW: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the parts left and right of the middle column."""
    left_W = np.arange(field_HW.shape[1]) < field_HW.shape[1] / 2
    return field_HW & left_W, field_HW & ~left_W


def _lung(dark_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the convex hull of the largest part, after thin bridges to the armpit are cut."""
    width = dark_HW.shape[1] // 20
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    opened = cv2.morphologyEx(dark_HW.astype(np.uint8), cv2.MORPH_OPEN, brush)
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(dark_HW.shape, dtype=np.uint8)
    if contours:
        cv2.fillConvexPoly(filled, cv2.convexHull(max(contours, key=cv2.contourArea)), 1)
    return filled > 0


def _plausible(lung_HW: NDArray[np.bool_]) -> bool:
    """Say whether size, place and height are those of a lung in a frontal radiograph."""
    if not _AREA[0] < lung_HW.mean() < _AREA[1]:
        return False
    moments = cv2.moments(lung_HW.astype(np.uint8), binaryImage=True)
    across = moments["m10"] / moments["m00"] / lung_HW.shape[1]
    down = moments["m01"] / moments["m00"] / lung_HW.shape[0]
    height = (cv2.boundingRect(lung_HW.astype(np.uint8))[3] - 1) / lung_HW.shape[0]
    return bool(0.18 < min(across, 1 - across) < 0.4 and 0.3 < down < 0.7 and 0.25 < height < 0.8)
