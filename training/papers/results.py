"""What a finished row leaves: a small JSON from which docs/papers.md is written. Needs no torch."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from models.measurements import Estimate
from training.papers.rows import BackboneMode, Protocol

Curve = Sequence[Mapping[str, float]]


@dataclass(frozen=True)
class SideResult:
    """One protocol's half of a result.

    Attributes
    ----------
    confusion
        Counts by true class (row) and called class (column), in the order of the recipe's classes, all folds together.
    curve
        Loss and accuracy of training and test images by epoch, the mean of the folds.
    roc
        False and true positive rates by class.
    train_images
        By fold, before oversampling.
    shared_patients
        Test images of patients who also stand in their fold's training images.
    seconds
        Time of training.
    """

    measures: Mapping[str, Estimate]
    confusion: Sequence[Sequence[int]]
    curve: Curve
    roc: Mapping[str, Sequence[Sequence[float]]]
    train_images: Sequence[int]
    shared_patients: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """A row under both protocols, with all that a repetition needs.

    Attributes
    ----------
    leakage
        Figures as published minus figures grouped by patient, of the same test images.
    planned_epochs, epochs
        What the recipe asks for, and what a budget let the shortest training have.
    data_digest, init_digest
        SHA-256 (hex) of the images in memory and of the file of starting weights.
    weights
        What is to be said of the starting weights; empty where they are the network's own from ImageNet.
    """

    row: str
    backbone: BackboneMode
    recipe: Mapping[str, Any]
    seed: int
    planned_epochs: int
    epochs: int
    data_digest: str
    init_digest: str
    commit: str
    device: str
    test_images: int
    patients: int
    support: Sequence[int]
    sides: Mapping[Protocol, SideResult]
    leakage: Mapping[str, Estimate]
    weights: str = ""

    @property
    def name(self) -> str:
        """Name of the result's file, without its ending."""
        return f"{self.row}-{self.backbone}"


_ADAPTER = TypeAdapter(Result)


def write_result(result: Result, folder: Path) -> Path:
    """Write the result into the folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.name}.json"
    path.write_bytes(_ADAPTER.dump_json(result, indent=1) + b"\n")
    return path


def read_results(folder: Path) -> list[Result]:
    """Return the results in a folder, by name."""
    return [_ADAPTER.validate_json(path.read_bytes()) for path in sorted(folder.glob("*.json"))]


def commit() -> str:
    """Return the commit of the code that runs, marked when it was changed since; else the installed version."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else f"auscult {version('auscult')}"
