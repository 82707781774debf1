"""How one image looks given to another: grey levels, spectrum and burned-in stamps, but not anatomy.

Training exchanges styles between classes, so that no machine's look goes with a class; val is rendered in each
machine's style to see what the network makes of it. Everything works on grey images of one square size in [0, 1].
Shape suffixes: as in :mod:`models.look`.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped]

from models.look import GreyImage, change_greys, cumulative_greys, ring_gains, ring_power


def match_greys(image_HW: GreyImage, donor_HW: GreyImage, share: float) -> GreyImage:
    """Return the image with a share, in [0, 1], of the donor's grey levels: the same histogram at 1."""
    levels = np.linspace(0, 1, len(cumulative_greys(donor_HW)))
    wanted = np.interp(cumulative_greys(image_HW), cumulative_greys(donor_HW), levels)
    return change_greys(image_HW, wanted, share)


def match_spectrum(image_HW: GreyImage, donor_HW: GreyImage, share: float, reach: float = 0.0) -> GreyImage:
    """Return the image with a share of the donor's power at each spatial frequency, whatever its direction.

    It carries over sharpness, noise and processing. The mean grey stays; a frequency is raised or lowered by four times
    at most.

    Parameters
    ----------
    reach
        Below this frequency, as a fraction of the side, single amplitudes are exchanged, not their mean over a ring.

    References
    ----------
    Yang and Soatto, FDA: Fourier domain adaptation for semantic segmentation, CVPR 2020, section 3.1
    """
    size = len(image_HW)
    own_HF, other_HF = fft.rfft2(image_HW), fft.rfft2(donor_HW)
    gain_HF = ring_gains(own_HF, ring_power(other_HF), share)
    low = round(reach * size)
    if low:
        for rows in (slice(0, low + 1), slice(size - low, size)):
            inside = (rows, slice(0, low + 1))
            ratio = np.abs(other_HF[inside]) / np.maximum(np.abs(own_HF[inside]), 1e-3)
            gain_HF[inside] = 1 + share * (ratio - 1)
    changed: GreyImage = np.clip(fft.irfft2(own_HF * gain_HF, s=(size, size)), 0, 1).astype(np.float32)
    return changed


def carry_stamps(image_HW: GreyImage, donor_HW: GreyImage) -> GreyImage:
    """Return the image with what is burned into the donor's margins: small, far brighter than what is around it."""
    size = len(image_HW)
    around_HW = cv2.blur(donor_HW, (size // 10 * 2 + 1,) * 2)
    stamped_HW = (donor_HW > 0.6) & (donor_HW - around_HW > 0.3) & _margin(size)
    changed: GreyImage = np.where(stamped_HW, np.maximum(image_HW, donor_HW), image_HW)
    return changed


def power_by_ring(image_HW: GreyImage) -> NDArray[np.float64]:
    """Return the mean power (R) of the image at each spatial frequency, in whole waves over the side."""
    return ring_power(fft.rfft2(image_HW))


@functools.cache
def _margin(size: int) -> NDArray[np.bool_]:
    """Return where markers and stamps stand: the upper corners and what lies right in the lowest and highest rows."""
    margin_HW = np.zeros((size, size), dtype=bool)
    margin_HW[: size * 3 // 10, : size // 5] = margin_HW[: size * 3 // 10, -size // 5 :] = True
    margin_HW[-size // 14 :, -size // 4 :] = margin_HW[: size // 14, -size // 4 :] = True
    return margin_HW
