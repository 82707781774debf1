"""Figures of parts of the images: by class, acquisition cluster, patient, source of the file name, original aspect.

Shape suffixes: N images, K classes.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.card import Card
from models.measurements import Estimate, SubgroupRow
from models.transforms import SIZE
from training.fitting.dataset import MANIFEST, LabelledImage
from training.measuring.metrics import bootstrap, discrimination, known_only

_FEW_IMAGES, _FEW_PATIENTS = 50, 20
_PICTURES = {".jpeg", ".jpg", ".png"}
_SOURCE = re.compile(r"(NORMAL2-IM-|IM-|person)")
_BANDS = ((1.2, "below 1.2"), (1.4, "1.2 to 1.4"), (1.6, "1.4 to 1.6"), (np.inf, "1.6 and more"))
"""Of width over height: the median is 1.21 for the collection's normals and about 1.5 for its pneumonia."""


def measure_subgroups(
    card: Card, probabilities_NK: NDArray[np.float64], images: Sequence[LabelledImage]
) -> tuple[SubgroupRow, ...]:
    """Return a row for each part of the images that the collection's own marks tell apart."""
    return measure_parts(card, probabilities_NK, images, _aspects(card, images))


def measure_parts(
    card: Card,
    probabilities_NK: NDArray[np.float64],
    images: Sequence[LabelledImage],
    aspects: Mapping[str, Sequence[str]],
) -> tuple[SubgroupRow, ...]:
    """Return a row for each value of each aspect; an image of which an aspect is unknown has no part in it.

    Parameters
    ----------
    aspects
        For each aspect the value of every image, empty where it is unknown.
    """
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    groups_N = np.array([image.group for image in images])
    found = []
    for aspect, values in aspects.items():
        for value in sorted(set(values) - {""}):
            part = np.flatnonzero(np.array(values) == value)
            metrics = _figures(probabilities_NK[part], targets_N[part], groups_N[part], card)
            patients = len(set(groups_N[part]))
            small = len(part) < _FEW_IMAGES or patients < _FEW_PATIENTS
            found.append(SubgroupRow(aspect, value, len(part), patients, small, metrics))
    return tuple(found)


def _figures(
    probabilities_NK: NDArray[np.float64], targets_N: NDArray[np.int64], groups_N: NDArray[np.str_], card: Card
) -> dict[str, Estimate]:
    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        return discrimination(probabilities_NK[rows], targets_N[rows], card.pneumonia_classes)

    return known_only(bootstrap(of, groups_N))


def _aspects(card: Card, images: Sequence[LabelledImage]) -> dict[str, list[str]]:
    """Return for each aspect the value of every image, empty where it is unknown."""
    members = Counter(image.group for image in images)
    ratios = _original_ratios(images)
    return {
        "class": [card.classes[image.target] for image in images],
        "cluster": [image.cluster for image in images],
        "images of the patient here": ["one" if members[image.group] == 1 else "several" for image in images],
        "file name": [_source(image.name) for image in images],
        "original width over height": [_band(ratios[image.name]) if image.name in ratios else "" for image in images],
    }


def _source(name: str) -> str:
    """Return how the collection names the image: normals came under two spellings, which may be two sources."""
    match = _SOURCE.match(Path(name).name)
    return f"{match[1]}..." if match else ""


def _band(ratio: float) -> str:
    return next(label for limit, label in _BANDS if ratio < limit)


def _original_ratios(images: Sequence[LabelledImage]) -> dict[str, float]:
    """Return width over height as it was before any copy was reduced, of the images for which it is known.

    A manifest's columns (original_width and original_height, or width and height) go first; else a picture that has
    not the network's own size counts as an original.
    """
    listed: dict[str, float] = {}
    for folder in {image.path.parents[len(Path(image.name).parts) - 1] for image in images}:
        if (folder / MANIFEST).is_file():
            listed |= _listed_ratios(folder / MANIFEST)
    known = {image.name: listed[image.name] for image in images if image.name in listed}
    for image in images:
        if image.name not in known and image.path.suffix.lower() in _PICTURES:
            with Image.open(image.path) as picture:
                if picture.size != (SIZE, SIZE):
                    known[image.name] = picture.width / picture.height
    return known


def _listed_ratios(manifest: Path) -> dict[str, float]:
    found = {}
    with manifest.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            width, height = (row.get(f"original_{side}") or row.get(side) for side in ("width", "height"))
            if width and height:
                found[row["file"]] = float(width) / float(height)
    return found
