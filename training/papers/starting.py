"""Starting weights for networks of which no ImageNet weights are at hand: out of a file of another kind, or grown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from models.backbones import Backbone, BackboneName

GROWN: tuple[BackboneName, ...] = ("resnet101", "resnet152")
"""What can be grown from ResNet50: the same stages with more blocks in two of them."""
_LAYER = re.compile(r"block(\d)_conv(\d)\w*/(convolution|Squeeze)")
_PLACES = {(1, 1): 0, (1, 2): 2, (2, 1): 5, (2, 2): 7, (3, 1): 10, (3, 2): 12, (3, 3): 14} | {
    (block, layer): 17 + 7 * (block - 4) + 2 * (layer - 1) for block in (4, 5) for layer in (1, 2, 3)
}
"""Index among torchvision's ``features`` of each convolution by Keras' block and number."""
_CAFFE_MEAN = np.array([103.939, 116.779, 123.68])
"""Blue, green, red, from 0 to 255: what Keras' VGG16 subtracts from its input."""
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
"""Red, green, blue, from 0 to 1: what torchvision's networks take out of theirs."""


def grow(state: Mapping[str, torch.Tensor], backbone: BackboneName) -> dict[str, torch.Tensor]:
    """Return weights of a deeper residual network that computes what ResNet50 does, before it is trained.

    The blocks that ResNet50 lacks add nothing: the scale of their last batch normalisation is zero (Chen, Goodfellow
    and Shlens, Net2Net, ICLR 2016; He et al., Bag of tricks, CVPR 2019).
    """
    with torch.device("meta"):  # shapes alone: drawing every weight only to copy over it takes long
        wanted = Backbone(backbone).state_dict()
    generator = torch.Generator().manual_seed(0)
    return {key: state[key] if key in state else _begin(key, shape, generator) for key, shape in wanted.items()}


def _begin(key: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return how a parameter begins that ResNet50 has not, as torchvision draws it, but for the last scale."""
    if like.ndim == 4:
        drawn = torch.empty(like.shape)
        return torch.nn.init.kaiming_normal_(drawn, mode="fan_out", nonlinearity="relu", generator=generator)
    is_one = key.endswith("running_var") or (key.endswith(".weight") and not key.endswith("bn3.weight"))
    return torch.full(like.shape, float(is_one), dtype=like.dtype)


def read_keras_vgg16(path: Path) -> dict[str, torch.Tensor]:
    """Return the convolutions of a Keras VGG16 in an ONNX file under torchvision's names and for its input.

    Keras' input is blue, green, red less a mean; scale and order of the channels go into the first convolution.

    Raises
    ------
    ValueError
        When the file is no ONNX, or lacks one of the 13 convolutions.
    """
    try:
        tensors = onnx.load(path).graph.initializer
    except Exception as error:  # what protobuf raises has no common class
        raise ValueError(f"{path.name} is not a readable ONNX file.") from error
    state: dict[str, torch.Tensor] = {}
    for tensor in tensors:
        if found := _LAYER.search(tensor.name):
            values = numpy_helper.to_array(tensor).astype(np.float64)
            place = _PLACES[int(found[1]), int(found[2])]
            kind = "weight" if found[3] == "convolution" else "bias"
            state[f"features.{place}.{kind}"] = torch.from_numpy(values)
    if len(state) != 2 * len(_PLACES):
        raise ValueError(f"{path.name} has {len(state) // 2} of the {len(_PLACES)} convolutions of a Keras VGG16.")
    first = state["features.0.weight"].numpy()[:, ::-1]  # red, green, blue
    offset_3 = 255 * _MEAN - _CAFFE_MEAN[::-1]
    state["features.0.bias"] += torch.from_numpy((first * offset_3[None, :, None, None]).sum(axis=(1, 2, 3)))
    state["features.0.weight"] = torch.from_numpy(first * 255 * _DEVIATION[None, :, None, None])
    return {key: values.float().contiguous() for key, values in state.items()}
