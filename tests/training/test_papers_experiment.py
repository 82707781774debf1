"""Rows run from images to a result, on phantoms and few of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch")

from models.checkpoint import Checkpoint  # noqa: E402
from models.classifier import Classifier  # noqa: E402
from models.runtimes import OnnxRuntime, TorchRuntime  # noqa: E402
from models.transforms import to_batch  # noqa: E402
from tests.training.conftest import stored_phantom  # noqa: E402
from training.card.provenance import SHIPPED  # noqa: E402
from training.exporting.export import write_draft  # noqa: E402
from training.fitting.dataset import ImageSet  # noqa: E402
from training.fitting.loop import load_last, train  # noqa: E402
from training.fitting.recipes import Stage, read_recipe  # noqa: E402
from training.papers.command import reproduce  # noqa: E402
from training.papers.data import PaperData  # noqa: E402
from training.papers.experiment import Budget, BudgetSpent, Experiment  # noqa: E402
from training.papers.features import FeatureCache  # noqa: E402
from training.papers.frozen import _CoinDropout, _two_cells  # noqa: E402
from training.papers.results import read_results, write_result  # noqa: E402
from training.papers.rows import ROWS, BackboneMode, Draw, Folds, PaperRow  # noqa: E402


@pytest.fixture(scope="module")
def init(shared: Path) -> Path:
    return shared / "weights" / "resnet50_imagenet_q8.npz"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images each of six normal patients, and as many of patients with either pneumonia."""
    root = tmp_path_factory.mktemp("collection")
    for index, name in enumerate(("normal", "bacterial", "viral")):
        (root / name).mkdir()
        for number in range(12 if index == 0 else 6):
            picture = Image.fromarray(stored_phantom(index * 100 + number, 160, 150))
            picture.save(root / name / f"person{index * 100 + number // 2}_{number}.png")
    return root


def _row(name: str, **changes: object) -> PaperRow:
    (row,) = (row for row in ROWS if row.name == name)
    recipe = replace(row.recipe, batch_size=8, stages=(Stage(row.recipe.stages[0].size, 2),))
    return replace(row, recipe=recipe, **changes)  # type: ignore[arg-type]


def test_a_row_on_frozen_features_is_cross_validated_both_ways_and_not_run_twice(
    init: Path, data: Path, tmp_path: Path
) -> None:
    row = _row("figure-7-batchnorm-flatten", split=Folds(2))
    lines: list[str] = []
    result = Experiment(row, PaperData(data), init, tmp_path, "frozen", "cpu").run(None, lines.append)
    assert (len(lines), result.test_images, result.patients, result.support) == (4, 24, 12, [12, 12])
    assert result.sides["grouped"].shared_patients == 0 < result.sides["published"].shared_patients
    assert np.sum(result.sides["grouped"].confusion) == 24
    assert [row["epoch"] for row in result.sides["grouped"].curve] == [1, 2]
    fold = tmp_path / row.recipe.name / "frozen" / "grouped" / "fold-1"
    described = json.loads((fold.parents[1] / "run.json").read_text())
    assert {"recipe", "seed", "data_digest", "commit"} <= set(described)
    assert {path.name for path in fold.iterdir()} == {"weights.pt", "history.json", "predictions.npz"}
    assert read_recipe(described["recipe"]) == row.recipe
    again = Experiment(row, PaperData(data), init, tmp_path, "frozen", "cpu").run(None, lines.append)
    assert (len(lines), again) == (4, result)
    write_result(result, tmp_path / "results")
    assert read_results(tmp_path / "results") == [result]
    other = replace(row, recipe=replace(row.recipe, seed=1))
    with pytest.raises(ValueError, match="another recipe"):
        Experiment(other, PaperData(data), init, tmp_path, "frozen", "cpu").run(None, lines.append)


def test_short_cuts_on_frozen_features_change_nothing_that_a_head_learns() -> None:
    torch.manual_seed(0)
    features = torch.rand(64, 6, 5, 5)
    first, second = (torch.nn.BatchNorm2d(6) for _ in range(2))
    whole, short = first(features).mean(dim=(2, 3)), second(_two_cells(features)).mean(dim=(2, 3))
    assert torch.allclose(whole, short, atol=1e-5)
    assert torch.allclose(first.running_mean, second.running_mean, atol=1e-6)
    assert torch.allclose(first.running_var, second.running_var, rtol=0.01)
    dropped = _CoinDropout(1)(features)
    assert 0.45 < (dropped == 0).float().mean() < 0.55
    assert torch.equal(dropped[dropped > 0], 2 * features[dropped > 0])
    assert torch.equal(_CoinDropout(1).eval()(features), features)


def test_features_that_were_cut_off_go_on_and_equal_those_that_were_not(
    init: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = _row("table-2-resnet50")
    images = PaperData(data).images(row.recipe.classes, row.recipe.transform).subset(np.arange(6))
    monkeypatch.setattr("training.papers.features._BATCH", 4)
    straight = FeatureCache(tmp_path / "a", images, init, "cpu").view(row.recipe, 1)
    assert straight.shape == (6, 2048, 1, 1)
    (whole,) = (tmp_path / "a").iterdir()
    (tmp_path / "b").mkdir()
    cut = np.load(whole)
    cut[4:] = 0
    np.save(tmp_path / "b" / "cut.npy", cut)
    (tmp_path / "b" / "cut.npy").rename(tmp_path / "b" / f"{whole.stem}.partial")
    (tmp_path / "b" / f"{whole.stem}.done").write_text("4")
    resumed = FeatureCache(tmp_path / "b", images, init, "cpu").view(row.recipe, 1)
    assert torch.equal(resumed, straight)
    some = FeatureCache(tmp_path / "b", images, init, "cpu").view(row.recipe, 0, np.array([1, 4]))
    assert some.isnan().all(dim=1).flatten().tolist() == [True, False, True, True, False, True]
    assert not torch.equal(some[[1, 4]], straight[[1, 4]])


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["frozen", "fine-tuned"])
def test_a_drawn_row_leaves_a_checkpoint_that_the_product_runs(
    backbone: BackboneMode, init: Path, data: Path, tmp_path: Path
) -> None:
    row = _row("table-2-resnet50", split=Draw(test=(4, 2, 2), train=(4, 2, 2)))
    result = Experiment(row, PaperData(data), init, tmp_path, backbone, "cpu").run(None, lambda _: None)
    assert (result.test_images, result.sides["grouped"].train_images) == (8, [8])
    folder = tmp_path / row.recipe.name / backbone / "grouped" / "fold-1" / "checkpoint"
    checkpoint = Checkpoint.load(folder)
    assert checkpoint.card.classes == ("normal", "bacterial", "viral")
    batch = to_batch(checkpoint.card.transform, [stored_phantom(3).astype(np.float32) / np.float32(255)])
    answers = (runtime.run(batch)[:2] for runtime in (OnnxRuntime(checkpoint), TorchRuntime(checkpoint)))
    for ours, theirs in zip(*answers, strict=True):
        assert np.allclose(ours, theirs, atol=1e-3, rtol=1e-3)


_NETWORKS = {(row.recipe.backbone, row.recipe.head): row for row in ROWS}
_QUICKEST = next(row for row in _NETWORKS.values() if row.recipe.backbone == "resnet50")


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, marks=[] if row is _QUICKEST else pytest.mark.slow) for row in _NETWORKS.values()],
    ids=lambda row: row.name,
)
def test_every_rows_network_learns_one_step_and_survives_as_a_checkpoint(row: PaperRow, tmp_path: Path) -> None:
    """Rows without ImageNet weights are proven here, and have no figures."""
    classes = len(row.recipe.classes)
    recipe = replace(row.recipe, batch_size=4, stages=(Stage(64, 1),), warm_up=0.0)
    torch.manual_seed(0)
    network = Classifier(recipe.backbone, recipe.head, classes, 64)
    torch.save(network.backbone.state_dict(), tmp_path / "init.pth")
    random = np.random.default_rng(0)
    images = ImageSet(
        random.integers(0, 256, (5, 64, 64), dtype=np.uint8), np.arange(5) % classes, recipe.classes, "digest"
    )
    history = train(recipe, images, images, tmp_path / "init.pth", tmp_path)
    trained = load_last(recipe, tmp_path)
    assert np.isfinite(history[0]["loss"])
    moved = next(iter(trained.backbone.state_dict())), next(iter(trained.backbone.parameters()))
    assert not torch.equal(moved[1], network.backbone.state_dict()[moved[0]])
    checkpoint = write_draft(trained, recipe, {}, SHIPPED, {}, "", tmp_path / "checkpoint")
    batch = random.random((2, 3, 64, 64), dtype=np.float32)
    with torch.inference_mode():
        expected = trained.logits_and_cam(torch.from_numpy(batch))
    for runtime in (TorchRuntime(checkpoint), OnnxRuntime(checkpoint)):
        for found, wanted in zip(runtime.run(batch)[:2], expected, strict=True):
            # Kernels are stored in float16.
            assert np.allclose(found, wanted.numpy(), atol=0.02, rtol=0.02), type(runtime).__name__


def test_rows_without_weights_are_not_run_and_print_their_command(data: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(
        reproduce, ["two-class", "--row", "table-5-vgg16", "--data", str(data), "--run", str(tmp_path)]
    )
    assert found.exit_code == 0, found.output
    assert found.output.splitlines()[1:] == [
        "not run: no ImageNet weights",
        "auscult reproduce two-class --row table-5-vgg16 --data FOLDER --init vgg16.onnx --backbone fine-tuned",
    ]
    assert not (tmp_path / "results").exists()


def test_a_row_that_needs_more_images_than_there_are_says_so(init: Path, data: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(
        reproduce, ["three-class", "--data", str(data), "--init", str(init), "--run", str(tmp_path)]
    )
    assert found.exit_code == 1
    assert "takes 150 images of class 0; the data have 12" in found.output


def test_a_budget_is_shared_by_what_is_still_to_come() -> None:
    budget = Budget(90.0, 3)
    first = budget.share()
    assert first == pytest.approx(30, abs=1)
    assert Budget(None, 3).share() is None
    with pytest.raises(BudgetSpent):
        Budget(0.0, 1).share()


def test_training_on_a_gpu_gives_what_the_processor_gives(init: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    row = _row("figure-7-dropout-gap")
    random = np.random.default_rng(0)
    images = ImageSet(
        random.integers(0, 256, (16, 150, 150), dtype=np.uint8), np.arange(16) % 2, row.recipe.classes, "d"
    )
    losses = [
        train(row.recipe, images, images, init, tmp_path / device, device=device)[0]["val_loss"]
        for device in ("cpu", "cuda")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
