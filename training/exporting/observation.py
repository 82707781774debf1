"""What goes on inside the network, watched in the exported graph with its rounded weights.

Shape suffixes: N images, C channels, H rows, W columns, D features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ValueInfoProto
from rich.progress import track

from models.classifier import Classifier
from models.transforms import to_batch
from training.exporting.graph import Builder, output, trunk
from training.exporting.int8_graph import INPUT, Ranges
from training.fitting.dataset import LabelledImage, read_display_values

_BATCH = 8
_INSIDE = 0.95
"""Share of the images whose extremes lie within a range; of five choices, the least error of the logits on train."""


def mean_features(
    network: Classifier, weights: Path, stages: Sequence[str], transform: str, images: Sequence[LabelledImage]
) -> NDArray[np.float32]:
    """Return the mean features of the named layers, joined (N x D)."""
    builder = Builder(weights)
    layers = trunk(builder, network.backbone)
    means = [builder.mean(layers[stage]) for stage in stages]
    outputs = [output(mean, "N", "C") for mean in means]
    rows = [np.concatenate(found, axis=1) for found in _watch(builder, outputs, weights, transform, images)]
    return np.concatenate(rows)


def value_ranges(network: Classifier, weights: Path, transform: str, images: Sequence[LabelledImage]) -> Ranges:
    """Return the range, 0 included, of the values at each point between the convolutions."""
    builder = Builder(weights)
    trunk(builder, network.backbone)
    outputs = []
    for name, value in builder.points.items():
        for operator in ("ReduceMin", "ReduceMax"):
            extreme = builder.node(operator, [value], f"{name} {operator}", axes=[1, 2, 3], keepdims=0)
            outputs.append(output(extreme, "N"))
    rows = [np.stack(found) for found in _watch(builder, outputs, weights, transform, images)]
    lows, highs = np.concatenate(rows, axis=1).reshape(len(builder.points), 2, -1).swapaxes(0, 1)
    low = np.minimum(np.quantile(lows, 1 - _INSIDE, axis=1), 0)
    high = np.maximum(np.quantile(highs, _INSIDE, axis=1), 0)
    return {name: (float(low[index]), float(high[index])) for index, name in enumerate(builder.points)}


def _watch(
    builder: Builder, outputs: list[ValueInfoProto], weights: Path, transform: str, images: Sequence[LabelledImage]
) -> Iterator[list[NDArray[np.float32]]]:
    """Yield the outputs of each batch."""
    path = weights.with_name("watched.onnx")  # beside the weights, since it points into them
    try:
        builder.save(path, outputs)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    finally:
        path.unlink(missing_ok=True)
    for start in track(range(0, len(images), _BATCH), "watching the network", transient=True):
        values = [read_display_values(image.path) for image in images[start : start + _BATCH]]
        yield session.run(None, {INPUT: to_batch(transform, values)})
