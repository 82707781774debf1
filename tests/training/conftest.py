"""A small folder of labelled synthetic images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.demo.phantom import phantom_values

CLASSES = ("normal", "bacterial", "viral")


def stored_phantom(seed: int, rows: int = 300, columns: int = 260) -> np.ndarray:
    """Return a phantom as 8-bit grey."""
    return np.rint(phantom_values(seed, rows, columns) * 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def few_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a tenth of what stands behind a published interval: these tests look at what becomes of it."""
    monkeypatch.setattr("training.measuring.metrics.REPLICATES", 100)
    monkeypatch.setattr("training.measuring.reliability.DRAWS", 100)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four images a class, PNG and JPEG, of several sizes."""
    root = tmp_path_factory.mktemp("images")
    for index, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(4):
            suffix = "png" if number % 2 else "jpeg"
            picture = Image.fromarray(stored_phantom(index * 10 + number, 280 + 30 * number))
            picture.save(root / name / f"person{index * 10 + number // 2}_{number}.{suffix}")
    return root
