"""The convolutional backbones, with the names of torchvision's parameters.

Shape suffixes: N images, C channels, H rows, W columns.

References
----------
He and others, Deep residual learning for image recognition, CVPR 2016, table 1; Simonyan and Zisserman, Very deep
convolutional networks for large-scale image recognition, ICLR 2015, configuration D
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torchvision
from torch import nn

BackboneName = Literal["resnet50", "resnet101", "resnet152", "vgg16"]
CHANNELS: Mapping[BackboneName, int] = {"resnet50": 2048, "resnet101": 2048, "resnet152": 2048, "vgg16": 512}
STRIDE = 32
"""How many input pixels one cell of the last feature map covers, in each direction."""

_MAKERS: Mapping[BackboneName, Callable[[], nn.Module]] = {
    "resnet50": torchvision.models.resnet50,
    "resnet101": torchvision.models.resnet101,
    "resnet152": torchvision.models.resnet152,
    "vgg16": torchvision.models.vgg16,
}


class Backbone(nn.Module):
    """A torchvision network without its pooling and its dense layers."""

    def __init__(self, name: BackboneName) -> None:
        super().__init__()
        if name not in _MAKERS:
            raise ValueError(f"There is no backbone named {name!r}; choose one of {', '.join(_MAKERS)}.")
        self.name: BackboneName = name
        network = _MAKERS[name]()
        for child, module in network.named_children():
            if child not in ("avgpool", "fc", "classifier"):
                self.add_module(child, module)

    def forward(self, images_N3HW: torch.Tensor) -> torch.Tensor:
        """Return the last feature map (N x C x H/32 x W/32)."""
        features = images_N3HW
        for module in self.children():
            features = module(features)
        return features

    def layers(self, images_N3HW: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what each part of the network gives (N x C x H x W), by its name and in order."""
        found, features = {}, images_N3HW
        for name, module in self.named_children():
            found[name] = features = module(features)
        return found

    def load_imagenet(self, path: Path) -> None:
        """Load ImageNet weights from an 8-bit archive (.npz) or a torchvision state dict (.safetensors, .pth).

        Raises
        ------
        ValueError
            When the file lacks a parameter of this backbone, holds one of another shape, or more than this backbone
            has: the first blocks of a deeper network would fit and mean nothing.
        """
        state = read_state(path)
        wanted = self.state_dict()
        missing = [key for key in wanted if key not in state or state[key].shape != wanted[key].shape]
        if missing:
            raise ValueError(f"{path.name} does not fit this backbone: {missing[0]} is absent or has another shape.")
        surplus = [key for key in state if key not in wanted and not key.startswith(("fc.", "classifier."))]
        if surplus:
            raise ValueError(f"{path.name} does not fit this backbone: it has no {surplus[0]}.")
        self.load_state_dict({key: state[key] for key in wanted})


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict from any of the formats that starting weights come in."""
    if path.suffix == ".npz":
        return _dequantise(path)
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    # Tensors alone: a pickle that may hold any object may run any code.
    loaded: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def _dequantise(path: Path) -> dict[str, torch.Tensor]:
    """Turn the 8-bit archive (``.q``, ``.zero``, ``.step`` for each weight) into float32 tensors."""
    archive = np.load(path)
    state: dict[str, torch.Tensor] = {}
    for key in archive.files:
        if key.endswith(".q"):
            name = key[:-2]
            # In float64, so that the step to float32 is the only rounding.
            weight = (archive[key].astype(np.float64) + float(archive[name + ".zero"])) * float(archive[name + ".step"])
            if name + ".inscale" in archive.files:
                # The first layer carries the scaling of its input: ToTensor and Normalize fold into it.
                weight = weight * archive[name + ".inscale"][None, :, None, None]
            state[name + ".weight"] = torch.from_numpy(weight).float()
        elif not key.endswith((".step", ".zero", ".inscale")):
            state[key] = torch.from_numpy(archive[key])
            if key.endswith("running_var"):
                state[key.removesuffix("running_var") + "num_batches_tracked"] = torch.tensor(0)
    return state
