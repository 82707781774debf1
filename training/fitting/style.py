"""How one image looks given to another: grey levels, spectrum and burned-in stamps, but not anatomy.

Training exchanges styles between classes, so that no machine's look goes with a class; val is rendered in each
machine's style to see what the network makes of it. Everything works on grey images of one square size in [0, 1].
Shape suffixes: H rows, W columns, F half as many columns and one, of a spectrum; R rings of one spatial frequency.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped]

Image = NDArray[np.float32]

_LARGEST_GAIN = 4.0
"""Limit, in both directions, by which an image's spectrum is raised to that of another."""
_LEVELS = 256


def match_greys(image_HW: Image, donor_HW: Image, share: float) -> Image:
    """Return the image with a share, in [0, 1], of the donor's grey levels: the same histogram at 1."""
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    below = _cumulative(image_HW)
    matched = np.interp(below, _cumulative(donor_HW), levels)
    curve = levels + share * (matched - levels)
    return np.asarray(np.interp(image_HW, levels, curve), dtype=np.float32)


def match_spectrum(image_HW: Image, donor_HW: Image, share: float, reach: float = 0.0) -> Image:
    """Return the image with a share of the donor's power at each spatial frequency, whatever its direction.

    It carries over sharpness, noise and processing. The mean grey stays; a frequency is raised or lowered by four times
    at most.

    Parameters
    ----------
    reach
        Below this frequency, as a fraction of the side, single amplitudes are exchanged, not their mean over a ring
        (Yang and Soatto, FDA, CVPR 2020).
    """
    size = len(image_HW)
    own_HF, other_HF = fft.rfft2(image_HW), fft.rfft2(donor_HW)
    gain_HF = np.sqrt(_power(other_HF) / _power(own_HF))[_rings(size)]
    gain_HF = np.clip(gain_HF, 1 / _LARGEST_GAIN, _LARGEST_GAIN) ** share
    gain_HF[0, 0] = 1
    low = round(reach * size)
    if low:
        for rows in (slice(0, low + 1), slice(size - low, size)):
            inside = (rows, slice(0, low + 1))
            ratio = np.abs(other_HF[inside]) / np.maximum(np.abs(own_HF[inside]), 1e-3)
            gain_HF[inside] = 1 + share * (ratio - 1)
    changed: Image = np.clip(fft.irfft2(own_HF * gain_HF, s=(size, size)), 0, 1).astype(np.float32)
    return changed


def carry_stamps(image_HW: Image, donor_HW: Image) -> Image:
    """Return the image with what is burned into the donor's margins: small, far brighter than what is around it."""
    size = len(image_HW)
    around_HW = cv2.blur(donor_HW, (size // 10 * 2 + 1,) * 2)
    stamped_HW = (donor_HW > 0.6) & (donor_HW - around_HW > 0.3) & _margin(size)
    changed: Image = np.where(stamped_HW, np.maximum(image_HW, donor_HW), image_HW)
    return changed


def power_by_ring(image_HW: Image) -> NDArray[np.float64]:
    """Return the mean power (R) of the image at each spatial frequency, in whole waves over the side."""
    return _power(fft.rfft2(image_HW))


def _cumulative(image_HW: Image) -> NDArray[np.float64]:
    """Return the share of pixels up to each grey level, strictly rising."""
    greys = np.clip(np.rint(image_HW * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.intp)
    counts = np.bincount(greys.ravel(), minlength=_LEVELS) + 1e-6
    total: NDArray[np.float64] = (counts.cumsum() - counts / 2) / counts.sum()
    return total


def _power(spectrum_HF: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Return the mean power (R) of each ring."""
    rings_HF = _rings(len(spectrum_HF))
    power = spectrum_HF.real**2 + spectrum_HF.imag**2
    total: NDArray[np.float64] = np.bincount(rings_HF.ravel(), power.ravel()) / np.bincount(rings_HF.ravel())
    return total + 1e-9


@functools.cache
def _rings(size: int) -> NDArray[np.intp]:
    """Return the ring of each element of a half spectrum."""
    down, across = fft.fftfreq(size) * size, fft.rfftfreq(size) * size
    rings: NDArray[np.intp] = np.rint(np.hypot(down[:, None], across[None])).astype(np.intp)
    return rings


@functools.cache
def _margin(size: int) -> NDArray[np.bool_]:
    """Return where markers and stamps stand: the upper corners and what lies right in the lowest and highest rows."""
    margin_HW = np.zeros((size, size), dtype=bool)
    margin_HW[: size * 3 // 10, : size // 5] = margin_HW[: size * 3 // 10, -size // 5 :] = True
    margin_HW[-size // 14 :, -size // 4 :] = margin_HW[: size // 14, -size // 4 :] = True
    return margin_HW
