"""From display values of any size to what the network sees; named and versioned, because it decides the result.

Shape suffixes: H rows, W columns; images_N3HW is a batch of three equal channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 224
"""Rows and columns of the shipped network's input."""


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


def stretch_and_enhance(display_HW: NDArray[np.float32], size: int = SIZE) -> NDArray[np.float32]:
    """Return the image at ``size`` x ``size`` with its local contrast enhanced, in steps of 1/255.

    CLAHE on 8 x 8 tiles with a clip limit of 2: section 3.1 of the three-class paper asks for more contrast and names
    no method.
    """
    grey = np.clip(np.rint(stretch(display_HW, size) * 255), 0, 255).astype(np.uint8)
    enhanced = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(grey)
    return np.asarray(enhanced, dtype=np.float32) / np.float32(255)


@dataclass(frozen=True)
class Transform:
    """How display values become one channel of the input: reduced to ``size`` x ``size``, then standardised.

    Attributes
    ----------
    prepare
        From display values (H x W) to values in [0, 1] (``size`` x ``size``): the part that training does once, before
        it changes images at random.
    """

    size: int
    prepare: Callable[[NDArray[np.float32]], NDArray[np.float32]]

    def __call__(self, display_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the standardised channel (``size`` x ``size``)."""
        return standardise(self.prepare(display_HW))


TRANSFORMS: Mapping[str, Transform] = {
    "stretch-224-standardised-v1": Transform(224, stretch),
    "stretch-150-standardised-v1": Transform(150, partial(stretch, size=150)),
    "stretch-224-clahe-standardised-v1": Transform(224, stretch_and_enhance),
}
"""Every transform by the name that a card gives it. A name never changes its meaning: a better one gets a new name."""


def to_batch(name: str, images: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the batch that the network sees (N x 3 x size x size, float32) for display values in [0, 1] of any size.

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
    transform = TRANSFORMS[name]
    batch_NHW = np.stack([transform(image) for image in images])
    shape = (len(images), 3, transform.size, transform.size)
    return np.ascontiguousarray(np.broadcast_to(batch_NHW[:, None], shape))
