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

from models.transforms import TRANSFORMS

MANIFEST = "manifest.csv"
STAMPED = "stamped"
"""Name of the acquisition cluster that :mod:`training.fitting.clusters` finds by stamp and marker."""
DEFAULT_TRANSFORM = "stretch-224-standardised-v1"
_SUFFIXES = {".jpeg", ".jpg", ".png", ".dcm"}
_PATIENT = re.compile(r"person(\d+)|((?:NORMAL2-)?IM-\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class LabelledImage:
    """Where one image is, what it shows (an index into the classes), and the patient group it belongs to.

    Attributes
    ----------
    cluster
        The acquisition cluster, by what its machine left in the picture; empty where none was looked for.
    """

    path: Path
    name: str
    target: int
    group: str
    cluster: str = ""


@dataclass(frozen=True)
class ImageSet:
    """Images of one split in memory, reduced to the network's size, for training.

    Attributes
    ----------
    clusters
        The acquisition cluster of each image; none at all where none was looked for.
    fields_NHW
        Where the lungs are in each image.
    """

    pixels_NHW: NDArray[np.uint8]
    targets_N: NDArray[np.int64]
    classes: tuple[str, ...]
    digest: str
    clusters: tuple[str, ...] = ()
    fields_NHW: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.targets_N)

    def stamped(self) -> NDArray[np.bool_]:
        """Return which images (N) belong to the machine whose stamps hardly any normal carries."""
        return np.array([cluster == STAMPED for cluster in self.clusters or [""] * len(self)], dtype=np.bool_)

    def subset(self, rows_M: NDArray[np.int64]) -> ImageSet:
        """Return the images of some rows, under a digest of their own."""
        # In a stated byte order, so that every machine computes the same digest.
        digest = hashlib.sha256(self.digest.encode() + rows_M.astype("<i8").tobytes()).hexdigest()
        return ImageSet(
            self.pixels_NHW[rows_M],
            self.targets_N[rows_M],
            self.classes,
            digest,
            tuple(self.clusters[row] for row in rows_M) if self.clusters else (),
            None if self.fields_NHW is None else self.fields_NHW[rows_M],
        )


def find_images(source: Path, classes: Sequence[str], split: str | None = None) -> list[LabelledImage]:
    """List the images of a data set, or of one of its splits, in a fixed order.

    A CSV file, or the ``manifest.csv`` of a folder, has the columns file and class, and where known group, split and
    cluster; paths count from the CSV's own folder, or from the one that a column folder names. Else each folder
    ``<class>/`` holds that class's images at any depth: JPEG, PNG, and DICOM whatever its name. Where no group is
    given, it is the DICOM Patient ID (as a digest) or comes from file names of the published collection. Where no split
    is given, every fifth patient or so is ``val`` and the others are ``train``, by a digest of the group: the same ones
    each time.

    Raises
    ------
    ValueError
        When a class is unknown, a column is absent, or there is no image.
    """
    table = _table(source)
    found = _from_table(table, classes, split) if table else _from_folders(source, classes, split)
    if not found:
        raise ValueError(f"There is no image in {source}{f' for the split {split!r}' if split else ''}.")
    # File systems list in any order, and the order decides what a seed draws.
    return sorted(found, key=lambda image: image.name)


def find_pictures(folder: Path) -> list[Path]:
    """List the JPEG, PNG and DICOM files of a folder without labels, at any depth, in a fixed order."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES or _is_instance(path))


def splits_of(source: Path) -> tuple[str, ...]:
    """Return the names of the splits that a data set has; train and val come first."""
    named = {"train", "val"}
    if table := _table(source):
        named |= {row.get("split") or "train" for row in _rows(table)}
    return ("train", "val", *sorted(named - {"train", "val"}))


def read_display_values(path: Path) -> NDArray[np.float32]:
    """Return display values (rows x columns, float32, in [0, 1]) of a JPEG, PNG or DICOM file.

    Raises
    ------
    ValueError
        When the file is not an image that can be read.
    """
    if _is_instance(path):
        return _read_instance(path)
    try:
        with Image.open(path) as picture:
            # Pillow would cut 16 bits down to 8 by clipping, not by scaling.
            if picture.mode.startswith("I;16"):
                return _scaled(np.asarray(picture), 65535)
            return _scaled(np.asarray(picture.convert("L")), 255)
    except OSError as error:
        raise ValueError(f"{path.name} is not an image that can be read; remove it from the data set.") from error


def load(images: Sequence[LabelledImage], classes: Sequence[str], transform: str = DEFAULT_TRANSFORM) -> ImageSet:
    """Read and prepare images for training, as the transform of that name begins; 50 kB of memory each."""
    chosen = TRANSFORMS[transform]
    pixels_NHW = np.empty((len(images), chosen.size, chosen.size), dtype=np.uint8)
    for index, image in enumerate(track(images, "reading", transient=True)):
        pixels_NHW[index] = np.clip(np.rint(chosen.prepare(read_display_values(image.path)) * 255), 0, 255)
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    digest = hashlib.sha256("\n".join(image.name for image in images).encode())
    digest.update(targets_N.tobytes())
    digest.update(pixels_NHW.tobytes())
    clusters = tuple(image.cluster for image in images)
    return ImageSet(pixels_NHW, targets_N, tuple(classes), digest.hexdigest(), clusters)


def _read_instance(path: Path) -> NDArray[np.float32]:
    from service.dicom.pixels import display_values, read_instance
    from service.vocabulary.errors import UndecodablePixels

    try:
        values: NDArray[np.float32] = display_values(read_instance(path))
    except UndecodablePixels as error:
        raise ValueError(f"{path.name}: {error}") from error
    return values


def _table(source: Path) -> Path | None:
    """Return the CSV file that describes a data set, where it has one."""
    if source.is_file():
        return source
    return source / MANIFEST if (source / MANIFEST).is_file() else None


def _rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        absent = {"file", "class"} - set(reader.fieldnames or ())
        if absent:
            raise ValueError(f"{table.name} has no column {min(absent)!r}; it needs file and class.")
        return list(reader)


def _from_table(table: Path, classes: Sequence[str], split: str | None) -> list[LabelledImage]:
    found = []
    for row in _rows(table):
        path = table.parent / row.get("folder", "") / row["file"]
        group = row.get("group") or _group(row["file"], path)
        if split in (None, row.get("split") or _drawn_split(group)):
            found.append(
                LabelledImage(path, row["file"], _target(row["class"], classes), group, row.get("cluster", ""))
            )
    return found


def _from_folders(folder: Path, classes: Sequence[str], split: str | None) -> list[LabelledImage]:
    found = []
    for path in folder.glob("*/**/*"):
        if path.suffix.lower() in _SUFFIXES or _is_instance(path):
            name = path.relative_to(folder)
            group = _group(name.as_posix(), path)
            if split in (None, _drawn_split(group)):
                found.append(LabelledImage(path, name.as_posix(), _target(_class_name(name, classes), classes), group))
    return found


def _class_name(name: Path, classes: Sequence[str]) -> str:
    """Return the folder's name; in the published collection's folder PNEUMONIA the file names say which type."""
    folder, file = name.parts[0], name.name.lower()
    if folder.lower() != "pneumonia" or "pneumonia" in [known.lower() for known in classes]:
        return folder
    return "bacterial" if "bacteria" in file else "viral" if "virus" in file else folder


def _drawn_split(group: str) -> str:
    """Return the split of a patient who was given none."""
    return "val" if hashlib.sha256(group.encode()).digest()[0] % 5 == 0 else "train"


def _is_instance(path: Path) -> bool:
    """Tell whether a file is DICOM whatever its name: by the prefix of PS3.10 section 7.1."""
    if path.suffix.lower() == ".dcm":
        return True
    if path.suffix.lower() in _SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _target(name: str, classes: Sequence[str]) -> int:
    lowered = [known.lower() for known in classes]
    if name.lower() not in lowered:
        raise ValueError(f"The class {name!r} is unknown to this checkpoint; it knows {', '.join(classes)}.")
    return lowered.index(name.lower())


def _group(name: str, path: Path) -> str:
    """Return the finest patient key there is: DICOM's, or a published file name's, else the name itself."""
    if _is_instance(path):
        from service.dicom.pixels import read_patient_id

        patient = read_patient_id(path)
        return f"patient-{hashlib.sha256(patient.encode()).hexdigest()[:16]}" if patient else name
    match = _PATIENT.search(Path(name).name)
    if match is None:
        return name
    return f"person-{match[1]}" if match[1] else match[2].upper()


def _scaled(stored: NDArray[np.generic], largest: int) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.asarray(stored, dtype=np.float32) / np.float32(largest)
    return values
