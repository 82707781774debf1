"""Ways to change an image in one respect at a time.

Everything works on display values: float32, rows x columns (H, W), in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]
Change = Callable[[Values, float], Values]


def brightness(values: Values, amount: float) -> Values:
    """Add to every grey; what leaves the range is clipped."""
    return _float(np.clip(values + np.float32(amount), 0, 1))


def contrast(values: Values, factor: float) -> Values:
    """Stretch the greys about the middle, as a narrower window does."""
    return _float(np.clip((values - np.float32(0.5)) * np.float32(factor) + np.float32(0.5), 0, 1))


def gamma(values: Values, exponent: float) -> Values:
    """Raise the greys to a power."""
    return _float(np.power(values, np.float32(exponent)))


def blur(values: Values, sigma: float) -> Values:
    """Blur with a Gaussian; sigma in pixels of a 224-pixel image."""
    return _float(cv2.GaussianBlur(values, (0, 0), sigma * values.shape[1] / 224))


def sharpen(values: Values, amount: float) -> Values:
    """Add the difference to a blurred copy."""
    return np.clip(values + np.float32(amount) * (values - blur(values, 1.5)), 0, 1)


def local_contrast(values: Values, limit: float) -> Values:
    """Equalise the greys within each of 8 x 8 tiles, with limited slope (CLAHE), as vendors' processing does."""
    equalised = cv2.createCLAHE(limit, (8, 8)).apply(np.rint(values * 65535).astype(np.uint16))
    return _float(equalised) / np.float32(65535)


def equalise(values: Values, share: float) -> Values:
    """Mix with a copy whose greys are equally frequent."""
    equal = cv2.equalizeHist(np.rint(values * 255).astype(np.uint8))
    return values + np.float32(share) * (_float(equal) / np.float32(255) - values)


def compress(values: Values, quality: float) -> Values:
    """Encode as JPEG of a quality from 1 to 100, and decode."""
    encoded = cv2.imencode(".jpg", np.rint(values * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), dtype=np.float32) / np.float32(255)


def coarsen(values: Values, side: float) -> Values:
    """Reduce to a number of pixels a side by area, and enlarge again."""
    rows, columns = values.shape
    small = cv2.resize(values, (int(side), int(side)), interpolation=cv2.INTER_AREA)
    return _float(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR))


def subsample(values: Values, side: float) -> Values:
    """Reduce to a number of pixels a side without any filter (nearest neighbour); fine structures alias."""
    return _float(cv2.resize(values, (int(side), int(side)), interpolation=cv2.INTER_NEAREST))


def noise(values: Values, deviation: float) -> Values:
    """Add Gaussian noise, the same for every image of a size."""
    drawn = np.random.default_rng(7).standard_normal(values.shape, dtype=np.float32)
    return np.clip(values + np.float32(deviation) * drawn, 0, 1)


def border(values: Values, fraction: float, grey: float = 0) -> Values:
    """Cover a margin on all four sides, black where no grey is given."""
    rows, columns = (int(side * fraction) for side in values.shape)
    covered = np.full_like(values, grey)
    inside = slice(rows, values.shape[0] - rows), slice(columns, values.shape[1] - columns)
    covered[inside] = values[inside]
    return covered


def white_border(values: Values, fraction: float) -> Values:
    """Cover a margin on all four sides in white, as a film on a light box has it."""
    return border(values, fraction, grey=1)


def text(values: Values, scale: float) -> Values:
    """Burn letters and digits into an upper and a lower corner; scale 1 is about 9 of 224 pixels high."""
    rows, columns = values.shape
    letters = np.zeros(values.shape, dtype=np.uint8)
    for words, across, down in (("R  AP", 0.04, 0.09), ("12:47 PORTABLE", 0.35, 0.97)):
        place = (int(across * columns), int(down * rows))
        size, pen = 0.4 * scale * columns / 224, max(1, round(columns / 224))
        cv2.putText(letters, words, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, pen)
    return _float(np.maximum(values, letters.astype(np.float32) / np.float32(255)))


def corners(values: Values, fraction: float) -> Values:
    """Cover the four corners, where markers and burned-in text stand."""
    rows, columns = (int(side * fraction) for side in values.shape)
    covered = values.copy()
    for down in (slice(None, rows), slice(values.shape[0] - rows, None)):
        for across in (slice(None, columns), slice(values.shape[1] - columns, None)):
            covered[down, across] = 0
    return covered


def rotate(values: Values, degrees: float) -> Values:
    """Turn about the centre; black comes in at the corners."""
    rows, columns = values.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
    return _float(cv2.warpAffine(values, matrix, (columns, rows)))


def aspect(values: Values, factor: float) -> Values:
    """Widen the image by a factor and cut it to its former size, or narrow it between black margins."""
    rows, columns = values.shape
    matrix = np.array([[factor, 0, columns * (1 - factor) / 2], [0, 1, 0]], dtype=np.float64)
    return _float(cv2.warpAffine(values, matrix, (columns, rows)))


def crop(values: Values, fraction: float) -> Values:
    """Cut a margin off all four sides."""
    rows, columns = (int(side * fraction) for side in values.shape)
    return np.ascontiguousarray(values[rows : values.shape[0] - rows, columns : values.shape[1] - columns])


def _float(image: NDArray[np.generic]) -> Values:
    return np.asarray(image, dtype=np.float32)
