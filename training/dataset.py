"""Labelled images: found by a manifest or a folder for each class, read as the product reads them.

Shape suffixes: N images, H rows, W columns.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.transforms import SIZE, stretch

MANIFEST = "manifest.csv"
_SUFFIXES = {".jpeg", ".jpg", ".png", ".dcm"}
_PATIENT = re.compile(r"person(\d+)|((?:NORMAL2-)?IM-\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class LabelledImage:
    """Where one image is, what it shows (an index into the classes), and the patient group it belongs to."""

    path: Path
    name: str
    target: int
    group: str


@dataclass(frozen=True)
class ImageSet:
    """Images of one split in memory, reduced to the network's size, for training."""

    pixels_NHW: NDArray[np.uint8]
    targets_N: NDArray[np.int64]
    classes: tuple[str, ...]
    digest: str

    def __len__(self) -> int:
        return len(self.targets_N)


def find_images(folder: Path, classes: Sequence[str], split: str | None = None) -> list[LabelledImage]:
    """List the images of ``folder`` in a fixed order.

    With a ``manifest.csv`` (columns file, class, and where known group and split) its rows count; else each folder
    ``<class>/`` holds that class's images, and the patient group comes from file names of the published collection.

    Raises
    ------
    ValueError
        When a class is unknown, a split is asked for without a manifest, or there is no image.
    """
    if (folder / MANIFEST).is_file():
        found = _from_manifest(folder, classes, split)
    elif split is not None:
        raise ValueError(f"A split needs a {MANIFEST} in {folder} that says which image belongs to it.")
    else:
        found = _from_folders(folder, classes)
    if not found:
        raise ValueError(f"There is no image in {folder}{f' for the split {split!r}' if split else ''}.")
    return sorted(found, key=lambda image: image.name)


def read_display_values(path: Path) -> NDArray[np.float32]:
    """Return display values (rows x columns, float32, in [0, 1]) of a JPEG, PNG or DICOM file.

    Raises
    ------
    ValueError
        When the file is not an image that can be read.
    """
    if path.suffix.lower() == ".dcm":
        return _read_instance(path)
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith("I;16"):
                return _scaled(np.asarray(picture), 65535)
            return _scaled(np.asarray(picture.convert("L")), 255)
    except OSError as error:
        raise ValueError(f"{path.name} is not an image that can be read; remove it from the data set.") from error


def load(images: Sequence[LabelledImage], classes: Sequence[str]) -> ImageSet:
    """Read and reduce images for training; 50 kB of memory each."""
    pixels_NHW = np.empty((len(images), SIZE, SIZE), dtype=np.uint8)
    for index, image in enumerate(track(images, "reading", transient=True)):
        pixels_NHW[index] = np.clip(np.rint(stretch(read_display_values(image.path)) * 255), 0, 255)
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    digest = hashlib.sha256("\n".join(image.name for image in images).encode())
    digest.update(targets_N.tobytes())
    digest.update(pixels_NHW.tobytes())
    return ImageSet(pixels_NHW, targets_N, tuple(classes), digest.hexdigest())


def _read_instance(path: Path) -> NDArray[np.float32]:
    from service.core.errors import UndecodablePixels
    from service.dicom.pixels import display_values, read_instance

    try:
        values: NDArray[np.float32] = display_values(read_instance(path))
    except UndecodablePixels as error:
        raise ValueError(f"{path.name}: {error}") from error
    return values


def _from_manifest(folder: Path, classes: Sequence[str], split: str | None) -> list[LabelledImage]:
    with (folder / MANIFEST).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if split is None or row.get("split") == split]
    return [
        LabelledImage(
            folder / row["file"], row["file"], _target(row["class"], classes), row.get("group") or _group(row["file"])
        )
        for row in rows
    ]


def _from_folders(folder: Path, classes: Sequence[str]) -> list[LabelledImage]:
    found = []
    for path in folder.glob("*/*"):
        if path.suffix.lower() in _SUFFIXES:
            name = path.relative_to(folder).as_posix()
            found.append(LabelledImage(path, name, _target(_class_name(path), classes), _group(name)))
    return found


def _class_name(path: Path) -> str:
    """Return the folder's name; in the published collection's folder PNEUMONIA the file names say which type."""
    folder, name = path.parent.name, path.name.lower()
    if folder.lower() != "pneumonia":
        return folder
    return "bacterial" if "bacteria" in name else "viral" if "virus" in name else folder


def _target(name: str, classes: Sequence[str]) -> int:
    lowered = [known.lower() for known in classes]
    if name.lower() not in lowered:
        raise ValueError(f"The class {name!r} is unknown to this checkpoint; it knows {', '.join(classes)}.")
    return lowered.index(name.lower())


def _group(name: str) -> str:
    """Return the finest patient key that a file name of the published collection allows, else the name itself."""
    match = _PATIENT.search(Path(name).name)
    if match is None:
        return name
    return f"person-{match[1]}" if match[1] else match[2].upper()


def _scaled(stored: NDArray[np.generic], largest: int) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.asarray(stored, dtype=np.float32) / np.float32(largest)
    return values
