"""The graph with 8-bit arithmetic, made of the same weights file: no second copy of the weights.

Batch normalisation is folded into each convolution, and its kernel rounded to 8 bits, by nodes of the graph itself.
They depend on constants alone, so a runtime computes them once when it loads the graph, and then fuses what stands
between DequantizeLinear and QuantizeLinear into 8-bit kernels. Only the ranges of the values between the convolutions
are stored here. The first convolution, the head, the class activation maps and the distance stay in float32.

References
----------
Jacob and others, Quantization and training of neural networks for efficient integer-arithmetic-only inference, CVPR
2018, section 3.2 (folding of batch normalisation); ONNX operators QuantizeLinear and DequantizeLinear
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import TensorProto
from torch import nn

from models.classifier import Classifier
from training.exporting.graph import Builder, geometry, write

Ranges = Mapping[str, tuple[float, float]]
"""The least and the greatest value at each point of the graph, by the point's name."""
INPUT = "images"


def write_int8_graph(network: Classifier, weights: Path, path: Path, stages: Sequence[str], ranges: Ranges) -> None:
    """Write the 8-bit graph, with the same outputs as that of `training.exporting.graph.write_graph`.

    Raises
    ------
    ValueError
        When a distance is wanted of a network that is not residual.
    """
    write(_Int8Builder(weights, ranges), network, path, stages)


class _Int8Builder(Builder):
    """Makes convolutions of unsigned 8-bit values with signed 8-bit kernels, one scale for each output channel."""

    def __init__(self, weights: Path, ranges: Ranges) -> None:
        super().__init__(weights)
        self._ranges = ranges
        self._scales: dict[str, str] = {}

    def convolution(self, value: str, key: str, module: nn.Conv2d, norm: tuple[str, nn.BatchNorm2d], relu: bool) -> str:
        """Append a convolution in 8 bits with its batch normalisation folded in; the first one stays in float32."""
        if value == INPUT:
            return self._rounded(super().convolution(value, key, module, norm, relu), key)
        kernel, bias = self._folded(key, *norm)
        scale = self._kernel_scale(kernel, bias, self._scales[value])
        zero = self.constant(f"zero {module.out_channels}", np.zeros(module.out_channels, dtype=np.int8))
        small = self.node("QuantizeLinear", [kernel, scale, zero], axis=0)
        step = self.node("Mul", [scale, self._scales[value]])
        whole = self.node("Cast", [self.node("Round", [self.node("Div", [bias, step])])], to=TensorProto.INT32)
        inputs = [
            value,
            self.node("DequantizeLinear", [small, scale, zero], axis=0),
            self.node("DequantizeLinear", [whole, step], axis=0),
        ]
        value = self.node("Conv", inputs, **geometry(module))
        return self._rounded(self.node("Relu", [value]) if relu else value, key)

    def join(self, value: str, shortcut: str, key: str) -> str:
        """Append the end of a block, rounded to 8 bits."""
        return self._rounded(super().join(value, shortcut, key), key)

    def pool(self, value: str) -> str:
        """Append the pooling behind the stem: what was rounded stays on the same steps."""
        pooled = super().pool(value)
        return self._rounded(pooled, "backbone.conv1")

    def _rounded(self, value: str, point: str) -> str:
        """Round a value to 256 steps over the point's range, and return what it stands for."""
        low, high = self._ranges[point]
        step = max(high - low, 1e-6) / 255
        scale = self.constant(f"{point} scale", np.array(step, dtype=np.float32))
        zero = self.constant(f"{point} zero", np.array(np.clip(round(-low / step), 0, 255), dtype=np.uint8))
        value = self.node("DequantizeLinear", [self.node("QuantizeLinear", [value, scale, zero]), scale, zero])
        self._scales[value] = scale
        return value

    def _folded(self, key: str, norm: str, module: nn.BatchNorm2d) -> tuple[str, str]:
        """Return kernel and bias that do what convolution and batch normalisation do."""
        weight, bias, mean, variance = (
            self.tensor(f"{norm}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
        )
        epsilon = self.constant(f"epsilon {module.eps:g}", np.array(module.eps, dtype=np.float32))
        deviation = self.node("Sqrt", [self.node("Add", [variance, epsilon])])
        factor = self.node("Div", [weight, deviation])
        axes = self.constant("kernel axes", np.array([1, 2, 3]))
        kernel = self.node("Mul", [self.tensor(f"{key}.weight"), self.node("Unsqueeze", [factor, axes])])
        return kernel, self.node("Sub", [bias, self.node("Mul", [mean, factor])])

    def _kernel_scale(self, kernel: str, bias: str, input_scale: str) -> str:
        """Return the step of each channel's kernel: 127 of them reach its largest weight, 2 ** 30 its bias."""
        largest = self.node("ReduceMax", [self.node("Abs", [kernel])], axes=[1, 2, 3], keepdims=0)
        enough = self.node("Div", [largest, self.constant("127", np.array(127, dtype=np.float32))])
        room = self.node("Mul", [input_scale, self.constant("2 ** 30", np.array(2.0**30, dtype=np.float32))])
        for_bias = self.node("Div", [self.node("Abs", [bias]), room])
        return self.node("Max", [enough, for_bias, self.constant("least", np.array(1e-12, dtype=np.float32))])
