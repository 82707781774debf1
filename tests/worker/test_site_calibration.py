"""A site's own calibration in the worker: it counts where the settings name it, and says so."""

from pathlib import Path

import pytest

from models.checkpoint import Checkpoint, default_path
from models.predictor import Output
from models.site_calibration import SiteCalibration, SitePoint
from service.settings import AnalysisSettings, Settings
from service.vocabulary.errors import SettingsInvalid
from worker.checks import checkpoint as check
from worker.network import load_checkpoint, load_network
from worker.networks import load_checkpoints

PLAIN = Checkpoint.load(default_path(), verify=False)


def written(folder: Path, digest: str = PLAIN.digest) -> Path:
    """Return the file of a calibration with slope 2 at a prevalence of 0.2."""
    points: dict[str, SitePoint] = {
        point.name: SitePoint(0.3, 0.6, point.sensitivity, point.specificity, point.indeterminate)
        for point in PLAIN.card.operating_points
    }
    path = folder / "site.json"
    SiteCalibration(digest, 2.0, -0.5, 0.2, points, {"normal": 60, "bacterial": 60}).write(path)
    return path


def test_limits_prevalence_and_digest_are_in_every_prediction(tmp_path: Path) -> None:
    import numpy as np

    path = written(tmp_path)
    network = load_network(AnalysisSettings(calibration=path))
    shares = dict.fromkeys(PLAIN.card.classes, 0.0) | {PLAIN.card.classes[0]: 0.55, PLAIN.card.classes[1]: 0.45}
    prediction = network.prediction(Output(shares, np.zeros((7, 7), np.float32), "i" * 64, 1))
    assert (prediction.lower, prediction.upper, prediction.prevalence) == (0.3, 0.6, 0.2)
    assert prediction.calibration_digest == SiteCalibration.load(path).digest
    assert prediction.checkpoint_digest == PLAIN.digest
    plain = load_network(AnalysisSettings()).prediction(Output(shares, np.zeros((7, 7), np.float32), "i" * 64, 1))
    assert plain.calibration_digest is None


def test_the_calibration_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    settings = AnalysisSettings(calibration=written(tmp_path, "f" * 64))
    assert load_checkpoint(settings).card == PLAIN.card
    with pytest.raises(SettingsInvalid, match="made for another checkpoint"):
        load_checkpoints(settings)
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        load_checkpoint(AnalysisSettings(calibration=tmp_path / "absent.json"))


def test_doctor_names_it(tmp_path: Path) -> None:
    path = written(tmp_path)
    settings = Settings(data_dir=tmp_path, analysis={"calibration": path})
    found = {str(name): (passed, str(said)) for name, passed, said in check(settings)}
    passed, said = found["site calibration"]
    assert passed
    assert SiteCalibration.load(path).digest[:12] in said
    other = Settings(data_dir=tmp_path, analysis={"calibration": written(tmp_path, "f" * 64)})
    assert [passed for name, passed, _ in check(other) if str(name) == "site calibration"] == [False]
