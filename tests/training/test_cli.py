import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("sklearn")

from models.checkpoint import CARD, Checkpoint, default_path, write_card
from models.predictor import Predictor
from models.runtimes import OnnxRuntime
from tests.training.conftest import stored_phantom
from training import cli
from training.fitting.dataset import read_display_values


class Evaluated(NamedTuple):
    """What one run of the command printed and wrote."""

    output: str
    folder: Path


@pytest.fixture(scope="module")
def evaluated(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    out = tmp_path_factory.mktemp("evaluated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.measuring.metrics.REPLICATES", 100)
        found = CliRunner().invoke(cli.evaluate, ["--data", str(folder), "--out", str(out)])
    assert found.exit_code == 0, found.output
    return Evaluated(found.stdout, out)


def test_evaluate_prints_a_table_and_writes_json_and_figures(evaluated: Evaluated) -> None:
    assert "12 images" in evaluated.output
    assert "pneumonia accuracy" in evaluated.output
    content = json.loads((evaluated.folder / "evaluation.json").read_text())
    assert sum(map(sum, content["confusion"])) == 12
    assert content["checkpoint"] == Checkpoint.load(default_path(), verify=False).digest
    for name in ("confusion.png", "roc.png", "reliability.png"):
        with Image.open(evaluated.folder / name) as picture:
            assert min(picture.size) > 300


def test_evaluate_gives_the_probabilities_that_the_product_gives(folder: Path, evaluated: Evaluated) -> None:
    written = json.loads((evaluated.folder / "evaluation.json").read_text())
    checkpoint = Checkpoint.load(default_path())
    predictor = Predictor(checkpoint, OnnxRuntime(checkpoint))
    for name, row in written["probabilities"].items():
        output = predictor.predict([read_display_values(folder / name)])[0]
        assert row == pytest.approx(list(output.probabilities.values()), abs=1e-4)


def test_evaluate_needs_no_torch(folder: Path, tmp_path: Path) -> None:
    program = f"""
import importlib.abc
import sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "onnx"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from training.cli import evaluate
from training.measuring import metrics, reliability
metrics.REPLICATES = reliability.DRAWS = 20
evaluate(["--data", {str(folder)!r}, "--out", {str(tmp_path)!r}])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "evaluation.json").is_file()


def test_evaluate_names_a_class_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "covid").mkdir()
    Image.fromarray(stored_phantom(1)).save(tmp_path / "covid" / "a.png")
    found = CliRunner().invoke(cli.evaluate, ["--data", str(tmp_path)])
    assert found.exit_code == 1
    assert "'covid'" in found.output


def test_explain_writes_a_heat_map_and_says_the_outcome(folder: Path, tmp_path: Path) -> None:
    image, out = next(folder.glob("viral/*.png")), tmp_path / "map.png"
    found = CliRunner().invoke(cli.explain, [str(image), "--out", str(out)])
    assert found.exit_code == 0, found.output
    assert "P(pneumonia)" in found.output
    with Image.open(out) as picture:
        assert min(picture.size) > 300


def test_verify_finds_the_shipped_checkpoint_whole() -> None:
    found = CliRunner().invoke(cli.checkpoint, ["verify"])
    assert found.exit_code == 0, found.output
    assert "is whole" in found.output


def test_verify_fails_on_a_folder_that_holds_no_checkpoint(tmp_path: Path) -> None:
    found = CliRunner().invoke(cli.checkpoint, ["verify", "--checkpoint", str(tmp_path)])
    assert found.exit_code == 1
    assert "card.json" in found.output


def test_show_prints_the_card_as_it_is_stored() -> None:
    found = CliRunner().invoke(cli.checkpoint, ["show"])
    assert found.output == (default_path() / "card.json").read_text()


def test_train_names_an_unknown_recipe(folder: Path) -> None:
    found = CliRunner().invoke(
        cli.train, ["--data", str(folder), "--init", __file__, "--run", "unused", "--recipe", "magic"]
    )
    assert found.exit_code == 2
    assert "resnet50-three-class" in found.output


def test_evaluate_prints_what_each_operating_point_does(evaluated: Evaluated) -> None:
    for name in ("rule-in", "balanced", "rule-out"):
        assert f"{name}: sensitivity " in evaluated.output


def test_evaluate_behind_the_gate_leaves_out_what_the_product_would_not_analyse(folder: Path, tmp_path: Path) -> None:
    # Phantoms are unlike radiographs: with the shipped limit none is left, with a wide one all but what is upside down.
    found = CliRunner().invoke(cli.evaluate, ["--data", str(folder), "--gate"])
    assert found.exit_code == 1
    assert "keeps every image out" in found.output
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(default_path(), checkpoint)
    card = Checkpoint.load(checkpoint).card
    assert card.unlike_training is not None
    wide = replace(card, unlike_training=replace(card.unlike_training, limit=1e6))
    (checkpoint / CARD).write_bytes(write_card(wide))
    data = tmp_path / "data"
    shutil.copytree(folder, data)
    turned = min((data / "viral").iterdir())
    Image.open(turned).rotate(180).save(turned)
    arguments = ["--data", str(data), "--gate", "--record", "elsewhere", "--checkpoint", str(checkpoint)]
    found = CliRunner().invoke(cli.evaluate, arguments)
    assert found.exit_code == 0, found.output
    assert "11 images" in found.output
    assert "gate, viral: of 4 images kept out: 1 upside_down" in found.output
    assert "gate, normal: of 4 images kept out: none" in found.output
    recorded = Checkpoint.load(checkpoint).card
    assert [row.reasons for row in recorded.measurements.splits["elsewhere"].gate] == [{}, {}, {"upside_down": 1}]
    # Another hospital's images change no decision.
    for name in ("calibration", "operating_points", "type_margin", "unlike_training"):
        assert getattr(recorded, name) == getattr(wide, name)


def test_evaluate_refuses_int8_where_the_card_does_not_offer_it(folder: Path, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(default_path(), checkpoint)
    card = Checkpoint.load(checkpoint).card
    (checkpoint / CARD).write_bytes(write_card(replace(card, int8=None)))
    arguments = ["--data", str(folder), "--precision", "int8", "--checkpoint", str(checkpoint)]
    found = CliRunner().invoke(cli.evaluate, arguments)
    assert found.exit_code == 1
    assert "int8" in found.output


def test_evaluate_with_int8_runs_the_8_bit_graph(folder: Path, tmp_path: Path, evaluated: Evaluated) -> None:
    small = CliRunner().invoke(cli.evaluate, ["--data", str(folder), "--precision", "int8", "--out", str(tmp_path)])
    assert small.exit_code == 0, small.output
    assert "12 images" in small.stdout
    exact = evaluated.folder / "evaluation.json"
    assert (tmp_path / exact.name).read_text() != exact.read_text(), "8-bit arithmetic rounds"


def test_a_transform_that_does_not_exist_is_named_before_anything_is_exported(tmp_path: Path) -> None:
    arguments = ["export", str(tmp_path), "--data", str(tmp_path), "--out", str(tmp_path), "--transform", "sepia-9"]
    found = CliRunner().invoke(cli.checkpoint, arguments)
    assert found.exit_code == 2
    assert "'sepia-9'; choose one of stretch-224" in " ".join(found.output.split())


def test_figures_of_another_card_are_printed_beside_its_name() -> None:
    card = default_path() / "card.json"
    found = CliRunner().invoke(cli.checkpoint, ["measure", "versions", "--card", "the one before", str(card)])
    assert found.exit_code == 0, found.output
    assert "the one before, val: auc 0.9" in found.output
