"""Random changes of a whole batch at once, so that nothing but anatomy can tell the classes apart.

Everything works on grey images between 0 and 1, on the device of the generator, which is the images' own.
Shape suffixes: N images, 1 channel, H rows, W columns.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import torch
from torch.nn import functional

from training.fitting import style
from training.fitting.recipes import Augmentation


def augment(
    images_NCHW: torch.Tensor, size: int, strength: Augmentation, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return randomly changed copies of grey images in [0, 1], and what lies over them changed in shape alone.

    Parameters
    ----------
    images_NCHW
        The first channel is the image; the others are masks over it, such as the lung field.

    Returns
    -------
    Images (N x 1 x size x size, float32 in [0, 1]) and masks (N x C-1 x size x size).
    """
    warped = _warp(images_NCHW, size, strength, generator)
    images, masks = warped[:, :1], warped[:, 1:]
    images = _sharpen_or_blur(images, strength, generator)
    images = _change_local_contrast(images, strength, generator)
    images = _equalise(images, strength, generator)
    images = _change_greys(images, strength, generator)
    # Last comes what is burnt into a finished image: nothing else may blur it or change its greys.
    images = _write_text(images, strength, generator)
    images = _blank_borders(images, strength, generator)
    return _blank_corners(images, strength, generator), masks


def exchange_style(
    images_N1HW: torch.Tensor, donors_N1HW: torch.Tensor, strength: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """Return grey images in [0, 1] of which some look, at random strength, like their donors."""
    count = len(images_N1HW)
    spectrum, greys = (
        (_uniform(count, 0, 1, generator).sqrt() * _chance(count, strength.style_probability, generator)).flatten()
        for _ in range(2)
    )
    reach = (_uniform(count, -strength.amplitude_reach, strength.amplitude_reach, generator)).clamp_min(0).flatten()
    stamped = _chance(count, strength.stamp_probability, generator).flatten()
    changed = images_N1HW.clone()
    for row in torch.nonzero((spectrum > 0) | (greys > 0) | stamped).flatten().tolist():
        image, donor = (images[row, 0].cpu().numpy() for images in (images_N1HW, donors_N1HW))
        if spectrum[row] > 0:
            image = style.match_spectrum(image, donor, float(spectrum[row]), float(reach[row]))
        if greys[row] > 0:
            image = style.match_greys(image, donor, float(greys[row]))
        if stamped[row]:
            image = style.carry_stamps(image, donor)
        changed[row, 0] = torch.from_numpy(image)
    return changed


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    """Draw one number for each image, shaped to multiply a batch."""
    return torch.rand(count, 1, 1, 1, generator=generator, device=generator.device) * (high - low) + low


def _chance(count: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, 1, 1, 1, generator=generator, device=generator.device) < probability


def _one(generator: torch.Generator) -> float:
    """Draw one number for the whole batch."""
    return torch.rand(1, generator=generator, device=generator.device).item()


def _pixel_indices(size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the indices of rows and of columns, shaped to be compared with a batch."""
    line = torch.arange(size, device=device)
    return line.view(1, 1, size, 1), line.view(1, 1, 1, size)


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
    smeared = functional.grid_sample(images[:, :1], grid, padding_mode="border", align_corners=False)
    image = torch.where(_chance(count, 0.3, generator), smeared, black[:, :1])
    return torch.cat([image, black[:, 1:]], dim=1)


def _sharpen_or_blur(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Add or take away fine detail (unsharp mask), and now and then throw half of the resolution away."""
    count, size = len(images), images.shape[-1]
    if _one(generator) < strength.coarse_probability:
        # One size for the whole batch, since a tensor has but one.
        reduced = int(size * (0.5 + 0.4 * _one(generator)))
        small = functional.interpolate(images, (reduced, reduced), mode="bilinear", antialias=True)
        images = functional.interpolate(small, (size, size), mode="bilinear", align_corners=False)
    axis = torch.arange(-3.0, 4.0, device=images.device)
    kernel = torch.exp(-(axis**2) / (2 * (size / 160) ** 2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, 7)
    padded = functional.pad(images, (3, 3, 3, 3), mode="replicate")
    blurred = functional.conv2d(functional.conv2d(padded, kernel), kernel.transpose(2, 3))
    amount = _uniform(count, -strength.blur, strength.sharpness, generator)
    amount = torch.where(_chance(count, 0.6, generator), amount, torch.zeros_like(amount))
    return images + amount * (images - blurred)


def _change_local_contrast(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Strengthen or flatten structures against their wide surroundings, as vendors' processing does."""
    if not strength.local_contrast:
        return images
    count, size = len(images), images.shape[-1]
    cell = max(size // 8, 1)
    wide = functional.interpolate(
        functional.avg_pool2d(images, cell, ceil_mode=True), (size, size), mode="bilinear", align_corners=False
    )
    amount = _uniform(count, -strength.local_contrast / 2, strength.local_contrast, generator)
    amount = torch.where(_chance(count, 0.4, generator), amount, torch.zeros_like(amount))
    return (images + amount * (images - wide)).clamp(0, 1)


def _equalise(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Mix some images with their histogram-equalised copy."""
    if not strength.equalise_probability:
        return images
    count = len(images)
    share = _uniform(count, 0.2, 1.0, generator)
    for index in torch.nonzero(_chance(count, strength.equalise_probability, generator).flatten()).flatten().tolist():
        greys = (images[index] * 255).long().clamp(0, 255)
        below = torch.bincount(greys.flatten(), minlength=256).cumsum(0) / greys.numel()
        images[index] = torch.lerp(images[index], below.to(images.dtype)[greys], share[index])
    return images


@functools.cache
def _inscriptions(size: int) -> torch.Tensor:
    """Draw 48 masks (48 x 1 x size x size, 0 or 1) with a few characters near an edge each."""
    random = np.random.default_rng(11)
    masks = np.zeros((48, size, size), dtype=np.uint8)
    for mask in masks:
        text = "".join(random.choice(list("ABCDLPR0123456789:-/")) for _ in range(random.integers(1, 12)))
        at_edge = random.uniform(0.02, 0.15) if random.random() < 0.5 else random.uniform(0.85, 0.95)
        place = (int(random.uniform(0, 0.7) * size), int(at_edge * size))
        scale = float(random.uniform(0.25, 0.7)) * size / 224
        cv2.putText(mask, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 1, int(random.integers(1, 3)))
    return torch.from_numpy(masks[:, None]).float()


def _write_text(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Burn letters and digits into some images, as some of the collection's viral images have them."""
    if not strength.text_probability:
        return images
    count = len(images)
    masks = _inscriptions(images.shape[-1])
    chosen = torch.randint(len(masks), (count,), generator=generator, device=generator.device)
    drawn = masks.to(images.device)[chosen]
    written = drawn * _chance(count, strength.text_probability, generator)
    return torch.where(written > 0, _uniform(count, 0.6, 1, generator), images)


def _change_greys(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Change gamma, contrast and brightness, tilt the exposure, add noise; greys beyond the range are clipped."""
    count, size = len(images), images.shape[-1]
    # Drawn as logarithms: a change is as likely as its inverse.
    gamma = torch.exp(_uniform(count, -strength.gamma, strength.gamma, generator))
    images = images.clamp(1e-4, 1).pow(gamma)
    contrast = torch.exp(_uniform(count, -strength.contrast, strength.contrast, generator))
    brightness = _uniform(count, -strength.brightness, strength.brightness, generator)
    images = (images - 0.5) * contrast + 0.5 + brightness
    line = torch.linspace(-1, 1, size, device=images.device)
    across = _uniform(count, -strength.ramp, strength.ramp, generator) * line.view(1, 1, 1, size)
    down = _uniform(count, -strength.ramp, strength.ramp, generator) * line.view(1, 1, size, 1)
    noise = _uniform(count, 0, strength.noise, generator) * _chance(count, 0.4, generator)
    grain = torch.randn(images.shape, generator=generator, device=generator.device)
    return (images + across + down + noise * grain).clamp(0, 1)


def _fill(count: int, generator: torch.Generator) -> torch.Tensor:
    """Draw the grey of a blanked area: black, white or anything between."""
    grey = _uniform(count, 0, 1, generator)
    grey = torch.where(_chance(count, 0.5, generator), torch.zeros_like(grey), grey)
    return torch.where(_chance(count, 0.15, generator), torch.ones_like(grey), grey)


def _blank_borders(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Cover a random margin of each side, so that collimation and frames do not tell the classes apart."""
    count, size = len(images), images.shape[-1]
    row, column = _pixel_indices(size, images.device)
    margins = [_uniform(count, -strength.border / 2, strength.border, generator) * size for _ in range(4)]
    outside = (row < margins[0]) | (row >= size - margins[1]) | (column < margins[2]) | (column >= size - margins[3])
    outside = outside & _chance(count, strength.border_probability, generator)
    return torch.where(outside, _fill(count, generator), images)


def _blank_corners(images: torch.Tensor, strength: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Cover a rectangle in one or two corners, where markers and burned-in text stand."""
    count, size = len(images), images.shape[-1]
    row, column = _pixel_indices(size, images.device)
    for _ in range(2):
        height = _uniform(count, 0.03, strength.corner, generator) * size
        width = _uniform(count, 0.03, strength.corner, generator) * size
        bottom, right = _chance(count, 0.5, generator), _chance(count, 0.5, generator)
        down = torch.where(bottom, row >= size - height, row < height)
        across = torch.where(right, column >= size - width, column < width)
        covered = down & across & _chance(count, strength.corner_probability, generator)
        images = torch.where(covered, _fill(count, generator), images)
    return images
