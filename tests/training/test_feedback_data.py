"""What people said of results becomes a data set that a network is trained and measured on, by the commands alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from models.checkpoint import default_path  # noqa: E402
from service.cli import _group  # noqa: E402
from service.vocabulary.facts import Opinion  # noqa: E402
from service.vocabulary.findings import Finding  # noqa: E402
from service.vocabulary.states import Priority  # noqa: E402
from tests.service.sample_site import SampleSite, prediction  # noqa: E402
from training.fitting import recipes  # noqa: E402

#: One pass at a size at which a network learns nothing in no time.
TINY = replace(recipes.THREE_CLASS, name="tiny", stages=(recipes.Stage(64, 1),), batch_size=4)
CLASSES = {"normal": Finding.NORMAL, "bacterial": Finding.BACTERIAL_PNEUMONIA, "viral": Finding.VIRAL_PNEUMONIA}


def judged(site: SampleSite, patient: str, finding: Finding) -> None:
    """Analyse an image as the shipped checkpoint does, and let a person say what it shows."""
    dataset = site.receive(rows=96, columns=80, patient_id=patient)
    claim, is_sick = site.claim(), finding is not Finding.NORMAL
    probabilities = dict(zip(CLASSES, (0.1, 0.6, 0.3) if is_sick else (0.9, 0.05, 0.05), strict=True))
    found = replace(prediction(0.9 if is_sick else 0.1), probabilities=probabilities, findings=CLASSES)
    site.ledger.results.save_prediction(
        claim, found, pixel_digest=claim.object_key, flags=(), priority=Priority.ROUTINE
    )
    uid = str(dataset.SOPInstanceUID)
    assert site.ledger.feedback.give(uid, 1, Opinion.AGREE, finding=finding, comment="", by="anna")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Take one thread: for one step of four images, several only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.timeout(300)
def test_a_network_is_trained_and_measured_on_what_people_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = SampleSite(tmp_path / "data")
    for finding in CLASSES.values():
        for number in range(3):
            judged(site, f"{finding}-{number}", finding)
    site.close()
    monkeypatch.setenv("AUSCULT_DATA_DIR", str(site.folder))
    monkeypatch.setitem(recipes.RECIPES, TINY.name, TINY)
    data, run = str(tmp_path / "feedback"), str(tmp_path / "run")
    init = str(default_path() / "weights.safetensors")

    def auscult(*arguments: str) -> str:
        result = CliRunner().invoke(_group, list(arguments))
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    assert "9" in auscult("export", "feedback", data)
    assert "val_loss" in auscult("train", "--data", data, "--init", init, "--run", run, "--recipe", TINY.name)
    assert (tmp_path / "run" / "best.pt").is_file()
    assert "accuracy" in auscult("evaluate", "--data", data)
    assert "accuracy" in auscult("evaluate", "--data", data, "--split", "val")
