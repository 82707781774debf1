from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from models.checkpoint import Checkpoint, default_path
from models.predictor import Predictor
from models.runtimes import OnnxRuntime
from training.fitting.dataset import find_images, read_display_values
from training.measuring.doors import compare_doors, through_dicom


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    checkpoint = Checkpoint.load(default_path())
    return Predictor(checkpoint, OnnxRuntime(checkpoint))


def test_a_picture_wrapped_as_dicom_is_seen_as_it_is_in_a_file(folder: Path) -> None:
    picture = next(folder.glob("*/*.jpeg"))
    assert np.allclose(through_dicom(picture), read_display_values(picture), atol=1 / 255)


def test_both_doors_lead_to_the_same_decision_on_most_originals(shared: Path, predictor: Predictor) -> None:
    classes = predictor.checkpoint.card.classes
    originals = find_images(shared / "data" / "fullres", classes)[::10]
    found = compare_doors(predictor, originals, shared / "data" / "cxr224")
    assert found.images == 12
    assert found.same_outcome.value >= 11 / 12
    assert found.median_difference <= 0.05


def test_pictures_without_copies_are_refused(folder: Path, tmp_path: Path, predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="copy"):
        compare_doors(predictor, find_images(folder, predictor.checkpoint.card.classes), tmp_path)
