"""How far an image is from the training images, in what the network makes of it; the torch form.

The mean features of some layers are centred, scaled, and weighed by probabilistic principal components: along the
directions in which the training images differ much, a difference counts little. Both runtimes read the same four small
tensors beside the weights.
Shape suffixes: N images, C channels, H rows, W columns, D features, R directions.

References
----------
Tipping and Bishop, Probabilistic principal component analysis, Journal of the Royal Statistical Society B 61, 1999,
equation 6
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

PREFIX = "distance."
"""What the names of its tensors begin with in the weights file."""


class Distance:
    """The distance of images from the training images.

    Parameters
    ----------
    tensors
        ``centre`` (D), ``scale`` (D), ``basis`` (R x D) and ``weight`` (R), all float32, by name without prefix.
    stages
        Names of the layers whose mean features are joined, D in all.
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], stages: Sequence[str], device: str) -> None:
        self._stages = stages
        self._centre_D, self._scale_D, self._basis_RD, self._weight_R = (
            tensors[name].float().to(device) for name in ("centre", "scale", "basis", "weight")
        )

    def __call__(self, layers: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return distances (N) from the feature maps (N x C x H x W) at the end of each layer."""
        means_ND = torch.cat([layers[stage].mean(dim=(2, 3)) for stage in self._stages], dim=1)
        scaled_ND = (means_ND - self._centre_D) * self._scale_D
        along_NR = scaled_ND @ self._basis_RD.T
        # The inverse of such a covariance is the identity and a correction along R directions: no D x D matrix.
        return (scaled_ND**2).sum(dim=1) + (along_NR**2 * self._weight_R).sum(dim=1)
