"""A site's own calibration: fitted, kept in a file, and laid over a card, exactly."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from models.checkpoint import Checkpoint, default_path
from models.decision import calibrate
from models.site_calibration import SiteCalibration, UnusableCalibration
from training.acceptance.aspects import age_group, aspects_of
from training.acceptance.recalibration import recalibrate
from training.fitting.dataset import LabelledImage, find_images

CHECKPOINT = Checkpoint.load(default_path(), verify=False)
CARD = CHECKPOINT.card


def site(count: int = 400, share: float = 0.4, seed: int = 1) -> tuple[np.ndarray, list[LabelledImage]]:
    """Return probabilities that are too timid by half and off by one, and the images that they are of."""
    random = np.random.default_rng(seed)
    truth = random.random(count) < share
    logits = np.where(truth, 2.0, -2.0) + random.normal(0, 1.5, count)
    p = expit(0.5 * logits - 1)
    others = [index for index in range(len(CARD.classes)) if index not in CARD.pneumonia_classes]
    probabilities = np.zeros((count, len(CARD.classes)))
    probabilities[:, CARD.pneumonia_classes[0]], probabilities[:, others[0]] = p, 1 - p
    targets = np.where(truth, CARD.pneumonia_classes[0], others[0])
    return probabilities, [LabelledImage(Path("x"), str(n), int(target), f"p{n}") for n, target in enumerate(targets)]


def test_slope_and_intercept_are_those_of_a_logistic_regression() -> None:
    probabilities, images = site()
    found, p_N = recalibrate(CARD, CHECKPOINT.digest, probabilities, images)
    truth = np.isin([image.target for image in images], CARD.pneumonia_classes)
    said = logit(probabilities[:, list(CARD.pneumonia_classes)].sum(axis=1))
    theirs = LogisticRegression(C=10.0).fit(said[:, None], truth)
    assert found.slope == pytest.approx(float(theirs.coef_[0, 0]), rel=0.01)
    assert found.intercept == pytest.approx(float(theirs.intercept_[0]), abs=0.02)
    assert found.prevalence == pytest.approx(truth.mean())
    assert p_N.mean() == pytest.approx(truth.mean(), abs=0.02)


def test_at_the_sites_prevalence_the_odds_are_shifted_by_bayes_rule() -> None:
    probabilities, images = site()
    own, _ = recalibrate(CARD, CHECKPOINT.digest, probabilities, images)
    shifted, _ = recalibrate(CARD, CHECKPOINT.digest, probabilities, images, 0.1)
    assert (shifted.slope, shifted.prevalence) == (own.slope, 0.1)
    assert shifted.intercept - own.intercept == pytest.approx(logit(0.1) - logit(own.prevalence), abs=1e-4)
    assert shifted.points["balanced"].upper < own.points["balanced"].upper


def test_laid_over_the_card_it_gives_the_probabilities_that_were_fitted(tmp_path: Path) -> None:
    probabilities, images = site()
    found, _ = recalibrate(CARD, CHECKPOINT.digest, probabilities, images)
    found.write(tmp_path / "site.json")
    read = SiteCalibration.load(tmp_path / "site.json")
    card = read.laid_over(CARD)
    logits = np.random.default_rng(2).normal(0, 3, (20, len(CARD.classes))).astype(np.float32)
    pneumonia = CARD.pneumonia_classes
    before = calibrate(logits, CARD.calibration, pneumonia)[:, list(pneumonia)].sum(axis=1)
    after = calibrate(logits, card.calibration, pneumonia)[:, list(pneumonia)].sum(axis=1)
    assert after == pytest.approx(expit(found.slope * logit(before) + found.intercept), abs=1e-6)
    assert card.operating_point("balanced").upper == found.points["balanced"].upper
    assert card.calibration.prevalence == found.prevalence
    assert len(read.digest) == 64


def test_too_few_images_or_swapped_labels_give_none() -> None:
    probabilities, images = site(80)
    with pytest.raises(ValueError, match="at least 50 images with pneumonia"):
        recalibrate(CARD, CHECKPOINT.digest, probabilities, images)
    probabilities, images = site()
    with pytest.raises(ValueError, match="labels are swapped"):
        recalibrate(CARD, CHECKPOINT.digest, probabilities[:, ::-1], images)


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"format": 2}', '{"format": 1, "slope": 1}', "\xff"],
)
def test_what_is_no_calibration_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "site.json"
    path.write_text(content)
    with pytest.raises(UnusableCalibration, match="not a calibration"):
        SiteCalibration.load(path)
    with pytest.raises(UnusableCalibration, match="cannot be read"):
        SiteCalibration.load(tmp_path / "absent.json")


def test_impossible_figures_are_refused(tmp_path: Path) -> None:
    probabilities, images = site()
    found, _ = recalibrate(CARD, CHECKPOINT.digest, probabilities, images)
    path = tmp_path / "site.json"
    for name, value in (("slope", -1.0), ("prevalence", 1.5), ("slope", float("nan"))):
        found.write(path)
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
        with pytest.raises(UnusableCalibration):
            SiteCalibration.load(path)


@pytest.mark.parametrize(
    ("years", "group"),
    [(None, ""), (0.5, "below 1 year"), (1, "1 to 5 years"), (17.9, "6 to 17 years"), (70, "65 years and more")],
)
def test_ages_are_grouped(years: float | None, group: str) -> None:
    assert age_group(years) == group


def test_machine_and_age_come_from_the_manifest(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "manifest.csv"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    rows = [f"{name},{name.split('/')[0]},{folder},ROOM1,3" for name in names[:2]]
    rows += [f"{name},{name.split('/')[0]},{folder},," for name in names[2:]]
    table.write_text("file,class,folder,machine,age\n" + "\n".join(rows) + "\n")
    images = find_images(table, CARD.classes)
    aspects = aspects_of(table, images)
    assert sorted(aspects["machine"]) == [""] * (len(names) - 2) + ["ROOM1"] * 2
    assert max(aspects["age"]) == "1 to 5 years"
    table.write_text(f"file,class,folder,age\n{names[0]},{names[0].split('/')[0]},{folder},three\n")
    with pytest.raises(ValueError, match="no number of years"):
        aspects_of(table, find_images(table, CARD.classes))
