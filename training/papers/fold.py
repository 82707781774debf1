"""One training of a row: fine-tuned or on frozen features, and what it leaves on disk.

Shape suffixes: N images, M some of them, K classes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.classifier import Classifier
from training.fitting.dataset import ImageSet
from training.fitting.inputs import predict_logits
from training.fitting.loop import load_last, train
from training.fitting.recipes import Recipe
from training.papers.features import FeatureCache
from training.papers.frozen import train_head
from training.papers.splits import Split

_VIEWS = 1
"""How many changed copies of each image a head is trained on, where the recipe changes images at random."""
_PREDICTIONS = "predictions.npz"


@dataclass(frozen=True)
class Trained:
    """A trained network, what it says of the test images, and how it came there.

    The figures are the last epoch's: to choose an epoch by the images that measure it would flatter it.
    """

    network: Classifier
    logits_MK: NDArray[np.float64]
    history: Sequence[dict[str, float]]
    seconds: float


def fine_tune(
    recipe: Recipe, images: ImageSet, split: Split, init: Path, folder: Path, seconds: float | None, device: str
) -> Trained:
    """Train the whole network, and go on where an earlier call was cut off; a budget shortens the schedule."""
    training, test = (images.subset(rows_M) for rows_M in (split.train_M, split.test_M))
    history = train(recipe, training, test, init, folder, seconds, device=device)
    network = load_last(recipe, folder)
    logits_MK = predict_logits(network.to(device), test.pixels_NHW)
    return Trained(network.cpu(), logits_MK, history, history[-1]["seconds"])


def train_on_features(
    recipe: Recipe, images: ImageSet, split: Split, init: Path, cache: FeatureCache, title: str
) -> Trained:
    """Train the head alone, on features of the images and, where the recipe changes images, of changed copies."""
    if any(asdict(recipe.augmentation).values()):
        others_M = np.setdiff1d(np.arange(len(images)), split.test_M)
        changed = [cache.view(recipe, number + 1, others_M) for number in range(_VIEWS)]
        views = [cache.view(recipe, 0, split.test_M), *changed]
    else:
        views = [cache.view(recipe, 0)]
    began = time.monotonic()
    head, logits_MK, history = train_head(recipe, views, images.targets_N, split, title)
    network = Classifier(recipe.backbone, recipe.head, len(recipe.classes), recipe.stages[-1].size, recipe.dropout)
    network.load(init)
    network.head = head
    return Trained(network.eval(), logits_MK.double().numpy(), history, round(time.monotonic() - began, 1))


def save_fold(folder: Path, recipe: Recipe, split: Split, trained: Trained, *, whole: bool) -> None:
    """Write weights (of the whole network, or of the head alone), history, and last of all the predictions.

    The predictions mark the fold as done.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.save((trained.network if whole else trained.network.head).state_dict(), folder / "weights.pt")
    history = {"recipe": asdict(recipe), "epochs": trained.history, "seconds": trained.seconds}
    (folder / "history.json").write_text(json.dumps(history, indent=1) + "\n", encoding="utf-8")
    raised_MK = np.exp(trained.logits_MK - trained.logits_MK.max(axis=1, keepdims=True))
    partial = folder / "partial.npz"
    with partial.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            rows=split.test_M,
            probabilities=raised_MK / raised_MK.sum(axis=1, keepdims=True),
        )
    partial.replace(folder / _PREDICTIONS)
    for name in ("last.pt", "best.pt"):
        (folder / name).unlink(missing_ok=True)


def is_done(folder: Path) -> bool:
    """Return whether the fold's predictions are there."""
    return (folder / _PREDICTIONS).is_file()


def read_history(folder: Path) -> dict[str, Any]:
    """Return the recipe, the epochs and the seconds of a fold."""
    history: dict[str, Any] = json.loads((folder / "history.json").read_text(encoding="utf-8"))
    return history


def read_predictions(folders: Sequence[Path], count: int) -> NDArray[np.float64]:
    """Return the probabilities (N x K) that all folds together gave; NaN for images that no fold tested."""
    pieces = [np.load(folder / _PREDICTIONS) for folder in folders]
    probabilities_NK = np.full((count, pieces[0]["probabilities"].shape[1]), np.nan)
    for piece in pieces:
        probabilities_NK[piece["rows"]] = piece["probabilities"]
    return probabilities_NK
