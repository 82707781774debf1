"""The ONNX graph of a residual network, whose initialisers point into the checkpoint's safetensors file.

Built node by node rather than traced: some kilobytes, the same bytes on every export, and no copy of the weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import save
from torch import nn
from torchvision.models.resnet import Bottleneck

from models.classifier import Classifier

_TYPES = {"F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
_OPSET = 17


def write_weights(state: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Write the tensors as safetensors: matrices and kernels in float16, vectors of batch normalisation in float32.

    Running variances go below what float16 can hold; the vectors are 0.4 % of the parameters.
    """
    path.write_bytes(save({key: value.astype(np.float16) if value.ndim > 1 else value for key, value in state.items()}))


def write_graph(network: Classifier, weights: Path, path: Path) -> None:
    """Write the graph from ``images`` (N x 3 x H x W) to ``logits`` (N x K) and ``cam`` (N x K x H/32 x W/32).

    Raises
    ------
    ValueError
        When the network is not a residual network with global average pooling.
    """
    if not hasattr(network.backbone, "layer4") or not network.head.pooled:
        raise ValueError("Only residual networks with global average pooling have a graph for the CPU runtime.")
    builder = _Builder(weights)
    features = _trunk(builder, network.backbone)
    if isinstance(network.head.first, nn.BatchNorm2d):
        features = builder.batch_norm(features, "head.first", network.head.first)
    pooled = builder.node("Flatten", [builder.node("GlobalAveragePool", [features])], axis=1)
    dense = builder.tensor("head.dense.weight")
    builder.node("Gemm", [pooled, dense, builder.tensor("head.dense.bias")], "logits", transB=1)
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    builder.initialisers.append(axes)
    builder.node("Conv", [features, builder.node("Unsqueeze", [dense, "axes"])], "cam")
    float_info = helper.make_tensor_value_info
    graph = helper.make_graph(
        builder.nodes,
        "classifier",
        [float_info("images", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [
            float_info("logits", TensorProto.FLOAT, ["N", network.head.dense.out_features]),
            float_info("cam", TensorProto.FLOAT, ["N", network.head.dense.out_features, "h", "w"]),
        ],
        builder.initialisers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    path.write_bytes(model.SerializeToString(deterministic=True))
    onnx.checker.check_model(str(path))


class _Builder:
    """Collects nodes and initialisers; values are named by the order in which they appear."""

    def __init__(self, weights: Path) -> None:
        with weights.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._header = json.loads(file.read(length))
        self._data_start, self._location = 8 + length, weights.name
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: list[onnx.TensorProto] = []
        self._values: dict[str, str] = {}

    def node(self, operator: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

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
            self.initialisers.append(stored)
            is_half = entry["dtype"] == "F16"
            self._values[key] = self.node("Cast", [key], to=TensorProto.FLOAT) if is_half else key
        return self._values[key]

    def convolution(self, value: str, key: str, module: nn.Conv2d) -> str:
        """Append a convolution without bias."""
        padding = [int(side) for side in module.padding] * 2
        return self.node("Conv", [value, self.tensor(f"{key}.weight")], strides=list(module.stride), pads=padding)

    def batch_norm(self, value: str, key: str, module: nn.BatchNorm2d) -> str:
        """Append a batch normalisation that uses the stored statistics."""
        parts = ("weight", "bias", "running_mean", "running_var")
        return self.node(
            "BatchNormalization", [value, *(self.tensor(f"{key}.{part}") for part in parts)], epsilon=module.eps
        )


def _trunk(builder: _Builder, backbone: Any) -> str:
    """Append stem and blocks; return the last feature map."""
    value = builder.convolution("images", "backbone.conv1", backbone.conv1)
    value = builder.node("Relu", [builder.batch_norm(value, "backbone.bn1", backbone.bn1)])
    value = builder.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for layer in ("layer1", "layer2", "layer3", "layer4"):
        for index, block in enumerate(getattr(backbone, layer)):
            value = _block(builder, value, f"backbone.{layer}.{index}", block)
    return value


def _block(builder: _Builder, value: str, key: str, block: Bottleneck) -> str:
    """Append a bottleneck block: three convolutions beside a shortcut."""
    shortcut = value
    if block.downsample is not None:
        shortcut = builder.convolution(value, f"{key}.downsample.0", block.downsample[0])
        shortcut = builder.batch_norm(shortcut, f"{key}.downsample.1", block.downsample[1])
    for number in (1, 2, 3):
        value = builder.convolution(value, f"{key}.conv{number}", getattr(block, f"conv{number}"))
        value = builder.batch_norm(value, f"{key}.bn{number}", getattr(block, f"bn{number}"))
        if number < 3:
            value = builder.node("Relu", [value])
    return builder.node("Relu", [builder.node("Add", [value, shortcut])])
