"""By what a site's images are told apart: the machine that made them, and the patient's age."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.dicom.pixels import read_instance
from service.scope.age import age_in_years
from service.scope.attributes import texts
from service.vocabulary.errors import UndecodablePixels
from training.fitting.dataset import MANIFEST, LabelledImage

_PICTURES = {".jpeg", ".jpg", ".png"}
_MACHINE = ("Manufacturer", "ManufacturerModelName", "StationName")
_AGES = ((1, "below 1 year"), (6, "1 to 5 years"), (18, "6 to 17 years"), (65, "18 to 64 years"))


def aspects_of(source: Path, images: Sequence[LabelledImage]) -> dict[str, list[str]]:
    """Return the machine and the age group of every image, empty where it is unknown.

    The columns ``machine`` and ``age`` (in years) of the manifest go first, then what a DICOM header says.
    """
    listed = _listed(source)
    found: dict[str, list[str]] = {"machine": [], "age": []}
    for image in images:
        row = listed.get(image.name, {})
        machine, age = row.get("machine") or "", _number(row.get("age"))
        if (not machine or age is None) and image.path.suffix.lower() not in _PICTURES:
            told_machine, told_age = _told(image.path)
            machine, age = machine or told_machine, told_age if age is None else age
        found["machine"].append(machine)
        found["age"].append(age_group(age))
    return found


def age_group(years: float | None) -> str:
    """Return the group of an age in years; empty where it is unknown."""
    if years is None:
        return ""
    return next((name for limit, name in _AGES if years < limit), "65 years and more")


def _told(path: Path) -> tuple[str, float | None]:
    """Return what a DICOM header says of the machine and of the age."""
    try:
        header = read_instance(path)
    except UndecodablePixels:
        return "", None  # whoever reads its pixels says so
    return " ".join(texts(header, _MACHINE)), age_in_years(header)


def _listed(source: Path) -> Mapping[str, Mapping[str, str]]:
    table = source if source.is_file() else source / MANIFEST
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8-sig") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise ValueError(f"The column age holds {text!r}, which is no number of years.") from None
