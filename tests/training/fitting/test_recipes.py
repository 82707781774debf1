import json
from dataclasses import FrozenInstanceError, asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.transforms import TRANSFORMS
from training.fitting.recipes import RECIPES, THREE_CLASS, Recipe, Stage, read_recipe


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
