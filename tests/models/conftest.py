"""The shipped checkpoint and one runtime, loaded once."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.checkpoint import Checkpoint, default_path
from models.predictor import Predictor
from models.runtimes import OnnxRuntime


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    return Checkpoint.load(default_path())


@pytest.fixture(scope="session")
def predictor(checkpoint: Checkpoint) -> Predictor:
    return Predictor(checkpoint, OnnxRuntime(checkpoint))


@pytest.fixture(scope="session")
def images() -> list[NDArray[np.float32]]:
    """Smooth synthetic images of several shapes."""
    random = np.random.default_rng(3)
    found = []
    for rows, columns in ((224, 224), (300, 410), (1000, 800)):
        down, across = np.mgrid[0 : 1 : rows * 1j, 0 : 1 : columns * 1j]
        waves = np.sin(9 * down * random.random()) * np.cos(7 * across * random.random())
        found.append(np.clip(0.5 + 0.4 * waves + 0.05 * random.random((rows, columns)), 0, 1).astype(np.float32))
    return found
