"""Which way is up: on phantoms, and on real radiographs turned and flipped."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.demo.phantom import phantom_values
from service.thorax import is_upright

Values = NDArray[np.float32]


@pytest.fixture(scope="module")
def val(shared: Path) -> list[Values]:
    """Give every sixth radiograph of val."""
    folder = shared / "data" / "cxr224"
    rows = [line.split(",") for line in (folder / "manifest.csv").read_text().splitlines()]
    names = [row[0] for row in rows if "val" in row][::6]
    assert len(names) >= 60
    return [np.asarray(Image.open(folder / name).convert("L"), dtype=np.float32) / np.float32(255) for name in names]


def test_val_is_upright_and_its_turned_or_flipped_copies_are_not(val: list[Values]) -> None:
    assert np.mean([is_upright(display) for display in val]) >= 0.97
    assert np.mean([is_upright(display[:, ::-1]) for display in val]) >= 0.97, "a mirror image has its head at the top"
    for turned in (lambda display: display[::-1], lambda display: display[::-1, ::-1]):
        assert np.mean([not is_upright(np.ascontiguousarray(turned(display))) for display in val]) >= 0.95


@pytest.mark.parametrize("seed", range(6))
def test_a_phantom_is_upright_at_any_size(seed: int) -> None:
    assert is_upright(phantom_values(seed, 320, 256))
    assert is_upright(phantom_values(seed, 1200, 900))


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_of_a_picture_without_content_nothing_is_said_against_it(grey: float) -> None:
    assert is_upright(np.full((300, 200), grey, dtype=np.float32))
