"""The region that a result rests on, as a closed line in the image's own pixel coordinates."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.vocabulary.findings import Outcome, Prediction

#: Activation, on the checkpoint's fixed scale, from which a place counts as activated.
ACTIVATED = 0.5

#: How finely the map is sampled before its contour is drawn, in samples a cell.
_SAMPLES = 32
_MOST_POINTS = 64


def upsampled(cam: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Return a class activation map at another size, in [0, 1] on its fixed scale: no minimum or maximum is taken.

    Each cell of the map covers an equal part of the image. Cubic interpolation overshoots beside a steep slope; what
    leaves the range from 0 to the map's highest cell is cut off, so nothing looks more activated than it is.
    """
    clean = np.clip(np.nan_to_num(np.asarray(cam, dtype=np.float32), nan=0.0), 0, 1)
    if clean.ndim != 2 or clean.size == 0:
        raise ValueError(f"a class activation map is rows x cols, not an array of shape {clean.shape}")
    resized = np.asarray(cv2.resize(clean, (columns, rows), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    return np.clip(resized, 0, clean.max())


def activated_contours(activation: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the outlines of the activated places of an upsampled map, points x (column, row), the largest first."""
    mask = (activation >= ACTIVATED).astype(np.uint8)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # A contour runs through the centres of pixels; half a pixel more gives coordinates from the corner of the map.
    return [
        outline.reshape(-1, 2).astype(np.float32) + 0.5
        for outline in sorted(outlines, key=cv2.contourArea, reverse=True)
        if cv2.contourArea(outline) > 0
    ]


def evidence_region(prediction: Prediction, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the region of a measurement group: a closed polyline, points x (column, row), the first also the last.

    For a positive it runs round the largest activated place. Where none reaches `ACTIVATED`, and for every other
    outcome, it is the rectangle of the whole image, which is what the network judged.

    Source: PS3.16 TID 1410; PS3.3 section C.18.6.1.2: (0, 0) is the top left corner of the image.
    """
    height, width = (size * _SAMPLES for size in prediction.cam.shape)
    contours = []
    if prediction.outcome is Outcome.POSITIVE:
        contours = activated_contours(upsampled(prediction.cam, height, width))
    if not contours:
        corners = [[0, 0], [columns, 0], [columns, rows], [0, rows], [0, 0]]
        return np.asarray(corners, dtype=np.float32)
    points = _simplified(contours[0]) * np.array([columns / width, rows / height], dtype=np.float32)
    return np.concatenate([points, points[:1]]).astype(np.float32)


def _simplified(outline: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an outline with at most `_MOST_POINTS` points."""
    tolerance = 0.5
    points = outline
    while len(points) > _MOST_POINTS:
        points = np.asarray(cv2.approxPolyDP(outline, tolerance, closed=True), dtype=np.float32).reshape(-1, 2)
        tolerance *= 1.5
    return points
