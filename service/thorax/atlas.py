"""The mean of many frontal chest radiographs: its grey, and how often each place is lung.

`training.measuring.lung_atlas` makes the file from the training images (Kermany, Zhang and Goldbaum, Mendeley Data
rscbjbr9sj, CC BY 4.0); the mean of hundreds shows no patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Rows and columns of the atlas, which spans the whole image.
ATLAS_SIDE = 64
#: Where the atlas lies.
ATLAS = Path(__file__).with_name("atlas.npz")


@dataclass(frozen=True)
class Atlas:
    """The atlas, rows x columns.

    Attributes
    ----------
    grey
        Mean display value, float32, in [0, 1].
    lung
        Share of the radiographs that have lung there, float32, in [0, 1].
    """

    grey: NDArray[np.float32]
    lung: NDArray[np.float32]


@lru_cache(maxsize=1)
def atlas() -> Atlas:
    """Return the atlas that ships with the product."""
    with np.load(ATLAS, allow_pickle=False) as stored:
        return Atlas(*(stored[name].astype(np.float32) / np.float32(255) for name in ("grey", "lung")))
