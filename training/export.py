"""From a run's best weights to a checkpoint that the product can load: weights, graph and a measured card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from models.card import Architecture, Calibration, Card, OperatingPoint
from models.checkpoint import CARD, GRAPH, WEIGHTS, Checkpoint, file_digest, write_card
from models.class_activation import pneumonia_maps
from models.classifier import Classifier
from models.measurements import Estimate, Measurements
from models.runtimes import OnnxRuntime
from models.transforms import to_batch
from training import provenance
from training.assessment import assess
from training.calibration import cross_fit, fit, operating_points, type_margin
from training.dataset import LabelledImage, find_images, load, read_display_values
from training.evaluation import figures
from training.graph import write_graph, write_weights
from training.recipes import RECIPES, Recipe

_UNKNOWN = Estimate(0.0, 0.0, 1.0)


def export(run: Path, data: Path, folder: Path) -> Checkpoint:
    """Write the best weights of a run as a checkpoint, calibrated and measured on the val split of its data.

    Every figure comes from the ONNX graph with the rounded weights, which is what the product runs.

    Raises
    ------
    ValueError
        When the run has no best weights yet, or its recipe is unknown.
    """
    history = json.loads((run / "history.json").read_text(encoding="utf-8"))
    recipe = RECIPES[history["recipe"]["name"]]
    network = _network(recipe, run)
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.numpy() for key, value in network.state_dict().items() if value.dtype.is_floating_point}
    write_weights(state, folder / WEIGHTS)
    write_graph(network, folder / WEIGHTS, folder / GRAPH)
    splits = {split: find_images(data, recipe.classes, split) for split in ("train", "val", "reserved")}
    draft = _draft(recipe, history, splits, load(splits["train"], recipe.classes).digest, folder)
    (folder / CARD).write_bytes(write_card(draft))
    card = _measured(draft, Checkpoint.load(folder), splits["val"])
    (folder / CARD).write_bytes(write_card(card))
    return Checkpoint.load(folder)


def _network(recipe: Recipe, run: Path) -> Classifier:
    if not (run / "best.pt").is_file():
        raise ValueError(f"{run} holds no best.pt; train for at least one epoch first.")
    network = Classifier(recipe.backbone, recipe.head, len(recipe.classes), recipe.stages[-1].size)
    network.load_state_dict(torch.load(run / "best.pt", map_location="cpu", weights_only=True))
    return network.eval()


def _draft(
    recipe: Recipe, history: dict[str, object], splits: dict[str, list[LabelledImage]], digest: str, folder: Path
) -> Card:
    """Return a card whose calibration does nothing yet."""
    counts = {split: len(images) for split, images in splits.items()}
    points = tuple(
        OperatingPoint(name, 0.5, 0.5, _UNKNOWN, _UNKNOWN, _UNKNOWN) for name in ("rule-in", "balanced", "rule-out")
    )
    return Card(
        name=provenance.NAME,
        version=provenance.VERSION,
        architecture=Architecture(recipe.backbone, recipe.head, recipe.stages[-1].size),
        classes=recipe.classes,
        findings=provenance.FINDINGS,
        transform=recipe.transform,
        calibration=Calibration(1.0, (0.0,) * len(recipe.classes), 0.5),
        operating_points=points,
        type_margin=0.0,
        cam_scale=1.0,
        population=provenance.POPULATION,
        training_data=(provenance.training_data(counts, digest),),
        starting_weights=provenance.starting_weights(recipe.name),
        recipe=history,
        metrics={},
        robustness=(),
        digests={name: file_digest(folder / name) for name in (WEIGHTS, GRAPH)},
    )


def _measured(card: Card, checkpoint: Checkpoint, images: Sequence[LabelledImage]) -> Card:
    """Return the card with calibration, bands, margin, heat-map scale and figures from the given images."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    groups_N = np.array([image.group for image in images])
    logits_NK, cam_NKHW = _run(checkpoint, images)
    pneumonia = card.pneumonia_classes
    truth_N = np.isin(targets_N, pneumonia)
    probabilities_NK = cross_fit(logits_NK, targets_N, groups_N, pneumonia)
    maps_NHW = pneumonia_maps(probabilities_NK[truth_N], cam_NKHW[truth_N], card)
    bacterial, viral = (_column(card, finding) for finding in ("bacterial pneumonia", "viral pneumonia"))
    measured = replace(
        card,
        calibration=fit(logits_NK, targets_N, pneumonia),
        operating_points=operating_points(probabilities_NK[:, list(pneumonia)].sum(axis=1), truth_N, groups_N),
        type_margin=type_margin(
            probabilities_NK[truth_N][:, bacterial].sum(axis=1),
            probabilities_NK[truth_N][:, viral].sum(axis=1),
            np.isin(targets_N[truth_N], viral),
        ),
        cam_scale=round(float(np.percentile(maps_NHW.max(axis=(1, 2)), 95)), 4),
        metrics={"val": figures(card, probabilities_NK, images)},
    )
    return replace(measured, measurements=Measurements({"val": assess(measured, probabilities_NK, images)}))


def _column(card: Card, finding: str) -> list[int]:
    return [index for index, name in enumerate(card.classes) if card.findings[name] == finding]


def _run(checkpoint: Checkpoint, images: Sequence[LabelledImage]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return raw logits and class activation maps of all images."""
    runtime, logits, cams = OnnxRuntime(checkpoint), [], []
    for start in track(range(0, len(images), 8), "measuring", transient=True):
        values = [read_display_values(image.path) for image in images[start : start + 8]]
        logits_NK, cam_NKHW = runtime.run(to_batch(checkpoint.card.transform, values))
        logits.append(logits_NK)
        cams.append(cam_NKHW)
    return np.concatenate(logits), np.concatenate(cams)
