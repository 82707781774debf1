"""Makes the atlas of frontal chest radiographs that `service.thorax` finds lungs and orientation by.

``python -m training.measuring.lung_atlas FOLDER`` writes it anew from the train split of a folder of labelled images.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from service.thorax.atlas import ATLAS, ATLAS_SIDE
from service.thorax.lung_field import lungs_by_threshold

_IMAGES = 800
_CLASSES = ("normal", "bacterial", "viral")


def make_atlas(images: Iterable[NDArray[np.float32]]) -> dict[str, NDArray[np.uint8]]:
    """Return ``grey`` and ``lung`` (rows x columns, 255 is 1) of radiographs, given as display values of any size.

    Raises
    ------
    ValueError
        When no image has two plausible lungs: then there is no atlas.
    """
    greys, lungs = [], []
    for display in images:
        greys.append(_reduced(display))
        found = lungs_by_threshold(display)
        if found is not None:
            lungs.append(_reduced(found.astype(np.float32)))
    if not lungs:
        raise ValueError("No image shows two plausible lungs; the lung field needs frontal chest radiographs.")
    means = {"grey": np.mean(greys, axis=0), "lung": cv2.GaussianBlur(np.mean(lungs, axis=0), (0, 0), ATLAS_SIDE / 45)}
    return {name: np.rint(mean * 255).astype(np.uint8) for name, mean in means.items()}


def _reduced(image: NDArray[np.float32]) -> NDArray[np.float32]:
    reduced = cv2.resize(image, (ATLAS_SIDE, ATLAS_SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, dtype=np.float32)


def main(folder: Path) -> None:
    """Write the atlas from images drawn of the train split."""
    from training.fitting.dataset import find_images, read_display_values

    images = find_images(folder, _CLASSES, "train")
    drawn = np.random.default_rng(0).permutation(len(images))[:_IMAGES]
    made = make_atlas(read_display_values(images[index].path) for index in sorted(drawn))
    np.savez_compressed(ATLAS, grey=made["grey"], lung=made["lung"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
