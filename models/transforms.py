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

from models.look import common_greys, common_look

SIZE = 224
"""Rows and columns of the shipped network's input."""
_WINDOWS = (16, 8, 4)
"""By what the image's side is divided to get the deviations of the three windows of :func:`local_contrast`."""
_FLOOR, _FARTHEST = 0.15, 5.0
"""The least local deviation, and the limit of what is left, in deviations of the whole image and of the window."""


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
    # An even image has no deviation; below one grey level of 255 it is noise, and must not be blown up.
    deviation = max(float(image_HW.std(dtype=np.float64)), 1 / 255)
    return np.asarray((image_HW - mean) / deviation, dtype=np.float32)


def equal_channels(image_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standardised image three times (3 x H x W)."""
    return np.broadcast_to(standardise(image_HW), (3, *image_HW.shape))


def local_contrast(image_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the image (3 x H x W) against its surroundings at three scales: each without local mean and deviation.

    A machine's tone curve and processing are told by grey levels and by how strong structures are; neither is left.
    The windows are two box filters in a row, nearly Gaussian, with a deviation of a sixteenth, an eighth and a quarter
    of the side. Where an image is even, as in black borders, the floor keeps noise from becoming structure.
    """
    standard_HW = standardise(image_HW)
    return np.stack([_against_surroundings(standard_HW, len(image_HW) // part) for part in _WINDOWS])


def _against_surroundings(standard_HW: NDArray[np.float32], deviation: int) -> NDArray[np.float32]:
    side = (round(deviation * 6**0.5) // 2 * 2 + 1,) * 2

    def mean(values_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        once_HW = cv2.blur(values_HW, side, borderType=cv2.BORDER_REFLECT)
        return np.asarray(cv2.blur(once_HW, side, borderType=cv2.BORDER_REFLECT), dtype=np.float32)

    mean_HW = mean(standard_HW)
    variance_HW = np.maximum(mean(standard_HW**2) - mean_HW**2, 0)
    local_HW = (standard_HW - mean_HW) / np.sqrt(variance_HW + np.float32(_FLOOR**2))
    return np.asarray(np.clip(local_HW, -_FARTHEST, _FARTHEST), dtype=np.float32)


def local_contrast_in_common_look(image_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return :func:`local_contrast` (3 x H x W) of the image in the look that all images get.

    Local mean and deviation leave a machine's sharpness, noise and longest waves in the picture; this does not.
    """
    return local_contrast(common_look(image_HW))


def local_contrast_in_common_greys(image_HW: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return :func:`local_contrast` (3 x H x W) of the image in the greys that all images get, its spectrum as it is.

    A border or a crop changes a spectrum more than a machine does: what makes spectra alike takes it for a machine.
    """
    return local_contrast(common_greys(image_HW))


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
    """How display values become the input: reduced to ``size`` x ``size``, then made into three channels.

    Attributes
    ----------
    prepare
        From display values (H x W) to values in [0, 1] (``size`` x ``size``): the part that training does once, before
        it changes images at random.
    finish
        From these values, at any size, to the input (3 x H x W): the part that training does on each changed image.
    """

    size: int
    prepare: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    finish: Callable[[NDArray[np.float32]], NDArray[np.float32]] = equal_channels

    def __call__(self, display_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the input (3 x ``size`` x ``size``)."""
        return self.finish(self.prepare(display_HW))


TRANSFORMS: Mapping[str, Transform] = {
    "stretch-224-standardised-v1": Transform(224, stretch),
    "stretch-150-standardised-v1": Transform(150, partial(stretch, size=150)),
    "stretch-224-clahe-standardised-v1": Transform(224, stretch_and_enhance),
    "stretch-224-local-contrast-v1": Transform(224, stretch, local_contrast),
    "stretch-224-common-look-v1": Transform(224, stretch, local_contrast_in_common_look),
    "stretch-224-common-greys-v1": Transform(224, stretch, local_contrast_in_common_greys),
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
    return np.ascontiguousarray(np.stack([transform(image) for image in images]))
