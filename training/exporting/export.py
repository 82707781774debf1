"""From a run's best weights to a checkpoint that the product can load: weights, graph and a measured card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.card import Architecture, Calibration, Card, OperatingPoint
from models.checkpoint import CARD, GRAPH, INT8_GRAPH, WEIGHTS, Checkpoint, file_digest, write_card
from models.class_activation import pneumonia_maps
from models.classifier import Classifier
from models.decision import calibrate
from models.distance import PREFIX
from models.measurements import Estimate, Measurements
from models.precision import Int8
from models.references import ReferenceRow
from models.runtimes import NetworkOutput, OnnxRuntime
from models.styles import is_plausible
from models.unlike import UnlikeTraining
from training.card.provenance import Provenance, origin_of, read_provenance
from training.exporting.calibration import cross_fit, fit, naming, operating_points, type_margin
from training.exporting.graph import is_residual, write_graph, write_weights
from training.exporting.int8_graph import write_int8_graph
from training.exporting.observation import mean_features, value_ranges
from training.fitting.dataset import LabelledImage, find_images, load, read_display_values, splits_of
from training.fitting.recipes import Recipe, read_recipe
from training.measuring import distance
from training.measuring.answers import answer
from training.measuring.assessment import assess
from training.measuring.evaluation import figures
from training.measuring.int8 import CALIBRATION_IMAGES, compare
from training.measuring.kinds import one_a_patient
from training.measuring.metrics import p_pneumonia
from training.measuring.references import reference_rows
from training.measuring.styles import Rendered, count_clusters, judge, render_all

ABOUT = "about.toml"
"""Copy, in the folder of a run, of the file that says what its data are."""
_UNKNOWN = Estimate(0.0, 0.0, 1.0)
_UNMEASURED = UnlikeTraining(distance.STAGES, 0.0, 1.0, (), ())


def export(run: Path, data: Path, folder: Path, transform: str | None = None) -> Checkpoint:
    """Write the best weights of a run as a checkpoint, calibrated and measured on the val split of its data.

    Every figure comes from the ONNX graph with the rounded weights, which is what the product runs.

    Parameters
    ----------
    transform
        What the network is to see, where that is not what it was trained on.

    Raises
    ------
    ValueError
        When the run has no best weights yet, or the data do not suit it.
    """
    if not (run / "best.pt").is_file():
        raise ValueError(f"{run} holds no best.pt; train for at least one epoch first.")
    history = json.loads((run / "history.json").read_text(encoding="utf-8"))
    recipe = read_recipe(history["recipe"])
    if transform is not None:
        recipe = replace(recipe, transform=transform)
    origin = read_provenance(run / ABOUT) if (run / ABOUT).is_file() else origin_of(recipe.name)
    splits = {split: find_images(data, recipe.classes, split) for split in splits_of(data)}
    counts = {split: len(images) for split, images in splits.items()}
    digest = load(splits["train"], recipe.classes, recipe.transform).digest
    network = _network(recipe, run)
    draft = write_draft(network, recipe, history, origin, counts, digest, folder, splits["train"])
    card = _measured(draft.card, draft, splits)
    (folder / CARD).write_bytes(write_card(card))
    return Checkpoint.load(folder)


def write_draft(
    network: Classifier,
    recipe: Recipe,
    history: Mapping[str, object],
    origin: Provenance,
    counts: Mapping[str, int],
    digest: str,
    folder: Path,
    watched: Sequence[LabelledImage] = (),
) -> Checkpoint:
    """Write a checkpoint whose calibration does nothing yet: weights, graph and card.

    Parameters
    ----------
    counts
        Number of images by split.
    digest
        SHA-256 (hex) of the training images in memory.
    watched
        Training images by which a residual network is given the distance from them and a graph for int8; without any
        it has neither.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.numpy() for key, value in network.state_dict().items() if value.dtype.is_floating_point}
    write_weights(state, folder / WEIGHTS)
    # One of an earlier export would point into weights that are about to be others.
    (folder / INT8_GRAPH).unlink(missing_ok=True)
    if watched and is_residual(network):
        _write_watched(network, recipe, state, watched, folder)
    else:
        write_graph(network, folder / WEIGHTS, folder / GRAPH)
    (folder / CARD).write_bytes(write_card(_draft(recipe, history, origin, counts, digest, folder)))
    return Checkpoint.load(folder)


def _write_watched(
    network: Classifier,
    recipe: Recipe,
    state: Mapping[str, NDArray[np.float32]],
    train: Sequence[LabelledImage],
    folder: Path,
) -> None:
    """Write weights and both graphs; what they need to know of the network's inside is watched on train."""
    weights = folder / WEIGHTS
    # Drawn, for images are listed by name, and so class by class: the first ones would all be of one.
    drawn = [train[index] for index in np.random.default_rng(0).permutation(len(train))]
    means_ND = mean_features(network, weights, distance.STAGES, recipe.transform, drawn[: distance.FITTED_ON])
    fitted = distance.fit(means_ND)
    ranges = value_ranges(network, weights, recipe.transform, drawn[:CALIBRATION_IMAGES])
    write_weights({**state, **{f"{PREFIX}{name}": values for name, values in fitted.items()}}, weights)
    write_graph(network, weights, folder / GRAPH, distance.STAGES)
    write_int8_graph(network, weights, folder / INT8_GRAPH, distance.STAGES, ranges)


def _network(recipe: Recipe, run: Path) -> Classifier:
    network = Classifier(recipe.backbone, recipe.head, len(recipe.classes), recipe.stages[-1].size)
    network.load_state_dict(torch.load(run / "best.pt", map_location="cpu", weights_only=True))
    return network.eval()


def _draft(
    recipe: Recipe,
    history: Mapping[str, object],
    origin: Provenance,
    counts: Mapping[str, int],
    digest: str,
    folder: Path,
) -> Card:
    watched = (folder / INT8_GRAPH).is_file()
    points = tuple(
        OperatingPoint(name, 0.5, 0.5, _UNKNOWN, _UNKNOWN, _UNKNOWN) for name in ("rule-in", "balanced", "rule-out")
    )
    return Card(
        name=origin.name,
        version=origin.version,
        architecture=Architecture(recipe.backbone, recipe.head, recipe.stages[-1].size),
        classes=recipe.classes,
        findings={name: recipe.findings[name] for name in recipe.classes},
        transform=recipe.transform,
        calibration=Calibration(1.0, (0.0,) * len(recipe.classes), 0.5),
        operating_points=points,
        type_margin=0.0,
        cam_scale=1.0,
        population=origin.population,
        training_data=(origin.training_data(counts, digest),),
        starting_weights=origin.starting_weights,
        recipe=history,
        metrics={},
        robustness=(),
        digests={name: file_digest(folder / name) for name in (WEIGHTS, GRAPH, *([INT8_GRAPH] if watched else []))},
        unlike_training=_UNMEASURED if watched else None,
        int8=Int8(CALIBRATION_IMAGES, {}) if watched else None,
        limits=origin.limits,
    )


def _measured(card: Card, checkpoint: Checkpoint, splits: Mapping[str, Sequence[LabelledImage]]) -> Card:
    """Return the card with everything that the val images measure, as they are and in other machines' styles."""
    runtime, images = OnnxRuntime(checkpoint), splits["val"]
    exact = answer(runtime, card.transform, images)
    has_clusters = any(image.cluster for image in splits["train"])
    restyled = list(render_all(runtime, card, images, splits["train"])) if has_clusters else []
    card = _calibrated(card, exact, images, restyled)
    clusters, references = count_clusters(splits, card.classes), _references(card, exact, images)
    card = replace(card, measurements=replace(card.measurements, clusters=clusters, references=references))
    if exact.distance_N is None:
        return card
    radiographs = [read_display_values(image.path) for image in one_a_patient(images)]
    card = replace(
        card,
        unlike_training=distance.measure(
            runtime, card.transform, exact.distance_N, radiographs, upright_N=distance.upright(images)
        ),
    )
    small = answer(OnnxRuntime(checkpoint, precision="int8"), card.transform, images)
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    return replace(card, int8=Int8(CALIBRATION_IMAGES, {"val": compare(card, exact, small, targets_N)}))


def _references(card: Card, exact: NetworkOutput, images: Sequence[LabelledImage]) -> tuple[ReferenceRow, ...]:
    truth_N = np.isin([image.target for image in images], card.pneumonia_classes)
    probabilities_NK = calibrate(exact.logits_NK, card.calibration, card.pneumonia_classes)
    p_N = p_pneumonia(probabilities_NK, card.pneumonia_classes)
    return reference_rows(p_N, truth_N, exact.distance_N, card.calibration.prevalence)


def _calibrated(
    card: Card, answers: NetworkOutput, images: Sequence[LabelledImage], restyled: Sequence[Rendered]
) -> Card:
    """Return the card with calibration, bands, margin, heat-map scale and figures from the given images."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    groups_N = np.array([image.group for image in images])
    logits_NK, cam_NKHW, _ = answers
    pneumonia = card.pneumonia_classes
    truth_N = np.isin(targets_N, pneumonia)
    probabilities_NK, *other_NK = cross_fit(
        logits_NK, targets_N, groups_N, pneumonia, [rendered.logits_NK for rendered in restyled]
    )
    maps_NHW = pneumonia_maps(probabilities_NK[truth_N], cam_NKHW[truth_N], card)
    bacterial, viral = (_column(card, finding) for finding in ("bacterial pneumonia", "viral pneumonia"))
    typed_N = np.isin(targets_N, bacterial + viral)
    # Limits hold in every style in which a machine may show an image; in the others they would be those of no machine.
    plausible = [found for rendered, found in zip(restyled, other_NK, strict=True) if is_plausible(rendered.style.what)]
    pairs = [
        (found_NK[typed_N][:, bacterial].sum(axis=1), found_NK[typed_N][:, viral].sum(axis=1))
        for found_NK in (probabilities_NK, *plausible)
    ]
    p_N, *other_N = (p_pneumonia(found_NK, pneumonia) for found_NK in (probabilities_NK, *plausible))
    measured = replace(
        card,
        calibration=fit(logits_NK, targets_N, pneumonia),
        operating_points=operating_points(p_N, truth_N, groups_N, other_N),
        type_margin=type_margin(pairs, np.isin(targets_N[typed_N], viral)),
        cam_scale=round(float(np.percentile(maps_NHW.max(axis=(1, 2)), 95)), 4),
        metrics={"val": figures(card, probabilities_NK, images)},
    )
    rows = tuple(
        judge(measured, images, probabilities_NK, found_NK, rendered.style)
        for rendered, found_NK in zip(restyled, other_NK, strict=True)
    )
    of_val = assess(measured, probabilities_NK, images)
    named = naming(pairs, np.isin(targets_N[typed_N], viral), groups_N[typed_N]) if bacterial and viral else ()
    return replace(measured, measurements=Measurements({"val": of_val}, styles=rows, naming=named))


def _column(card: Card, finding: str) -> list[int]:
    return [index for index, name in enumerate(card.classes) if card.findings[name] == finding]
