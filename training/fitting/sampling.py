"""Which training images an epoch goes through, and which lend it their style. Shape suffix: N images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from training.fitting.dataset import ImageSet


def oversample(targets_N: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return all rows, and rows of the smaller classes again, drawn at random, until the classes are equal.

    It belongs inside a training fold: copies that were made before the folds stand on both sides of them.

    References
    ----------
    Section III.B of the two-class paper
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(targets_N)
    copies = [
        generator.choice(np.flatnonzero(targets_N == target), counts.max() - count)
        for target, count in enumerate(counts)
        if count
    ]
    return np.concatenate([np.arange(len(targets_N)), *copies])


class Donors:
    """Draws, for each image of a batch, the training image that lends its style.

    Parameters
    ----------
    stamped_share
        Share of the draws that take an image of the stamped cluster, whatever its class.
    """

    def __init__(self, images: ImageSet, stamped_share: float, device: str) -> None:
        targets_N = torch.from_numpy(images.targets_N).to(device)
        self._targets_N = targets_N
        self._others = [torch.nonzero(targets_N != target).flatten() for target in range(len(images.classes))]
        self._stamped = torch.from_numpy(np.flatnonzero(images.stamped())).to(device)
        self._stamped_share = stamped_share if len(self._stamped) else 0.0

    def draw(self, rows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return the donors' rows: of another class than the image's, or of the stamped cluster."""

        def one_of(choices: torch.Tensor) -> torch.Tensor:
            index = torch.randint(len(choices), (1,), generator=generator, device=generator.device)
            return choices[index]

        def donor(row: torch.Tensor) -> torch.Tensor:
            chance = torch.rand(1, generator=generator, device=generator.device)
            return one_of(self._stamped if chance < self._stamped_share else self._others[int(self._targets_N[row])])

        return torch.cat([donor(row) for row in rows])
