"""The images that both papers draw from: everything but what is reserved. Shape suffix: N images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.fitting.dataset import ImageSet, LabelledImage, find_images, load

_NAMES = ("normal", "bacterial", "viral", "pneumonia")
_SPLITS = ("train", "val")


class PaperData:
    """The images of a folder's splits train and val, in memory once for each way of preparing them.

    Raises
    ------
    ValueError
        When a folder's class is none of normal, bacterial, viral and pneumonia, or there is no image.
    """

    def __init__(self, folder: Path) -> None:
        self._found = sorted(
            (image for split in _SPLITS for image in find_images(folder, _NAMES, split)), key=lambda image: image.name
        )
        self.groups_N: NDArray[np.str_] = np.array([image.group for image in self._found])
        self.images = cache(self._load)

    def _load(self, classes: Sequence[str], transform: str) -> ImageSet:
        """Return all images with the targets of some classes, prepared by a transform."""
        return load([self._labelled(image, classes) for image in self._found], classes, transform)

    def _labelled(self, image: LabelledImage, classes: Sequence[str]) -> LabelledImage:
        name = _NAMES[image.target]
        # Two classes: every pneumonia is one.
        name = "pneumonia" if "pneumonia" in classes and name != "normal" else name
        if name not in classes:
            raise ValueError(f"{image.name} is labelled {name!r}; these rows need {', '.join(classes)}.")
        return replace(image, target=list(classes).index(name))
