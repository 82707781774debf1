"""The four classification heads of table II of "ResNet depth for two classes", behind any backbone.

Shape suffixes: N images, C channels, H rows, W columns, K classes.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

HeadName = Literal["dropout-gap", "dropout-flatten", "batchnorm-gap", "batchnorm-flatten"]
HEAD_NAMES: tuple[HeadName, ...] = ("dropout-gap", "dropout-flatten", "batchnorm-gap", "batchnorm-flatten")


class Head(nn.Module):
    """Dropout or batch normalisation, global average pooling or flatten, then one dense layer.

    References
    ----------
    Table II (models 1 to 4) of the two-class paper; the order of the layers is the paper's
    """

    def __init__(self, name: HeadName, channels: int, classes: int, grid: int, dropout: float = 0.5) -> None:
        super().__init__()
        if name not in HEAD_NAMES:
            raise ValueError(f"There is no head named {name!r}; choose one of {', '.join(HEAD_NAMES)}.")
        first, pooling = name.split("-")
        self.first: nn.Module = nn.Dropout(dropout) if first == "dropout" else nn.BatchNorm2d(channels)
        self.pooled = pooling == "gap"
        self.dense = nn.Linear(channels if self.pooled else channels * grid * grid, classes)

    def forward(self, features_NCHW: torch.Tensor) -> torch.Tensor:
        """Return the logits (N x K) of a feature map."""
        features_NCHW = self.first(features_NCHW)
        pooled = features_NCHW.mean(dim=(2, 3)) if self.pooled else features_NCHW.flatten(1)
        logits: torch.Tensor = self.dense(pooled)
        return logits
