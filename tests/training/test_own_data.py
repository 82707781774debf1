"""Bring your own data: classes of other names, mapped to findings, in a checkpoint that a setting names."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch")

from models.checkpoint import Checkpoint  # noqa: E402
from models.classifier import Classifier  # noqa: E402
from service.demo.phantom import phantom_values  # noqa: E402
from service.settings import Settings  # noqa: E402
from service.vocabulary.findings import Finding, Outcome  # noqa: E402
from tests.phantoms import chest  # noqa: E402
from tests.training.conftest import stored_phantom  # noqa: E402
from training import cli  # noqa: E402
from training.card.model_card import render  # noqa: E402
from training.card.provenance import read_provenance  # noqa: E402
from training.exporting.export import write_draft  # noqa: E402
from training.fitting.recipes import Recipe, Stage  # noqa: E402
from worker.networks import Networks, load_networks  # noqa: E402

EPOCH = {"epoch": 1, "size": 224, "val_loss": 0.5}
ABOUT = """
name = "clinic-two-class"
version = "1.0.0"

[findings]
clear = "normal"
opacity = "pneumonia"

[population]
minimum_age_years = 18
maximum_age_years = 90
body_part = "CHEST"
views = ["PA"]
description = "Synthetic phantoms."

[data]
name = "Phantoms"
source = "made here"
licence = "CC0"

[starting_weights]
description = "none"
licence = "none"
"""


@pytest.fixture
def about(tmp_path: Path) -> Path:
    path = tmp_path / "about.toml"
    path.write_text(ABOUT)
    return path


def _predict(folder: Path) -> tuple[Outcome, dict[str, Finding]]:
    """Return what a worker says of a phantom when the setting names the checkpoint."""
    settings = Settings(analysis={"further_checkpoints": [folder]})
    shipped, network = load_networks(settings.analysis, settings.scope).members
    (output,) = network.predictor.predict([phantom_values(7, 300, 260)])
    assert output.cam.shape == (7, 7)
    prediction = network.prediction(output)
    assert prediction.pneumonia_type is None
    assert network.population.minimum_age_years == 18
    assert Networks((shipped, network), settings.scope).for_image(chest(age="040Y")) is network
    return prediction.outcome, dict(prediction.findings)


def test_a_checkpoint_with_class_names_of_its_own_drops_in_by_a_setting(about: Path, tmp_path: Path) -> None:
    origin = read_provenance(about)
    recipe = Recipe("own", tuple(origin.findings), dict(origin.findings), stages=(Stage(224, 1),))
    network = Classifier(recipe.backbone, recipe.head, 2).eval()
    network.head.dense.bias.data = torch.tensor([-9.0, 9.0])
    network.head.dense.weight.data.zero_()
    checkpoint = write_draft(network, recipe, {"epochs": []}, origin, {}, "", tmp_path / "own")
    assert (checkpoint.card.classes, checkpoint.card.name) == (("clear", "opacity"), "clinic-two-class")
    text = render(replace(checkpoint.card, recipe={"epochs": [EPOCH], "recipe": asdict(recipe)}), checkpoint.digest)
    assert "Synthetic phantoms" in text
    assert "collection" not in text
    outcome, findings = _predict(tmp_path / "own")
    assert outcome is Outcome.POSITIVE
    assert findings == {"clear": Finding.NORMAL, "opacity": Finding.PNEUMONIA}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('opacity = "pneumonia"', 'opacity = "tuberculosis"'), "findings.opacity"),
        (('opacity = "pneumonia"', 'opacity = "viral pneumonia"'), "both bacterial and viral"),
        (('opacity = "pneumonia"', 'opacity = "normal"'), "one to pneumonia"),
        (('version = "1.0.0"', ""), "version"),
        (("[findings]", "[findings"), "not TOML"),
        (('name = "clinic', 'nmae = "x"\nname = "clinic'), "nmae"),
    ],
)
def test_what_is_wrong_with_the_description_is_named(about: Path, change: tuple[str, str], complaint: str) -> None:
    about.write_text(ABOUT.replace(*change))
    with pytest.raises(ValueError, match=complaint) as error:
        read_provenance(about)
    assert "about.toml" in str(error.value)


@pytest.mark.timeout(500)
@pytest.mark.slow
def test_own_data_go_from_a_folder_of_images_to_the_worker(shared: Path, about: Path, tmp_path: Path) -> None:
    for index, name in enumerate(("clear", "opacity")):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(40):
            picture = Image.fromarray(stored_phantom(100 * index + number, 120, 110))
            picture.save(tmp_path / "data" / name / f"{number}.png")
    run, out, data = (str(tmp_path / name) for name in ("run", "out", "data"))
    init = str(shared / "weights" / "resnet50_imagenet_q8.npz")
    arguments = ["--data", data, "--init", init, "--run", run, "--about", str(about), "--budget", "0.05"]
    for command, given in (
        (cli.train, arguments),
        (cli.checkpoint, ["export", run, "--data", data, "--out", out]),
        (cli.evaluate, ["--data", data, "--split", "val", "--checkpoint", out]),
    ):
        found = CliRunner().invoke(command, given)
        assert found.exit_code == 0, found.output
    assert "opacity" in found.output
    card = Checkpoint.load(tmp_path / "out").card
    assert card.training_data[0].images.keys() == {"train", "val"}
    assert np.isfinite(card.metrics["val"]["auc"].value)
    assert set(_predict(tmp_path / "out")[1].values()) == {Finding.NORMAL, Finding.PNEUMONIA}
