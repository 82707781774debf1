import json
from dataclasses import FrozenInstanceError, asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.transforms import TRANSFORMS
from training.fitting.recipes import (
    LUNGS,
    NORMALISATION,
    PARTS,
    RECIPES,
    THREE_CLASS,
    Recipe,
    Stage,
    leave_out,
    read_recipe,
    whole_name,
)


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        THREE_CLASS.seed = 1  # type: ignore[misc]


def test_every_recipe_is_found_by_its_name_and_uses_a_known_transform() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.transform in TRANSFORMS


def test_a_recipe_survives_as_json() -> None:
    for recipe in RECIPES.values():
        assert read_recipe(json.loads(json.dumps(asdict(recipe)))) == recipe
        # Runs of earlier versions do not know what later ones can vary.
        older = {key: value for key, value in asdict(recipe).items() if key not in ("findings", "oversample")}
        assert read_recipe(json.loads(json.dumps(older))) == recipe


@given(st.floats(0, 1), st.floats(0, 1))
def test_images_never_shrink_as_a_run_goes_on(one: float, other: float) -> None:
    early, late = sorted((one, other))
    assert THREE_CLASS.size_at(early) <= THREE_CLASS.size_at(late)


def test_each_stage_takes_its_share_of_the_work() -> None:
    recipe = Recipe("test", ("normal", "viral"), stages=(Stage(100, 2), Stage(200, 1)))
    assert recipe.epochs == 3
    assert [recipe.size_at(progress) for progress in (0, 0.33, 0.34, 1)] == [100, 100, 200, 200]


def test_a_part_that_is_left_out_is_gone_and_named_and_nothing_else_changes() -> None:
    for part, changed in PARTS.items():
        left = leave_out(NORMALISATION, part)
        assert left.name == f"resnet50-three-class-normalisation without {part}"
        assert whole_name(left.name) == NORMALISATION.name
        assert left.transform in TRANSFORMS
        before, after = asdict(NORMALISATION), asdict(left)
        assert {key for key in before if before[key] != after[key]} == {"name", *changed}
    assert leave_out(LUNGS, "style-exchange").augmentation.style_probability == 0
    assert leave_out(LUNGS, "style-exchange").augmentation.zoom == LUNGS.augmentation.zoom


def test_what_a_recipe_never_had_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="has no outside-penalty that could be left out"):
        leave_out(THREE_CLASS, "outside-penalty")
