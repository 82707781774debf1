"""Random changes of a whole batch at once, so that nothing but anatomy can tell the classes apart.

Everything works on grey images between 0 and 1. Shape suffixes: N images, 1 channel, H rows, W columns.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from training.recipes import Augmentation


def augment(images_N1HW: torch.Tensor, size: int, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Return randomly changed copies (N x 1 x size x size, float32 in [0, 1]) of grey images in [0, 1]."""
    images = _warp(images_N1HW, size, strength, generator)
    images = _sharpen_or_blur(images, strength, generator)
    images = _change_greys(images, strength, generator)
    images = _blank_borders(images, strength, generator)
    return _blank_corners(images, strength, generator)


def standardise(images_N1HW: torch.Tensor) -> torch.Tensor:
    """Return each image with mean 0 and standard deviation 1, as :func:`models.transforms.standardise` does."""
    mean = images_N1HW.mean(dim=(1, 2, 3), keepdim=True)
    deviation = images_N1HW.std(dim=(1, 2, 3), keepdim=True, correction=0)
    return (images_N1HW - mean) / deviation.clamp_min(1 / 255)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """Draw one number for each image, shaped to multiply a batch."""
    return torch.rand(count, 1, 1, 1, generator=generator) * (high - low) + low


def _chance(count: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, 1, 1, 1, generator=generator) < probability


def _warp(images: torch.Tensor, size: int, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Rotate, shear, zoom, change the aspect, shift and flip in one resampling."""
    count = len(images)

    def draw(limit: float) -> torch.Tensor:
        return _uniform(count, -limit, limit, generator).flatten()

    angle, shear = torch.deg2rad(draw(strength.rotation_degrees)), torch.deg2rad(draw(strength.shear_degrees))
    zoom, stretch = torch.exp(draw(math.log1p(strength.zoom))), torch.exp(draw(math.log1p(strength.aspect)) / 2)
    flip = torch.where(_chance(count, strength.flip_probability, generator).flatten(), -1.0, 1.0)
    width, height = flip / (zoom * stretch), stretch / zoom
    cos, sin, slant = torch.cos(angle), torch.sin(angle), torch.tan(shear)
    rows = [cos * width, (slant * cos - sin) * height, draw(2 * strength.shift)]
    columns = [sin * width, (slant * sin + cos) * height, draw(2 * strength.shift)]
    theta = torch.stack([torch.stack(rows, dim=1), torch.stack(columns, dim=1)], dim=1)
    grid = functional.affine_grid(theta, [count, 1, size, size], align_corners=False)
    # Outside the image: black for most, the border's own grey for the rest, so that neither becomes a sign.
    black = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    smeared = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return torch.where(_chance(count, 0.3, generator), smeared, black)


def _sharpen_or_blur(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Add or take away fine detail (unsharp mask), and now and then throw half of the resolution away."""
    count, size = len(images), images.shape[-1]
    if torch.rand(1, generator=generator).item() < strength.coarse_probability:
        reduced = int(size * (0.5 + 0.4 * torch.rand(1, generator=generator).item()))
        small = functional.interpolate(images, (reduced, reduced), mode="bilinear", antialias=True)
        images = functional.interpolate(small, (size, size), mode="bilinear", align_corners=False)
    axis = torch.arange(-3.0, 4.0)
    kernel = torch.exp(-(axis**2) / (2 * (size / 160) ** 2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, 7)
    padded = functional.pad(images, (3, 3, 3, 3), mode="replicate")
    blurred = functional.conv2d(functional.conv2d(padded, kernel), kernel.transpose(2, 3))
    amount = _uniform(count, -strength.blur, strength.sharpness, generator)
    amount = torch.where(_chance(count, 0.6, generator), amount, torch.zeros_like(amount))
    return images + amount * (images - blurred)


def _change_greys(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Change gamma, contrast and brightness, tilt the exposure, add noise; greys beyond the range are clipped."""
    count, size = len(images), images.shape[-1]
    gamma = torch.exp(_uniform(count, -strength.gamma, strength.gamma, generator))
    images = images.clamp(1e-4, 1).pow(gamma)
    contrast = torch.exp(_uniform(count, -strength.contrast, strength.contrast, generator))
    brightness = _uniform(count, -strength.brightness, strength.brightness, generator)
    images = (images - 0.5) * contrast + 0.5 + brightness
    line = torch.linspace(-1, 1, size)
    across = _uniform(count, -strength.ramp, strength.ramp, generator) * line.view(1, 1, 1, size)
    down = _uniform(count, -strength.ramp, strength.ramp, generator) * line.view(1, 1, size, 1)
    noise = _uniform(count, 0, strength.noise, generator) * _chance(count, 0.4, generator)
    return (images + across + down + noise * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def _fill(count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw the grey of a blanked area: black, white or anything between."""
    grey = _uniform(count, 0, 1, generator)
    grey = torch.where(_chance(count, 0.5, generator), torch.zeros_like(grey), grey)
    return torch.where(_chance(count, 0.15, generator), torch.ones_like(grey), grey)


def _blank_borders(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Cover a random margin of each side, so that collimation and frames do not tell the classes apart."""
    count, size = len(images), images.shape[-1]
    row, column = torch.arange(size).view(1, 1, size, 1), torch.arange(size).view(1, 1, 1, size)
    margins = [_uniform(count, -strength.border / 2, strength.border, generator) * size for _ in range(4)]
    outside = (row < margins[0]) | (row >= size - margins[1]) | (column < margins[2]) | (column >= size - margins[3])
    outside = outside & _chance(count, strength.border_probability, generator)
    return torch.where(outside, _fill(count, generator), images)


def _blank_corners(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Cover a rectangle in one or two corners, where markers and burned-in text stand."""
    count, size = len(images), images.shape[-1]
    row, column = torch.arange(size).view(1, 1, size, 1), torch.arange(size).view(1, 1, 1, size)
    for _ in range(2):
        height = _uniform(count, 0.03, strength.corner, generator) * size
        width = _uniform(count, 0.03, strength.corner, generator) * size
        bottom, right = _chance(count, 0.5, generator), _chance(count, 0.5, generator)
        down = torch.where(bottom, row >= size - height, row < height)
        across = torch.where(right, column >= size - width, column < width)
        covered = down & across & _chance(count, strength.corner_probability, generator)
        images = torch.where(covered, _fill(count, generator), images)
    return images
