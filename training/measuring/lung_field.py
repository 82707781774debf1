"""Where the lungs are, found without a network: dark, inside the body, and where lungs are in the other images.

An approximation, good enough to ask how much of the evidence lies outside; it is no segmentation for reading.
Shape suffixes: N images, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_ROUNDS = 10
_AREA = (0.025, 0.2)
"""Plausible share of the image for one lung."""
_OVERLAP = 0.45
"""How much one lung must have in common with the atlas (intersection over union)."""


@dataclass(frozen=True)
class LungFields:
    """The field of every image, and which of them are borrowed.

    Attributes
    ----------
    fields_NHW
        True inside either lung.
    borrowed_N
        Whether the image got the mean field of the others on at least one side, because its own was not plausible.
    """

    fields_NHW: NDArray[np.bool_]
    borrowed_N: NDArray[np.bool_]


def find_lung_fields(images_NHW: Sequence[NDArray[np.float32]]) -> LungFields:
    """Find the lungs in frontal radiographs of one size, with display values in [0, 1], air dark.

    A threshold (Otsu 1979) finds them where the contrast is good. The mean of these fields is the atlas, which a second
    pass takes as the prior of a mixture of two greys, lungs and the rest, in every image. A lung is the convex hull of
    its dark part, so that ribs and small opacities belong to it; the heart does not.

    Raises
    ------
    ValueError
        When no image has two plausible lungs: then there is no atlas either.
    """
    smooth_NHW = [_smooth(image) for image in images_NHW]
    pairs = [[_lung(side) for side in _sides(_dark(smooth))] for smooth in smooth_NHW]
    certain = [left | right for left, right in pairs if _plausible(left) and _plausible(right)]
    if not certain:
        raise ValueError("No image shows two plausible lungs; the lung field needs frontal chest radiographs.")
    mean_HW: NDArray[np.float32] = np.mean(np.array(certain), axis=0, dtype=np.float32)
    atlas_HW = np.asarray(cv2.GaussianBlur(mean_HW, (0, 0), mean_HW.shape[1] / 45), dtype=np.float32)
    found = [_field(smooth, atlas_HW) for smooth in smooth_NHW]
    return LungFields(np.array([field for field, _ in found]), np.array([borrowed for _, borrowed in found]))


def _field(smooth_HW: NDArray[np.float32], atlas_HW: NDArray[np.float32]) -> tuple[NDArray[np.bool_], bool]:
    """Return both lungs, and whether one is the atlas's."""
    field_HW, borrowed = np.zeros(smooth_HW.shape, dtype=bool), False
    for side, mean in zip(_sides(_mixture(smooth_HW, atlas_HW)), _sides(atlas_HW > 0.5), strict=True):
        lung = _lung(side)
        common = (lung & mean).sum() / max((lung | mean).sum(), 1)
        if not _plausible(lung) or common < _OVERLAP:
            lung, borrowed = mean, True
        field_HW |= lung
    return field_HW, borrowed


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
    grey, prior = smooth_HW[zone_HW], np.clip(atlas_HW[zone_HW], 0.02, 0.98)
    posterior = prior
    for _ in range(_ROUNDS):
        lungs, rest = np.average(grey, weights=posterior), np.average(grey, weights=1 - posterior)
        apart_lungs, apart_rest = (grey - lungs) ** 2, (grey - rest) ** 2
        variance = (posterior * apart_lungs + (1 - posterior) * apart_rest).mean() + 1e-5
        odds = np.log(prior / (1 - prior)) + (apart_rest - apart_lungs) / (2 * variance)
        posterior = np.clip(1 / (1 + np.exp(-odds)), 1e-6, 1 - 1e-6)
    found_HW[zone_HW] = (posterior > 0.5) & (lungs < rest)
    return found_HW


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
    rows, columns = np.nonzero(lung_HW)
    across, down = columns.mean() / lung_HW.shape[1], rows.mean() / lung_HW.shape[0]
    height = np.ptp(rows) / lung_HW.shape[0]
    return bool(0.18 < min(across, 1 - across) < 0.4 and 0.3 < down < 0.7 and 0.25 < height < 0.8)
