"""A checkpoint made of the shipped network, with everything that an export can add to it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

from models.checkpoint import CARD, GRAPH, INT8_GRAPH, WEIGHTS, Checkpoint, default_path, file_digest, write_card
from models.classifier import Classifier
from models.distance import PREFIX
from models.precision import Int8
from models.unlike import KindRow, UnlikeTraining
from service.demo.phantom import phantom_values
from training.exporting.graph import write_graph, write_weights
from training.exporting.int8_graph import write_int8_graph
from training.exporting.observation import mean_features, value_ranges
from training.fitting.dataset import LabelledImage
from training.measuring import distance

LIMIT = 1.5
AT_BEST = {"auc fall": 0.0, "equal outcomes": 1.0, "nll rise": 0.0, "equal scope": 1.0}


def graded(folder: Path) -> Path:
    """Write the checkpoint: its distance is from a few phantoms, its ranges are theirs, and its figures are made up."""
    shipped = Checkpoint.load(default_path(), verify=False)
    network = Classifier()
    network.load(shipped.weights)
    network.eval()
    weights, transform, images = folder / WEIGHTS, shipped.card.transform, _phantoms(folder)
    state = {name: tensor for name, tensor in load_file(shipped.weights).items() if not name.startswith(PREFIX)}
    write_weights(state, weights)
    means_ND = mean_features(network, weights, distance.STAGES, transform, images)
    drawn = np.random.default_rng(1)
    # Too few for a covariance: each is varied, so that there are more than directions.
    spread = means_ND.std()
    spread_ND = np.concatenate([means_ND + drawn.normal(0, spread, means_ND.shape) for _ in range(12)])
    fitted = distance.fit(spread_ND.astype(np.float32))
    write_weights(state | {f"{PREFIX}{name}": values for name, values in fitted.items()}, weights)
    write_graph(network, weights, folder / GRAPH, distance.STAGES)
    ranges = value_ranges(network, weights, transform, images)
    write_int8_graph(network, weights, folder / INT8_GRAPH, distance.STAGES, ranges)
    card = replace(
        shipped.card,
        unlike_training=UnlikeTraining(
            distance.STAGES, LIMIT, 0.01, (KindRow("noise", "drawn greys", 40, True, None, None),), ()
        ),
        int8=Int8(len(images), {"val": AT_BEST}),
        digests={name: file_digest(folder / name) for name in (WEIGHTS, GRAPH, INT8_GRAPH)},
    )
    (folder / CARD).write_bytes(write_card(card))
    return folder


def renamed(folder: Path, version: str) -> Path:
    """Write the shipped checkpoint under another version, and so another digest; it computes the same."""
    shutil.copytree(default_path(), folder)
    card = replace(Checkpoint.load(folder, verify=False).card, version=version)
    (folder / CARD).write_bytes(write_card(card))
    return folder


def _phantoms(folder: Path) -> list[LabelledImage]:
    images = []
    for seed in range(8):
        path = folder / f"{seed}.png"
        Image.fromarray(np.rint(phantom_values(seed, 256, 224) * 255).astype(np.uint8)).save(path)
        images.append(LabelledImage(path, path.name, seed % 3, path.stem))
    return images
