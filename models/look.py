"""What a machine leaves in a picture, the histogram of greys and the power at each spatial frequency, made alike.

Shape suffixes: H rows, W columns, F half as many columns and one, of a spectrum; R rings of one spatial frequency.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

GreyImage = NDArray[np.float32]

LARGEST_GAIN = 4.0
"""Limit, in both directions, by which amplitudes are raised: what is not there would come back as noise."""
_LEVELS = 256
_GREYS = (
    *(0.003, 0.067, 0.165, 0.263, 0.337, 0.395, 0.443, 0.487, 0.528),
    *(0.567, 0.604, 0.639, 0.672, 0.703, 0.733, 0.765, 0.927),
)
"""The greys below which 0, 1, ... 16 sixteenths of a picture lie: means over train, each class counting the same."""
_WAVES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 112, 128, 158)
_LOG_POWERS = (
    *(-5.84, -8.06, -8.0, -9.41, -10.74, -11.51, -12.51, -13.47),
    *(-14.89, -15.89, -16.93, -17.83, -19.25, -19.9, -22.03, -23.15),
)
"""Natural logarithm of the mean power at so many waves over the side, over the fourth power of the side; as above."""


def common_look(image_HW: GreyImage) -> GreyImage:
    """Return a square image in [0, 1] with the greys and the spectrum that all images get.

    Its tone curve is undone by way of the histogram, exactly; then its sharpness, noise and processing, by way of the
    power in each ring of frequencies. The order of its greys, the phases and the directions stay: where things are.
    """
    if image_HW.max() == image_HW.min():
        return image_HW
    toned_HW = common_greys(image_HW)
    spectrum_HF = np.fft.rfft2(toned_HW)
    gain_HF = ring_gains(spectrum_HF, _common_power(len(image_HW)))
    changed: GreyImage = np.clip(np.fft.irfft2(spectrum_HF * gain_HF, s=image_HW.shape), 0, 1).astype(np.float32)
    return changed


def common_greys(image_HW: GreyImage) -> GreyImage:
    """Return an image in [0, 1] with the greys that all images get: its tone curve is undone, their order stays."""
    if image_HW.max() == image_HW.min():
        return image_HW
    quantiles = np.linspace(0, 1, len(_GREYS))
    return change_greys(image_HW, np.interp(cumulative_greys(image_HW), quantiles, _GREYS))


def cumulative_greys(image_HW: GreyImage) -> NDArray[np.float64]:
    """Return the share of pixels up to each of 256 grey levels, strictly rising."""
    greys = np.clip(np.rint(image_HW * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.intp)
    counts = np.bincount(greys.ravel(), minlength=_LEVELS) + 1e-6
    total: NDArray[np.float64] = (counts.cumsum() - counts / 2) / counts.sum()
    return total


def change_greys(image_HW: GreyImage, wanted: NDArray[np.float64], share: float = 1.0) -> GreyImage:
    """Return the image with a share, in [0, 1], of the way from each of 256 grey levels to the one that is wanted."""
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    return np.asarray(np.interp(image_HW, levels, levels + share * (wanted - levels)), dtype=np.float32)


def ring_gains(
    spectrum_HF: NDArray[np.complexfloating], wanted_R: NDArray[np.float64], share: float = 1.0
) -> NDArray[np.float64]:
    """Return the factor of each amplitude that brings a half spectrum to the power wanted in each ring; 1 for the mean.

    Parameters
    ----------
    share
        How much of the way, in [0, 1], on a logarithmic scale.
    """
    gain_R = np.clip(np.sqrt(wanted_R / ring_power(spectrum_HF)), 1 / LARGEST_GAIN, LARGEST_GAIN) ** share
    gain_HF: NDArray[np.float64] = gain_R[_rings(len(spectrum_HF))]
    gain_HF[0, 0] = 1
    return gain_HF


def ring_power(spectrum_HF: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    """Return the mean power (R) of a half spectrum at each spatial frequency, in whole waves over the side."""
    rings_HF = _rings(len(spectrum_HF))
    power = spectrum_HF.real**2 + spectrum_HF.imag**2
    total: NDArray[np.float64] = np.bincount(rings_HF.ravel(), power.ravel()) / np.bincount(rings_HF.ravel())
    return total + 1e-9


@functools.cache
def _rings(size: int) -> NDArray[np.intp]:
    """Return the ring of each element of a half spectrum."""
    down, across = np.fft.fftfreq(size) * size, np.fft.rfftfreq(size) * size
    rings: NDArray[np.intp] = np.rint(np.hypot(down[:, None], across[None])).astype(np.intp)
    return rings


@functools.cache
def _common_power(size: int) -> NDArray[np.float64]:
    """Return the power (R) that every image of a size gets; the mean's own ring is not used."""
    waves = np.arange(1, _rings(size).max() + 1)
    logarithms = np.interp(np.log(waves), np.log(_WAVES), _LOG_POWERS)
    power: NDArray[np.float64] = np.concatenate([[1.0], np.exp(logarithms) * float(size) ** 4])
    return power
