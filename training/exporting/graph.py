"""The ONNX graph of a network, whose initialisers point into the checkpoint's safetensors file.

Built node by node rather than traced: some kilobytes, the same bytes on every export, and no copy of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save
from torch import nn
from torchvision.models.resnet import Bottleneck

from models.backbones import CHANNELS
from models.classifier import Classifier

_TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
_OPSET = 17
STAGES = ("layer1", "layer2", "layer3", "layer4")
LAST = STAGES[-1]


def write_weights(state: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Write the tensors as safetensors: matrices and kernels in float16, vectors of batch normalisation in float32.

    Running variances go below what float16 can hold; the vectors are 0.4 % of the parameters.
    """
    path.write_bytes(save({key: value.astype(np.float16) if value.ndim > 1 else value for key, value in state.items()}))


def write_graph(network: Classifier, weights: Path, path: Path, stages: Sequence[str] = ()) -> None:
    """Write the graph from ``images`` (N x 3 x H x W) to ``logits`` (N x K) and ``cam`` (N x K x H/32 x W/32).

    Parameters
    ----------
    stages
        The layers whose means give a third output, ``distance`` (N), when the weights hold its tensors.

    Raises
    ------
    ValueError
        When a distance is wanted of a network that is not residual.
    """
    builder = Builder(weights)
    write(builder, network, path, stages)


def write(builder: Builder, network: Classifier, path: Path, stages: Sequence[str]) -> None:
    """Write the graph as a builder makes it; see `write_graph`."""
    layers = trunk(builder, network.backbone) if is_residual(network) else plain_trunk(builder, network.backbone)
    outputs = add_head(builder, layers[LAST], network)
    if stages:
        require_residual(network)
        outputs.append(add_distance(builder, [layers[stage] for stage in stages]))
    builder.save(path, outputs)


def is_residual(network: Classifier) -> bool:
    """Return whether the network is built of residual blocks."""
    return hasattr(network.backbone, LAST)


def require_residual(network: Classifier) -> None:
    """Raise ValueError when the network is not built of residual blocks."""
    if not is_residual(network):
        raise ValueError("Only residual networks have a distance from the training images and a graph for int8.")


def output(name: str, *shape: int | str) -> onnx.ValueInfoProto:
    """Describe an output of float32."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


class Builder:
    """Collects nodes and initialisers; values are named by the order in which they appear.

    Attributes
    ----------
    points
        The values between convolutions by the name of the module that they leave, so that their ranges can be watched.
    """

    def __init__(self, weights: Path) -> None:
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header = json.loads(file.read(length))
        self._data_start, self._location = 8 + length, weights.name
        self.points: dict[str, str] = {}
        self._nodes: list[onnx.NodeProto] = []
        self._initialisers: list[onnx.TensorProto] = []
        self._values: dict[str, str] = {}

    def node(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        output = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Append a small constant, once, and return its name."""
        if name not in self._values:
            self._initialisers.append(numpy_helper.from_array(values, name))
            self._values[name] = name
        return name

    def tensor(self, key: str) -> str:
        """Return the name of a float32 value of the stored tensor, with a Cast where it is stored as float16."""
        if key not in self._values:
            entry = self._header[key]
            begin, end = entry["data_offsets"]
            stored = TensorProto(name=key, data_type=_TYPES[entry["dtype"]], dims=entry["shape"])
            stored.data_location = TensorProto.EXTERNAL
            place = {"location": self._location, "offset": self._data_start + begin, "length": end - begin}
            for name, value in place.items():
                stored.external_data.add(key=name, value=str(value))
            self._initialisers.append(stored)
            is_half = entry["dtype"] == "F16"
            self._values[key] = self.node("Cast", [key], to=TensorProto.FLOAT) if is_half else key
        return self._values[key]

    def convolution(self, value: str, key: str, module: nn.Conv2d, norm: tuple[str, nn.BatchNorm2d], relu: bool) -> str:
        """Append a convolution without bias, its batch normalisation, and what cuts at zero."""
        value = self.node("Conv", [value, self.tensor(f"{key}.weight")], **geometry(module))
        value = self.batch_norm(value, *norm)
        self.points[key] = self.node("Relu", [value]) if relu else value
        return self.points[key]

    def join(self, value: str, shortcut: str, key: str) -> str:
        """Append the end of a block: both ways added and cut at zero."""
        self.points[key] = self.node("Relu", [self.node("Add", [value, shortcut])])
        return self.points[key]

    def pool(self, value: str) -> str:
        """Append the pooling behind the stem."""
        return self.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

    def batch_norm(self, value: str, key: str, module: nn.BatchNorm2d) -> str:
        """Append a batch normalisation that uses the stored statistics."""
        parts = ("weight", "bias", "running_mean", "running_var")
        return self.node(
            "BatchNormalization", [value, *(self.tensor(f"{key}.{part}") for part in parts)], epsilon=module.eps
        )

    def mean(self, features: str) -> str:
        """Append the mean over each feature map (N x C)."""
        return self.node("Flatten", [self.node("GlobalAveragePool", [features])], axis=1)

    def save(self, path: Path, outputs: list[onnx.ValueInfoProto]) -> None:
        """Write the graph and check it."""
        images = output("images", "N", 3, "H", "W")
        graph = helper.make_graph(self._nodes, "classifier", [images], outputs, self._initialisers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
        path.write_bytes(model.SerializeToString(deterministic=True))
        onnx.checker.check_model(str(path))


def geometry(module: nn.Conv2d) -> dict[str, Any]:
    """Return the attributes of a convolution's node."""
    return {"strides": list(module.stride), "pads": [int(side) for side in module.padding] * 2}


def trunk(builder: Builder, backbone: Any) -> dict[str, str]:
    """Append stem and blocks; return the feature map at the end of each layer."""
    value = builder.convolution("images", "backbone.conv1", backbone.conv1, ("backbone.bn1", backbone.bn1), relu=True)
    value = builder.pool(value)
    ends = {}
    for layer in STAGES:
        for index, block in enumerate(getattr(backbone, layer)):
            value = _block(builder, value, f"backbone.{layer}.{index}", block)
        ends[layer] = value
    return ends


def plain_trunk(builder: Builder, backbone: Any) -> dict[str, str]:
    """Append the layers of a VGG network in their order; return the last feature map as the end of the last layer."""
    value = "images"
    for index, layer in enumerate(backbone.features):
        if isinstance(layer, nn.Conv2d):
            parts = [builder.tensor(f"backbone.features.{index}.{part}") for part in ("weight", "bias")]
            value = builder.node("Conv", [value, *parts], **geometry(layer))
        elif isinstance(layer, nn.ReLU):
            value = builder.node("Relu", [value])
        else:
            value = builder.node("MaxPool", [value], kernel_shape=[2, 2], strides=[2, 2])
    return {LAST: value}


def add_head(builder: Builder, features: str, network: Classifier) -> list[onnx.ValueInfoProto]:
    """Append logits and class activation maps; describe them."""
    head = network.head
    if isinstance(head.first, nn.BatchNorm2d):
        features = builder.batch_norm(features, "head.first", head.first)
    dense, classes = builder.tensor("head.dense.weight"), head.dense.out_features
    flat = builder.mean(features) if head.pooled else builder.node("Flatten", [features], axis=1)
    builder.node("Gemm", [flat, dense, builder.tensor("head.dense.bias")], "logits", transB=1)
    channels = CHANNELS[network.backbone.name]
    if head.dense.in_features == channels:
        kernel = builder.node("Unsqueeze", [dense, builder.constant("axes", np.array([2, 3]))])
    else:
        # Each channel counts with the sum of its weights over the cells: see Classifier.read.
        shape = builder.constant("by cell", np.array([classes, channels, -1, 1]))
        cells = builder.constant("cells", np.array([2]))
        kernel = builder.node("ReduceSum", [builder.node("Reshape", [dense, shape]), cells], keepdims=1)
    builder.node("Conv", [features, kernel], "cam")
    return [output("logits", "N", classes), output("cam", "N", classes, "h", "w")]


def add_distance(builder: Builder, layers: Sequence[str]) -> onnx.ValueInfoProto:
    """Append the distance from the training images; see `models.distance`."""
    means = [builder.mean(layer) for layer in layers]
    joined = builder.node("Concat", means, axis=1) if len(means) > 1 else means[0]
    centred = builder.node("Sub", [joined, builder.tensor("distance.centre")])
    scaled = builder.node("Mul", [centred, builder.tensor("distance.scale")])
    along = builder.node("Gemm", [scaled, builder.tensor("distance.basis")], transB=1)
    weighed = builder.node("Mul", [builder.node("Mul", [along, along]), builder.tensor("distance.weight")])
    axis = builder.constant("axis", np.array([1]))
    inside = builder.node("ReduceSum", [weighed, axis], keepdims=0)
    builder.node("Add", [builder.node("ReduceSumSquare", [scaled], axes=[1], keepdims=0), inside], "distance")
    return output("distance", "N")


def _block(builder: Builder, value: str, key: str, block: Bottleneck) -> str:
    """Append a bottleneck block: three convolutions beside a shortcut."""
    shortcut = value
    if block.downsample is not None:
        norm = (f"{key}.downsample.1", block.downsample[1])
        shortcut = builder.convolution(value, f"{key}.downsample.0", block.downsample[0], norm, relu=False)
    for number in (1, 2, 3):
        norm = (f"{key}.bn{number}", getattr(block, f"bn{number}"))
        module = getattr(block, f"conv{number}")
        value = builder.convolution(value, f"{key}.conv{number}", module, norm, relu=number < 3)
    return builder.join(value, shortcut, key)
