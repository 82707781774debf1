"""From display values of any size to what the network sees; named and versioned, because it decides the result.

Shape suffixes: H rows, W columns; images_N3HW is a batch of three equal channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 224
"""Rows and columns of the network's input."""


def stretch(display_HW: NDArray[np.float32], size: int = SIZE) -> NDArray[np.float32]:
    """Return the image at ``size`` x ``size`` pixels without keeping the aspect; float32, the same grey range.

    A triangle filter as wide as the reduction (Pillow's BILINEAR, in float): of nine filters, the one that comes
    nearest to how the training images were reduced (mean difference 1.6 grey levels of 255 over 20 pairs of originals
    and reduced copies; pixel area 1.9, plain bilinear 3.0).
    """
    if display_HW.shape == (size, size):
        return np.ascontiguousarray(display_HW, dtype=np.float32)
    picture = Image.fromarray(np.ascontiguousarray(display_HW, dtype=np.float32))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)


def standardise(image_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image with mean 0 and standard deviation 1, so that brightness and window width do not matter."""
    mean = image_HW.mean(dtype=np.float64)
    deviation = max(float(image_HW.std(dtype=np.float64)), 1 / 255)
    return np.asarray((image_HW - mean) / deviation, dtype=np.float32)


def _stretch_and_standardise(display_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    return standardise(stretch(display_HW))


TRANSFORMS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "stretch-224-standardised-v1": _stretch_and_standardise,
}
"""Every transform by the name that a card gives it. A name never changes its meaning: a better one gets a new name."""


def to_batch(name: str, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the batch that the network sees (N x 3 x 224 x 224, float32) for display values in [0, 1] of any size.

    Raises
    ------
    ValueError
        When there is no transform of that name, or an image is not a finite two-dimensional array with pixels.
    """
    if name not in TRANSFORMS:
        raise ValueError(f"There is no transform named {name!r}; this version knows {', '.join(TRANSFORMS)}.")
    for image in images:
        if image.ndim != 2 or not image.size:
            raise ValueError(f"Display values must be rows x columns with at least one pixel, not {image.shape}.")
        if not np.isfinite(image).all():
            raise ValueError("Display values must be finite numbers between 0 and 1.")
    batch_NHW = np.stack([TRANSFORMS[name](image) for image in images])
    return np.ascontiguousarray(np.broadcast_to(batch_NHW[:, None], (len(images), 3, SIZE, SIZE)))
