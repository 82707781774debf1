"""Features of a network that never saw a radiograph: what judges labels must not have learned them.

Shape suffixes: N images, F features.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.backbones import Backbone
from training.fitting.dataset import ImageSet
from training.fitting.inputs import predict_logits


def frozen_features(images: ImageSet, init: Path, cache: Path | None = None) -> NDArray[np.float32]:
    """Return the averaged last feature map (N x 2048) of a ResNet50 with ImageNet weights.

    Parameters
    ----------
    init
        ImageNet weights, in any format that ``auscult train --init`` takes.
    cache
        File (.npz) that keeps the features; used again while images and weights stay the same.

    Raises
    ------
    ValueError
        When the weights do not fit.
    """
    key = f"{images.digest} {init.name} {init.stat().st_size}"
    if cache is not None and cache.is_file():
        with np.load(cache) as kept:
            if str(kept["key"]) == key:
                stored: NDArray[np.float32] = kept["features"]
                return stored
    backbone = Backbone("resnet50")
    backbone.load_imagenet(init)
    network = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    features_NF = predict_logits(network, images.pixels_NHW).astype(np.float32)
    if cache is not None:
        np.savez(cache, key=key, features=features_NF)
    return features_NF
