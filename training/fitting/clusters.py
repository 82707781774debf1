"""Acquisition clusters: which images share what a machine leaves in a picture, whatever they show.

One cluster is found by what is burned in: the large R and the letters KV of a single device, by templates that are cut
out of one image of the collection that has both. The others are looks: Gaussian mixture over grey quantiles and the
power spectrum, without positions, fitted on the training split alone.
Shape suffixes: N images, H rows, W columns, F features.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from models.transforms import SIZE, stretch
from training.fitting.dataset import STAMPED, LabelledImage, read_display_values
from training.fitting.style import power_by_ring

Templates = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Marker and stamp."""
LOOKS = 4
"""Number of looks: with more of them, the mixture splits off clusters of a few dozen images."""
COLUMNS = ("file", "class", "group", "split", "cluster", "folder")
_EXEMPLAR = "person1123_virus_1848"
"""The image of the collection that the templates are cut from."""
_MARKER, _MARKER_ZONE = np.s_[18:46, 0:14], np.s_[0:60, 0:30]
_STAMP, _STAMP_ZONE = np.s_[212:222, 205:223], np.s_[200:, 190:]
"""Rows and columns (of 224) of the large R and of the letters KV, and where each is looked for in other images."""
_SURE_MARKER, _SURE_STAMP = 0.7, 0.5
"""Least normalised correlation. Of the training images so found, all were looked at: none is another machine's."""
_QUANTILES = np.linspace(0.02, 0.98, 13)
_BANDS = 24
_COMPONENTS = 8


def find_clusters(images: Mapping[str, Sequence[LabelledImage]]) -> dict[str, tuple[str, ...]]:
    """Return the cluster of each image, by split; the looks are learnt from ``train``.

    Raises
    ------
    ValueError
        When train has fewer images than looks need.
    """
    pixels = {split: [stretch(read_display_values(image.path)) for image in found] for split, found in images.items()}
    if len(pixels["train"]) < 10 * LOOKS:
        raise ValueError(f"{len(pixels['train'])} training images are too few to find {LOOKS} looks among them.")
    templates = _templates({split: list(zip(found, pixels[split], strict=True)) for split, found in images.items()})
    stamped = {split: [_is_stamped(image, templates) for image in found] for split, found in pixels.items()}
    features = {split: np.array([_look(image) for image in found]) for split, found in pixels.items()}
    plain = features["train"][~np.array(stamped["train"])]
    scaler = StandardScaler().fit(plain)
    reduced = PCA(_COMPONENTS, whiten=True, random_state=0).fit(scaler.transform(plain))
    mixture = GaussianMixture(LOOKS, random_state=0, n_init=3, reg_covar=1e-3).fit(
        reduced.transform(scaler.transform(plain))
    )
    # Numbered by size, so that the names do not hang on the order in which the mixture found them.
    rank = np.argsort(np.argsort(-mixture.weights_))
    found = {}
    for split, look_NF in features.items():
        looks_N = rank[mixture.predict(reduced.transform(scaler.transform(look_NF)))]
        found[split] = tuple(
            STAMPED if marked else f"look {look + 1}" for marked, look in zip(stamped[split], looks_N, strict=True)
        )
    return found


def write_manifest(
    path: Path,
    images: Mapping[str, Sequence[LabelledImage]],
    clusters: Mapping[str, Sequence[str]],
    classes: Sequence[str],
) -> None:
    """Write a CSV that every command takes as ``--data``: the images stay where they are."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for split, found in images.items():
            for image, cluster in zip(found, clusters[split], strict=True):
                root = image.path.parents[len(Path(image.name).parts) - 1]
                folder = os.path.relpath(root, path.parent)
                row = (image.name, classes[image.target], image.group, split, cluster, folder)
                writer.writerow(dict(zip(COLUMNS, row, strict=True)))


def _templates(
    images: Mapping[str, Sequence[tuple[LabelledImage, NDArray[np.float32]]]],
) -> Templates | None:
    """Cut the marker and the stamp out of the image that has both; None in a collection without it."""
    for pairs in images.values():
        for image, pixels_HW in pairs:
            if _EXEMPLAR in image.name:
                return pixels_HW[_MARKER], pixels_HW[_STAMP]
    return None


def _is_stamped(pixels_HW: NDArray[np.float32], templates: Templates | None) -> bool:
    if templates is None:
        return False
    marker, stamp = templates
    return (
        _correlation(pixels_HW[_MARKER_ZONE], marker) > _SURE_MARKER
        or _correlation(pixels_HW[_STAMP_ZONE], stamp) > _SURE_STAMP
    )


def _correlation(zone_HW: NDArray[np.float32], template_HW: NDArray[np.float32]) -> float:
    """Return the best normalised correlation of the template with any place of the zone."""
    # In whole grey levels: the correlation with an even place, but for rounding, would be anything.
    zone, template = (np.rint(values * 255) for values in (zone_HW, template_HW))
    return float(np.nan_to_num(cv2.matchTemplate(zone, template, cv2.TM_CCOEFF_NORMED), posinf=0, neginf=0).max())


def _look(pixels_HW: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return grey quantiles and the logarithm of the power in bands of spatial frequency (F)."""
    power_R = power_by_ring(pixels_HW)[1 : SIZE // 2]
    edges = np.unique(np.geomspace(1, len(power_R), _BANDS + 1).round().astype(int))
    bands = [np.log(power_R[low - 1 : high].mean()) for low, high in pairwise(edges)]
    return np.concatenate([np.quantile(pixels_HW, _QUANTILES), bands])
