import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from models.classifier import Classifier
from training.fitting.dataset import ImageSet
from training.fitting.inputs import predict_logits
from training.fitting.loop import train
from training.fitting.recipes import THREE_CLASS, Stage

_RECIPE = replace(THREE_CLASS, stages=(Stage(32, 1), Stage(64, 1)), batch_size=4)


class _Stopped(Exception):
    """The run was cut off by the test."""


@pytest.fixture(scope="module")
def init(shared: Path) -> Path:
    return shared / "weights" / "resnet50_imagenet_q8.npz"


@pytest.fixture(scope="module")
def images() -> ImageSet:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (9, 224, 224), dtype=np.uint8)
    return ImageSet(pixels, np.arange(9) % 3, ("normal", "bacterial", "viral"), "digest")


@pytest.mark.slow
def test_a_run_that_was_cut_off_goes_on_where_it_stopped(init: Path, images: ImageSet, tmp_path: Path) -> None:
    straight = train(_RECIPE, images, images, init, tmp_path / "straight")

    def stop(_: dict[str, float]) -> None:
        raise _Stopped

    with pytest.raises(_Stopped):
        train(_RECIPE, images, images, init, tmp_path / "cut", report=stop)
    resumed = train(_RECIPE, images, images, init, tmp_path / "cut")
    assert [row["size"] for row in straight] == [32, 64]
    assert len(resumed) == len(straight)
    for row, expected in zip(resumed, straight, strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], abs=1e-3)
        assert row["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-3)
    written = json.loads((tmp_path / "cut" / "history.json").read_text())
    assert written["epochs"] == resumed
    assert written["recipe"]["seed"] == _RECIPE.seed
    assert (tmp_path / "cut" / "best.pt").is_file()


@pytest.mark.slow
def test_a_budget_shortens_the_run_and_still_ends_it(init: Path, images: ImageSet, tmp_path: Path) -> None:
    many = replace(_RECIPE, stages=(Stage(32, 500),))
    history = train(many, images, images, init, tmp_path, budget_seconds=1.5)
    assert 1 <= len(history) < 500
    assert history[-1]["seconds"] >= 1


@pytest.mark.slow
def test_targets_move_towards_what_the_network_says_only_where_the_recipe_lets_them(
    init: Path, images: ImageSet, tmp_path: Path
) -> None:
    for momentum in (1.0, 0.9):
        train(replace(_RECIPE, target_momentum=momentum), images, images, init, tmp_path / str(momentum))
    fixed, moved = (torch.load(tmp_path / name / "last.pt", weights_only=True)["targets"] for name in ("1.0", "0.9"))
    assert set(fixed.flatten().tolist()) == {0.0, 1.0}
    assert torch.allclose(moved.sum(dim=1), torch.ones(9), atol=1e-4)
    assert 0.7 < moved.amax(dim=1).min() < 1


@pytest.mark.slow
def test_a_share_of_the_first_weights_stays_in_the_result(init: Path, images: ImageSet, tmp_path: Path) -> None:
    train(replace(_RECIPE, start_share=0.25), images, images, init, tmp_path)
    end = torch.load(tmp_path / "last.pt", weights_only=True)["average"]
    result = torch.load(tmp_path / "best.pt", weights_only=True)
    first = Classifier("resnet50", "dropout-gap", 3, 64)
    first.load(init)
    key = "backbone.layer4.2.conv3.weight"
    assert torch.allclose(result[key], 0.75 * end[f"module.{key}"] + 0.25 * first.state_dict()[key], atol=1e-6)


@pytest.mark.slow
def test_where_normalisation_and_head_learn_the_kernels_stay_bit_for_bit(
    init: Path, images: ImageSet, tmp_path: Path
) -> None:
    recipe = replace(_RECIPE, stages=(Stage(32, 1),), trained="normalisation and head", start_share=0.25)
    train(recipe, images, images, init, tmp_path)
    result = torch.load(tmp_path / "best.pt", weights_only=True)
    first = Classifier("resnet50", "dropout-gap", 3, 32)
    first.load(init)
    before = first.backbone.state_dict()
    moved = {key for key, value in before.items() if not torch.equal(result[f"backbone.{key}"], value)}
    kernels = {key for key, value in first.backbone.named_parameters() if value.ndim > 1}
    assert kernels
    assert not moved & kernels
    assert {"layer4.2.bn3.weight", "layer1.0.bn1.bias", "bn1.running_mean", "bn1.running_var"} <= moved
    torch.manual_seed(recipe.seed)
    untrained = Classifier("resnet50", "dropout-gap", 3, 32).head.dense.weight
    assert not torch.equal(result["head.dense.weight"], untrained)


def test_logits_come_for_every_image_in_order(images: ImageSet) -> None:
    class Mean(torch.nn.Module):
        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            return batch[:, 0, 0, :2]

    found = predict_logits(Mean(), images.pixels_NHW, batch_size=4)
    assert found.shape == (9, 2)
    first = images.pixels_NHW / 255
    expected = (first - first.mean((1, 2), keepdims=True)) / first.std((1, 2), keepdims=True)
    assert np.allclose(found, expected[:, 0, :2], atol=1e-4)
