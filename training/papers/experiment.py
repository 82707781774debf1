"""One row of a paper, run under both protocols: resumable fold by fold, and a fine-tuning within a fold.

Shape suffixes: N images, M those that are tested, K classes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from models.checkpoint import file_digest
from training.card.provenance import SHIPPED
from training.exporting.export import write_draft
from training.fitting.dataset import ImageSet
from training.papers.data import PaperData
from training.papers.features import FeatureCache
from training.papers.fold import (
    Trained,
    fine_tune,
    is_done,
    read_history,
    read_predictions,
    save_fold,
    train_on_features,
)
from training.papers.measures import compare, roc_curves
from training.papers.results import Curve, Result, SideResult, commit
from training.papers.rows import BackboneMode, Draw, PaperRow, Protocol
from training.papers.splits import Split, make_splits

_CURVE = ("loss", "accuracy", "val_loss", "val_accuracy")


class BudgetSpent(Exception):
    """The minutes are used up; the same command goes on from here."""


class Budget:
    """Seconds, shared alike among the trainings that are still to come; None is without end."""

    def __init__(self, seconds: float | None, pending: int) -> None:
        self._ends = None if seconds is None else time.monotonic() + seconds
        self._pending = pending

    def share(self) -> float | None:
        """Return the seconds of the next training.

        Raises
        ------
        BudgetSpent
            When nothing is left.
        """
        if self._ends is None:
            return None
        left = self._ends - time.monotonic()
        if left <= 0:
            raise BudgetSpent
        self._pending -= 1
        return left / (self._pending + 1)


@dataclass(frozen=True)
class Experiment:
    """A row with everything that its run needs.

    Attributes
    ----------
    folder
        Where all runs lie; rows that share a training share its folder.
    weights
        What is to be said of the starting weights; empty where they are the network's own from ImageNet.
    """

    row: PaperRow
    data: PaperData
    init: Path
    folder: Path
    backbone: BackboneMode
    device: str
    weights: str = ""

    def run(self, budget_seconds: float | None, report: Callable[[str], None]) -> Result:
        """Run what is not there yet, and measure.

        Raises
        ------
        BudgetSpent
            When the budget ends before the last training.
        ValueError
            When the folder holds a run of other data, weights or settings, or the data lack images.
        """
        images, groups_N, splits = self._material()
        described = self._describe_or_check(images)
        folds = [(side, number) for side, found in splits.items() for number in range(len(found))]
        pending = [fold for fold in folds if not is_done(self._fold(*fold))]
        budget = Budget(budget_seconds, len(pending))
        for side, number in pending:
            title = f"{self.row.name}, {side}, {number + 1} of {len(splits[side])}"
            trained = self._train(images, splits[side][number], budget.share(), self._fold(side, number), title)
            report(f"{title}: accuracy {trained.history[-1]['val_accuracy']:.4f}")
        return self._result(images, groups_N, splits, described)

    @property
    def home(self) -> Path:
        """The folder of this row's training."""
        return self.folder / self.row.recipe.name / self.backbone

    def _fold(self, side: Protocol, number: int) -> Path:
        return self.home / side / f"fold-{number + 1}"

    def _material(self) -> tuple[ImageSet, NDArray[np.str_], dict[Protocol, list[Split]]]:
        """Return the images that the row uses under either protocol, their patients, and the splits among them."""
        recipe, groups_N = self.row.recipe, self.data.groups_N
        images = self.data.images(recipe.classes, recipe.transform)
        splits: dict[Protocol, list[Split]] = {
            side: make_splits(self.row.split, images.targets_N, groups_N, side, recipe.seed)
            for side in get_args(Protocol)
        }
        used = np.unique(np.concatenate([split.rows for found in splits.values() for split in found]))
        if len(used) < len(images):
            images, groups_N = images.subset(used), groups_N[used]
            splits = {side: [split.within(used) for split in found] for side, found in splits.items()}
        return images, groups_N, splits

    def _describe_or_check(self, images: ImageSet) -> dict[str, Any]:
        """Write what decides the run beside it, or compare with what stands there; return it."""
        path = self.home / "run.json"
        described: dict[str, Any] = {
            "recipe": asdict(self.row.recipe),
            "seed": self.row.recipe.seed,
            "split": asdict(self.row.split),
            "data_digest": images.digest,
            "init_digest": file_digest(self.init),
        }
        described = json.loads(json.dumps(described))  # tuples become lists, as they come back from the file
        if path.is_file():
            known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            for key, value in described.items():
                if known[key] != value:
                    raise ValueError(f"{self.home} holds a run with another {key}; choose another --run.")
            return known
        self.home.mkdir(parents=True, exist_ok=True)
        described |= {"commit": commit(), "device": _name(self.device)}
        path.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
        return described

    def _train(self, images: ImageSet, split: Split, seconds: float | None, folder: Path, title: str) -> Trained:
        recipe = self.row.recipe
        if self.backbone == "fine-tuned":
            trained = fine_tune(recipe, images, split, self.init, folder, seconds, self.device)
        else:
            cache = FeatureCache(self.folder / "features", images, self.init, self.device)
            trained = train_on_features(recipe, images, split, self.init, cache, title)
        if isinstance(self.row.split, Draw):
            counts = {"train": len(split.train_M), "test": len(split.test_M)}
            history = {"recipe": asdict(recipe), "epochs": trained.history}
            notes = f"Drawn by seed for {self.row.where} of the {self.row.paper} paper, {folder.parent.name}."
            origin = replace(SHIPPED, name=recipe.name, data=replace(SHIPPED.data, notes=notes))
            write_draft(trained.network, recipe, history, origin, counts, images.digest, folder / "checkpoint")
        save_fold(folder, recipe, split, trained, whole=self.backbone == "fine-tuned")
        return trained

    def _result(
        self,
        images: ImageSet,
        groups_N: NDArray[np.str_],
        splits: Mapping[Protocol, Sequence[Split]],
        described: Mapping[str, Any],
    ) -> Result:
        classes = self.row.recipe.classes
        rows_M = np.sort(np.concatenate([split.test_M for split in splits["grouped"]]))
        targets_M, groups_M = images.targets_N[rows_M], groups_N[rows_M]
        folders = {side: [self._fold(side, number) for number in range(len(found))] for side, found in splits.items()}
        said = {side: read_predictions(places, len(images))[rows_M] for side, places in folders.items()}
        measures = compare(said["published"], said["grouped"], targets_M, groups_M, classes)
        histories = {side: [read_history(place) for place in places] for side, places in folders.items()}
        sides: dict[Protocol, SideResult] = {
            side: SideResult(
                measures=measures[side],
                confusion=confusion_matrix(targets_M, said[side].argmax(axis=1)).tolist(),
                curve=_mean_curve([history["epochs"] for history in histories[side]]),
                roc=roc_curves(said[side], targets_M, classes),
                train_images=[len(split.train_M) for split in found],
                shared_patients=sum(split.shared(groups_N) for split in found),
                seconds=round(sum(history["seconds"] for history in histories[side])),
            )
            for side, found in splits.items()
        }
        return Result(
            row=self.row.name,
            backbone=self.backbone,
            recipe=described["recipe"],
            seed=described["seed"],
            planned_epochs=self.row.recipe.epochs,
            epochs=min(len(history["epochs"]) for found in histories.values() for history in found),
            data_digest=images.digest,
            init_digest=described["init_digest"],
            commit=described["commit"],
            device=described["device"],
            test_images=len(rows_M),
            patients=len(np.unique(groups_M)),
            support=np.bincount(targets_M, minlength=len(classes)).tolist(),
            sides=sides,
            leakage=measures["leakage"],
            weights=self.weights,
        )


def _mean_curve(histories: Sequence[Sequence[Mapping[str, float]]]) -> Curve:
    """Return the mean of the folds, as far as the shortest one goes."""
    return [
        {"epoch": number + 1} | {key: round(float(np.mean([row[key] for row in rows])), 4) for key in _CURVE}
        for number, rows in enumerate(zip(*histories, strict=False))
    ]


def _name(device: str) -> str:
    import torch

    return device if device == "cpu" else str(torch.cuda.get_device_name(device))
