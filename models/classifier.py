"""A backbone and a head: the network that a checkpoint holds.

Shape suffixes: N images, C channels, H rows, W columns, K classes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from models.backbones import CHANNELS, STRIDE, Backbone, BackboneName, read_state
from models.distance import PREFIX
from models.heads import Head, HeadName


class Classifier(nn.Module):
    """A backbone with one of the four heads, from normalised images to logits."""

    def __init__(
        self,
        backbone: BackboneName = "resnet50",
        head: HeadName = "dropout-gap",
        classes: int = 3,
        size: int = 224,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone)
        grid = -(-size // STRIDE) if backbone != "vgg16" else size // STRIDE
        self.head = Head(head, CHANNELS[backbone], classes, grid, dropout)

    def forward(self, images_N3HW: torch.Tensor) -> torch.Tensor:
        """Return the logits (N x K)."""
        logits: torch.Tensor = self.head(self.backbone(images_N3HW))
        return logits

    def load(self, path: Path) -> None:
        """Start from ImageNet weights, which leave the head as it is, or from all weights of a checkpoint.

        Raises
        ------
        ValueError
            When the file holds the weights of another architecture.
        """
        if path.suffix != ".safetensors" or "head.dense.weight" not in (state := read_state(path)):
            self.backbone.load_imagenet(path)
            return
        own = self.state_dict()
        wanted = {key for key in own if not key.endswith("num_batches_tracked")}
        # The distance from the training images is no parameter; each checkpoint measures its own.
        stored = {key for key in state if not key.startswith(PREFIX)}
        if wanted != stored or any(state[key].shape != own[key].shape for key in wanted):
            raise ValueError(f"{path.name} holds a classifier of another architecture; start from ImageNet weights.")
        self.load_state_dict(state, strict=False)

    def logits_and_cam(self, images_N3HW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (N x K) and class activation maps (N x K x H/32 x W/32) from one forward pass."""
        return self.read(self.backbone(images_N3HW))

    def read(self, features_NCHW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (N x K) and class activation maps (N x K x H x W) of the last feature map.

        The maps are Grad-CAM's times the number of cells, since a head is linear behind its first layer: each channel
        counts with the sum of its dense weights, of which global average pooling has one and flatten one for each cell.
        """
        dense = self.head.dense.weight
        weight_KC11 = dense.view(len(dense), features_NCHW.shape[1], -1).sum(dim=2)[:, :, None, None]
        return self.head(features_NCHW), nn.functional.conv2d(self.head.first(features_NCHW), weight_KC11)
