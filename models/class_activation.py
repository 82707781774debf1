"""Where in the image the log-odds of pneumonia come from.

For a network that ends in one dense layer behind global average pooling or flatten, the class activation maps are the
last feature map weighted by the dense layer, and equal Grad-CAM up to scale.
Shape suffixes: N images, K classes, H rows, W columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import Card


def pneumonia_maps(
    probabilities_NK: NDArray[np.float64], cam_NKHW: NDArray[np.float32], card: Card
) -> NDArray[np.float32]:
    """Return signed maps (N x H x W, float32) of the evidence for pneumonia against the other classes.

    The map of a class alone is known only up to a shift that all classes share; the gradient of log P / (1 - P) is not:
    the pneumonia classes' maps, weighted by their shares of P, minus those of the others, weighted alike.

    References
    ----------
    Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, section 2: class activation maps.
    Selvaraju et al., Grad-CAM, ICCV 2017, section 3: that Grad-CAM generalises them.
    """
    inside = np.zeros(len(card.classes), dtype=bool)
    inside[list(card.pneumonia_classes)] = True
    # 1e-12 keeps the shares defined where every probability of a side has underflowed to 0.
    positive_NK = np.where(inside, probabilities_NK, 0.0) + np.where(inside, 1e-12, 0.0)
    negative_NK = np.where(inside, 0.0, probabilities_NK) + np.where(inside, 0.0, 1e-12)
    weights_NK = positive_NK / positive_NK.sum(axis=1, keepdims=True)
    weights_NK = weights_NK - negative_NK / negative_NK.sum(axis=1, keepdims=True)
    maps_NHW: NDArray[np.float32] = np.einsum("nk,nkhw->nhw", weights_NK, cam_NKHW.astype(np.float64)).astype(
        np.float32
    )
    return maps_NHW


def on_fixed_scale(maps_NHW: NDArray[np.float32], card: Card) -> NDArray[np.float32]:
    """Return the maps in [0, 1]: evidence against pneumonia is 0, the card's ``cam_scale`` and more is 1."""
    # Never by the map's own maximum, which would paint the strongest place of every negative image red.
    return np.asarray(np.clip(maps_NHW / np.float32(card.cam_scale), 0.0, 1.0), dtype=np.float32)
