"""From a run's best weights to a checkpoint that the product can load: weights, graph and a measured card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.card import Architecture, Calibration, Card, OperatingPoint
from models.checkpoint import CARD, GRAPH, INT8_GRAPH, WEIGHTS, Checkpoint, file_digest, write_card
from models.class_activation import pneumonia_maps
from models.classifier import Classifier
from models.distance import PREFIX
from models.measurements import Estimate, Measurements
from models.precision import Int8
from models.runtimes import Answers, OnnxRuntime
from models.unlike import UnlikeTraining
from training import distance, provenance
from training.answers import answer
from training.assessment import assess
from training.calibration import cross_fit, fit, operating_points, type_margin
from training.dataset import LabelledImage, find_images, load, read_display_values
from training.evaluation import figures
from training.graph import write_graph, write_weights
from training.int8 import CALIBRATION_IMAGES, compare
from training.int8_graph import write_int8_graph
from training.observation import mean_features, value_ranges
from training.recipes import RECIPES, Recipe

_UNKNOWN = Estimate(0.0, 0.0, 1.0)
_UNMEASURED = UnlikeTraining(distance.STAGES, 0.0, 1.0, (), ())
_MADE_INTO_KINDS = 100
"""Val images, each of another patient, of which pictures of other kinds are made."""


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
    splits = {split: find_images(data, recipe.classes, split) for split in ("train", "val", "reserved")}
    _write_files(network, recipe, splits["train"], folder)
    draft = _draft(recipe, history, splits, load(splits["train"], recipe.classes).digest, folder)
    (folder / CARD).write_bytes(write_card(draft))
    card = _measured(draft, Checkpoint.load(folder), splits["val"])
    (folder / CARD).write_bytes(write_card(card))
    return Checkpoint.load(folder)


def _write_files(network: Classifier, recipe: Recipe, train: Sequence[LabelledImage], folder: Path) -> None:
    """Write weights and graphs; what they need to know of the network's inside is watched on train."""
    weights = folder / WEIGHTS
    state = {key: value.numpy() for key, value in network.state_dict().items() if value.dtype.is_floating_point}
    write_weights(state, weights)
    drawn = [train[index] for index in np.random.default_rng(0).permutation(len(train))]
    means_ND = mean_features(network, weights, distance.STAGES, recipe.transform, drawn[: distance.FITTED_ON])
    fitted = distance.fit(means_ND)
    ranges = value_ranges(network, weights, recipe.transform, drawn[:CALIBRATION_IMAGES])
    write_weights(state | {f"{PREFIX}{name}": values for name, values in fitted.items()}, weights)
    write_graph(network, weights, folder / GRAPH, distance.STAGES)
    write_int8_graph(network, weights, folder / INT8_GRAPH, distance.STAGES, ranges)


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
        digests={name: file_digest(folder / name) for name in (WEIGHTS, GRAPH, INT8_GRAPH)},
        unlike_training=_UNMEASURED,
        int8=Int8(CALIBRATION_IMAGES, {}),
    )


def _measured(card: Card, checkpoint: Checkpoint, images: Sequence[LabelledImage]) -> Card:
    """Return the card with everything that the given images measure."""
    runtime = OnnxRuntime(checkpoint)
    exact = answer(runtime, card.transform, images)
    assert exact.distance_N is not None  # noqa: S101
    card = _calibrated(card, exact, images)
    radiographs = [read_display_values(image.path) for image in _one_a_patient(images)]
    card = replace(card, unlike_training=distance.measure(runtime, card.transform, exact.distance_N, radiographs))
    small = answer(OnnxRuntime(checkpoint, precision="int8"), card.transform, images)
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    return replace(card, int8=Int8(CALIBRATION_IMAGES, {"val": compare(card, exact, small, targets_N)}))


def _calibrated(card: Card, answers: Answers, images: Sequence[LabelledImage]) -> Card:
    """Return the card with calibration, bands, margin, heat-map scale and figures from the given images."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    groups_N = np.array([image.group for image in images])
    logits_NK, cam_NKHW, _ = answers
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


def _one_a_patient(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Return images of different patients, drawn from all."""
    by_group = {image.group: image for image in images}
    drawn = np.random.default_rng(0).permutation(len(by_group))[:_MADE_INTO_KINDS]
    found = list(by_group.values())
    return [found[index] for index in sorted(drawn)]
