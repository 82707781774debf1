"""Which training images an epoch goes through. Shape suffix: N images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def oversample(targets_N: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return all rows, and rows of the smaller classes again, drawn at random, until the classes are equal.

    Source: section III.B of the two-class paper. It belongs inside a training fold: copies that were made before the
    folds stand on both sides of them.
    """
    generator = np.random.default_rng(seed)
    counts = np.bincount(targets_N)
    copies = [
        generator.choice(np.flatnonzero(targets_N == target), counts.max() - count)
        for target, count in enumerate(counts)
        if count
    ]
    return np.concatenate([np.arange(len(targets_N)), *copies])
