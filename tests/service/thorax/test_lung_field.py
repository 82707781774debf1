"""The lung field: on phantoms whose lungs are known, and on real radiographs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from service.demo.phantom import phantom_values
from service.thorax import SIDE, LungField, find_lung_field, usual_lung_field

Values = NDArray[np.float32]


def field_of(display: Values) -> LungField:
    found = find_lung_field(display)
    assert found is not None
    return found


def common(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the intersection over the union."""
    return float((one & other).sum() / (one | other).sum())


def drawn_lungs() -> NDArray[np.bool_]:
    """Return where the phantom draws its lungs, but for the few pixels by which each seed moves them."""
    y, x = np.linspace(-1, 1, SIDE)[:, None], np.linspace(-1, 1, SIDE)[None, :]
    return np.asarray(((np.abs(x) - 0.42) / 0.305) ** 2 + ((y + 0.05) / 0.66) ** 2 < 1)


def with_marker(display: Values) -> Values:
    marked = np.clip(display * 0.7 + 0.1, 0, 1).astype(np.float32)
    marker = np.zeros(display.shape, dtype=np.uint8)
    cv2.putText(marker, "R", (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 2)
    return np.asarray(np.maximum(marked, marker / np.float32(255)), dtype=np.float32)


@pytest.mark.parametrize("seed", range(1, 9))
def test_the_field_covers_the_lungs_that_the_phantom_draws(seed: int) -> None:
    assert common(field_of(phantom_values(seed, 224, 224)).mask_HW, drawn_lungs()) > 0.55


@pytest.mark.parametrize("seed", range(1, 5))
def test_brightness_contrast_and_a_marker_hardly_move_the_field(seed: int) -> None:
    display = phantom_values(seed, 224, 224)
    assert common(field_of(display).mask_HW, field_of(with_marker(display)).mask_HW) > 0.9


@pytest.mark.parametrize("shape", [(2000, 1600), (300, 700), (224, 224)])
def test_size_and_aspect_hardly_move_the_field(shape: tuple[int, int]) -> None:
    display = phantom_values(3, 224, 224)
    enlarged = np.asarray(cv2.resize(display, shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    assert common(field_of(display).mask_HW, field_of(enlarged).mask_HW) > 0.9


@pytest.mark.parametrize("grey", [0.0, 0.5, 0.8, 1.0])
def test_where_nothing_looks_like_a_lung_there_is_no_field(grey: float) -> None:
    assert find_lung_field(np.full((300, 260), grey, dtype=np.float32)) is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40))
def test_no_picture_is_too_strange_to_be_looked_at(seed: int, rows: int, columns: int) -> None:
    display = np.random.default_rng(seed).normal(0.5, 0.5, (rows, columns)).astype(np.float32)
    display[0, 0] = np.nan
    found = find_lung_field(display)
    assert found is None or found.mask_HW.shape == (SIDE, SIDE)


@pytest.fixture(scope="module")
def originals(shared: Path) -> dict[str, Values]:
    """Give every eighth original radiograph: fifteen of three classes."""
    paths = sorted((shared / "data" / "fullres").rglob("*.jpeg"))[::8]
    pictures = {f"{path.parent.name}/{path.name}": Image.open(path).convert("L") for path in paths}
    return {name: np.asarray(picture, dtype=np.float32) / np.float32(255) for name, picture in pictures.items()}


def test_both_lungs_of_real_radiographs_are_found_where_lungs_are_dark(originals: dict[str, Values]) -> None:
    fields = {name: find_lung_field(display) for name, display in originals.items()}
    assert sum(field is None for field in fields.values()) <= 1
    for name, field in fields.items():
        if field is None:
            continue
        mask = field.mask_HW
        small = cv2.resize(originals[name], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        # What lies between and below the lungs: spine and belly.
        between = np.zeros_like(mask)
        between[60:215, 104:120] = True
        below = np.zeros_like(mask)
        below[205:, 40:184] = True
        assert 0.12 < mask.mean() < 0.4, name
        for side in (slice(None, SIDE // 2), slice(SIDE // 2, None)):
            assert mask[:, side].mean() > 0.08, name
        if name.startswith("normal"):  # a consolidated lung is as white as the belly
            assert small[mask].mean() < small[between].mean(), name
        assert mask[below].mean() < 0.1, name
        assert common(mask, usual_lung_field()) > 0.45, name


def test_a_marker_and_a_letter_hardly_move_the_field_of_real_radiographs(originals: dict[str, Values]) -> None:
    for name, display in list(originals.items())[:6]:
        small = np.asarray(cv2.resize(display, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.float32)
        before, after = find_lung_field(small), find_lung_field(with_marker(small))
        assert before is not None, name
        assert after is not None, name
        assert common(before.mask_HW, after.mask_HW) > 0.8, name
