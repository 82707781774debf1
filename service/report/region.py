"""Where the activation behind a positive lies: the one set of regions that every object of a report set shows.

Activation in the lung field is evidence that a reader can check. What lies outside it (a side marker, an arm, the
belly) is measured and said, and never given a region.
Shape suffixes: H rows, W columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from service.thorax import SIDE, LungField

#: Activation, on the checkpoint's fixed scale, from which a place counts as activated.
ACTIVATED = 0.5
#: Share of the activation outside the lung field beyond which the map is withheld.
MOST_OUTSIDE = 0.5

_SMALLEST = (SIDE // 14) ** 2
"""Smallest region, in places of the raster: a quarter of a cell of the map; less is the rim of what lies beside it."""
_MOST_REGIONS = 4
_MOST_POINTS = 64


class Withheld(StrEnum):
    """Why the map of a positive is not shown."""

    NO_LUNG_FIELD = "no lung field found"
    OFF_LUNGS = "most of the activation lies outside the lung field"


@dataclass(frozen=True)
class Localisation:
    """Where the activation of one positive lies.

    Attributes
    ----------
    lung_field_HW
        True in the lungs, in a raster that spans the image; None where none was found.
    regions
        Outlines of the activated places in the lung field, the largest first: points x (column, row), the first also
        the last, in [0, 1] of the image's width and height from its top left corner. None when the map is withheld.
    outside
        Share of the activation outside the lung field, in [0, 1]; None where no field was found or nothing is
        activated. Half a cell beyond the field's edge still counts as inside: the map is no finer than that.
    peak_in_lungs
        Whether the highest activation lies in the lung field, with the same tolerance; false without a field.
    withheld
        Why the map is not shown; None when it is.
    """

    lung_field_HW: NDArray[np.bool_] | None
    regions: tuple[NDArray[np.float32], ...]
    outside: float | None
    peak_in_lungs: bool
    withheld: Withheld | None


def localise(cam: NDArray[np.float32], lung_field: LungField | None) -> Localisation:
    """Say where the activation of a positive lies.

    Parameters
    ----------
    cam
        Class activation map, rows x cols of any size, on the fixed scale [0, 1].
    """
    if lung_field is None:
        return Localisation(None, (), None, False, Withheld.NO_LUNG_FIELD)
    activation_HW = upsampled(cam, SIDE, SIDE)
    near_HW = _widened(lung_field.mask_HW, SIDE / (2 * min(cam.shape)))
    total = float(activation_HW.sum())
    outside = float(activation_HW[~near_HW].sum()) / total if total > 0 else None
    peak = bool(near_HW.flat[int(activation_HW.argmax())]) and total > 0
    withheld = Withheld.OFF_LUNGS if outside is not None and outside > MOST_OUTSIDE else None
    regions = () if withheld else _outlines((activation_HW >= ACTIVATED) & lung_field.mask_HW)
    return Localisation(lung_field.mask_HW, regions, outside, peak, withheld)


def upsampled(cam: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Return a class activation map at another size, in [0, 1] on its fixed scale: no minimum or maximum is taken.

    Each cell of the map covers an equal part of the image. Cubic interpolation overshoots beside a steep slope; what
    leaves the range from 0 to the map's highest cell is cut off, so nothing looks more activated than it is.
    """
    clean = np.clip(np.nan_to_num(np.asarray(cam, dtype=np.float32), nan=0.0), 0, 1)
    if clean.ndim != 2 or clean.size == 0:
        raise ValueError(f"a class activation map is rows x cols, not an array of shape {clean.shape}")
    down, across = (_weights(cells, length) for cells, length in zip(clean.shape, (rows, columns), strict=True))
    # By einsum, which starts no thread: for products so small, threads wait longer for each other than they compute.
    resized: NDArray[np.float32] = np.einsum(
        "rj,jc->rc", np.einsum("ri,ij->rj", down, clean), np.ascontiguousarray(across.T)
    )
    return np.clip(resized, 0, clean.max(), out=resized)


def _weights(cells: int, length: int) -> NDArray[np.float32]:
    """Return how much each cell has of each place, places x cells, by cubic interpolation.

    Of a map of few cells, two products with them are several times as fast as interpolating pixel by pixel.
    """
    unit = np.eye(cells, dtype=np.float32)
    return np.asarray(cv2.resize(unit, (cells, length), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def in_pixels(outline: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Return an outline in an image's pixel coordinates, points x (column, row).

    References
    ----------
    PS3.3 section C.18.6.1.2: (0, 0) is the top left corner of the image
    """
    return np.asarray(outline * np.array([columns, rows], dtype=np.float32), dtype=np.float32)


def activation_within(cam: NDArray[np.float32], outline: NDArray[np.float32]) -> float:
    """Return the share of the activation that lies within an outline, in [0, 1]."""
    activation_HW = upsampled(cam, SIDE, SIDE)
    mask_HW = np.zeros((SIDE, SIDE), dtype=np.uint8)
    cv2.fillPoly(mask_HW, [np.rint(outline * SIDE - 0.5).astype(np.int32)], 1)
    return float(activation_HW[mask_HW > 0].sum() / max(float(activation_HW.sum()), 1e-6))


#: A frame that stands for the image as a whole, which is what the network judged. It is drawn a quarter inside the
#: edge: viewers print the measurements to the right of an outline, and beside the edge there is no room for them.
WHOLE_IMAGE: NDArray[np.float32] = np.array(
    [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75], [0.25, 0.25]], dtype=np.float32
)


def _widened(mask_HW: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    side = 2 * round(radius) + 1
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask_HW.astype(np.uint8), brush) > 0)


def _outlines(mask_HW: NDArray[np.bool_]) -> tuple[NDArray[np.float32], ...]:
    """Return the outlines of the largest parts of a mask.

    A contour runs through the centres of places; drawn there it stays inside what it surrounds.
    """
    outlines, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = sorted(outlines, key=cv2.contourArea, reverse=True)[:_MOST_REGIONS]
    return tuple(
        _closed(np.asarray(outline, dtype=np.int32)) for outline in largest if cv2.contourArea(outline) >= _SMALLEST
    )


def _closed(outline: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """Return a contour as a closed line of at most `_MOST_POINTS` points, in [0, 1] of the raster."""
    points = np.asarray(outline, dtype=np.float32).reshape(-1, 2)
    tolerance = 0.5
    while len(points) > _MOST_POINTS:
        points = np.asarray(cv2.approxPolyDP(outline, tolerance, closed=True), dtype=np.float32).reshape(-1, 2)
        tolerance *= 1.5
    return np.asarray((np.concatenate([points, points[:1]]) + 0.5) / SIDE, dtype=np.float32)
