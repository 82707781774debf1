"""The worker's part of `auscult doctor`."""

from pathlib import Path

import pytest

from models.decision import shift_prevalence
from service.settings import load
from worker.checks import checkpoint
from worker.network import load_checkpoint


def _prevalence(tmp_path: Path, **analysis: float) -> str:
    found = {
        str(name): (passed, str(said)) for name, passed, said in checkpoint(load(data_dir=tmp_path, analysis=analysis))
    }
    passed, said = found["prevalence"]
    assert passed
    return said


def test_a_prevalence_that_is_not_set_is_said_with_what_a_probability_means_elsewhere(tmp_path: Path) -> None:
    calibrated = load_checkpoint(load(data_dir=tmp_path).analysis).card.calibration.prevalence
    said = _prevalence(tmp_path)
    assert said.startswith("analysis.expected_prevalence is not set")
    assert f"{calibrated:.1%} show pneumonia" in said
    # Bayes' rule by hand: the odds change by the ratio of the shares' odds.
    odds = 0.85 / 0.15 * (0.05 / 0.95) / (calibrated / (1 - calibrated))
    assert f"what is 85% there is {odds / (1 + odds):.1%} where 5.00% of the images show pneumonia" in said


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_a_prevalence_that_is_set_is_said_beside_the_checkpoint_s_own(tmp_path: Path, share: float) -> None:
    calibrated = load_checkpoint(load(data_dir=tmp_path).analysis).card.calibration.prevalence
    said = _prevalence(tmp_path, expected_prevalence=share)
    assert f"analysis.expected_prevalence = {share:g}" in said
    assert f"{shift_prevalence(0.85, calibrated, share):.1%}" in said
