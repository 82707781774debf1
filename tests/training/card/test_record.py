import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from models.checkpoint import CARD, Checkpoint, default_path, read_card, write_card
from models.measurements import Doors, Estimate, EvidenceInLungs, LabelNoise, Measurements, ShortcutRow
from training.card.model_card import render
from training.card.record import record_measurement, record_split
from training.fitting.dataset import LabelledImage
from training.measuring import metrics
from training.measuring.assessment import assess
from training.measuring.evaluation import figures

_SOME = Estimate(0.5, 0.4, 0.6)


@pytest.fixture
def copy(tmp_path: Path) -> Checkpoint:
    shutil.copytree(default_path(), tmp_path / "copy")
    return Checkpoint.load(tmp_path / "copy")


def _images(classes: int) -> list[LabelledImage]:
    return [LabelledImage(Path(f"a/{n}.x"), f"a/{n}.x", n % classes, f"g{n // 2}") for n in range(60)]


def test_a_card_without_measurements_loads_and_keeps_its_bytes(copy: Checkpoint) -> None:
    older = write_card(replace(copy.card, measurements=Measurements()))
    assert b'"measurements"' not in older
    assert read_card(older).measurements == Measurements()
    assert write_card(read_card(older)) == older
    assert "## Calibration" not in render(read_card(older), "0")


def test_what_is_recorded_is_read_again_and_printed(copy: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "REPLICATES", 30)
    (copy.folder / CARD).write_bytes(write_card(replace(copy.card, measurements=Measurements())))
    images = _images(len(copy.card.classes))
    probabilities = np.random.default_rng(2).dirichlet([1.0] * len(copy.card.classes), len(images))
    measured = assess(copy.card, probabilities, images)
    record_split(copy, "val", figures(copy.card, probabilities, images), measured)
    parts: dict[str, Any] = {
        "shortcuts": (ShortcutRow("the lung field alone", {"auc": _SOME}),),
        "lung_field": EvidenceInLungs(40, 0.05, _SOME, _SOME, _SOME, _SOME),
        "label_noise": (
            LabelNoise("val", 9, {"one": _SOME}, {"a and b": _SOME}, ((0.5, 0.1), (0.1, 0.3)), _SOME, None, _SOME),
        ),
        "doors": Doors(120, _SOME, 0.01, 0.2),
    }
    record_measurement(copy, **parts)
    card = Checkpoint.load(copy.folder).card
    assert card.measurements == Measurements({"val": measured}, **parts)
    text = render(card, "0")
    for heading in ("Calibration", "With abstention", "Predictive values", "Subgroups", "Shortcuts", "Both doors"):
        assert f"## {heading}\n" in text
    assert "the file name's label" in text
    assert "Not measured" not in text
