"""What a frozen backbone makes of the images: computed once, kept on disk, and mapped into memory.

Shape suffixes: N images, C channels, H rows, W columns.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from models.backbones import CHANNELS, Backbone
from models.checkpoint import file_digest
from training.fitting.augmentation import augment
from training.fitting.dataset import ImageSet
from training.fitting.inputs import autocast, to_input
from training.fitting.recipes import Recipe

_BATCH = 32


class FeatureCache:
    """Feature maps of one set of images, in float16, a file for each view; about 100 kB an image at 150 pixels.

    A file's name is a digest of all that decides its content, so another data set, backbone, transform or augmentation
    never meets an old file. A computation that was cut off goes on where it stopped.
    """

    def __init__(self, folder: Path, images: ImageSet, init: Path, device: str) -> None:
        self._folder, self._images, self._init, self._device = folder, images, init, device
        self._init_digest = file_digest(init)

    def view(self, recipe: Recipe, number: int, rows_M: NDArray[np.int64] | None = None) -> torch.Tensor:
        """Return the features (N x C x H/32 x W/32, or N x C x 1 x 1 where the head would only average them).

        View 0 is of the images as they are; each higher number is of copies changed at random by the recipe. Where rows
        are given only theirs are computed, and the others are NaN.
        """
        pooled = recipe.head == "dropout-gap" and recipe.dropout == 0
        parts = [self._images.digest, self._init_digest, recipe.backbone, recipe.transform, pooled, number]
        if number:
            parts += [recipe.seed, asdict(recipe.augmentation)]
        if rows_M is not None:
            parts.append(hashlib.sha256(rows_M.astype("<i8").tobytes()).hexdigest())
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        path = self._folder / f"{key}.npy"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._compute(recipe, number, pooled, np.arange(len(self._images)) if rows_M is None else rows_M, path)
        # Copy on write: torch wants an array that it could write to, and the file must stay as it is.
        return torch.from_numpy(np.load(path, mmap_mode="c")).to(self._device)

    def _compute(self, recipe: Recipe, number: int, pooled: bool, rows_M: NDArray[np.int64], path: Path) -> None:
        backbone = Backbone(recipe.backbone)
        backbone.load_imagenet(self._init)
        backbone = backbone.to(device=self._device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        partial, done = path.with_suffix(".partial"), path.with_suffix(".done")
        began = int(done.read_text()) if done.exists() and partial.exists() else 0
        features = np.load(partial, mmap_mode="r+") if began else None
        starts = range(began, len(rows_M), _BATCH)
        for start in track(starts, f"features of {recipe.backbone}, view {number}", transient=True):
            chosen = rows_M[start : start + _BATCH]
            grey = torch.from_numpy(self._images.pixels_NHW[chosen][:, None]).to(self._device) / 255
            if number:
                generator = torch.Generator(self._device).manual_seed((recipe.seed * 100 + number) * 100_000 + start)
                grey, _ = augment(grey, grey.shape[-1], recipe.augmentation, generator)
            found = _features(backbone, to_input(grey, recipe.transform), pooled)
            if features is None:
                shape = (len(self._images), CHANNELS[recipe.backbone], *found.shape[2:])
                features = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
                if len(rows_M) < len(features):
                    features[:] = np.nan
            features[chosen] = found
            features.flush()
            done.write_text(str(start + len(found)))
        partial.replace(path)
        done.unlink()


def _features(backbone: Backbone, images: torch.Tensor, pooled: bool) -> NDArray[np.float16]:
    with torch.inference_mode(), autocast(images.device.type):
        features = backbone(images)
    features = features.float()
    if pooled:
        features = features.mean(dim=(2, 3), keepdim=True)
    found: NDArray[np.float16] = features.half().cpu().numpy()
    return found
