from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.checkpoint import Checkpoint, default_path
from models.predictor import Output, Predictor
from training.card.card_evidence import failures
from training.card.figures import write_failures
from training.fitting.dataset import LabelledImage
from training.measuring.failures import find_failures, read_notes


class _Bright(Predictor):
    """Says that bright images show pneumonia."""

    def __init__(self) -> None:
        self.checkpoint = Checkpoint.load(default_path(), verify=False)

    def predict(self, images: list[NDArray[np.float32]]) -> list[Output]:  # type: ignore[override]
        return [
            Output({"normal": 1 - p, "bacterial": p, "viral": 0.0}, np.ones((7, 7), np.float32), "", 1)
            for p in (float(image.mean()) for image in images)
        ]


@pytest.fixture
def images(tmp_path: Path) -> list[LabelledImage]:
    found = []
    for name, grey, target in (("a", 0, 0), ("b", 255, 0), ("c", 2, 1), ("d", 255, 2), ("e", 0, 2)):
        path = tmp_path / f"{name}.png"
        Image.new("L", (8, 8), grey).save(path)
        found.append(LabelledImage(path, f"folder/{name}.png", target, name))
    return found


def test_what_is_called_wrong_is_listed_with_what_was_seen(images: list[LabelledImage], tmp_path: Path) -> None:
    notes = tmp_path / "seen.csv"
    notes.write_text("file,seen\nb.png,a rotated child\n", encoding="utf-8")
    found = find_failures(_Bright(), images, read_notes(notes))
    rows = {row.name: row for row, _, _ in found}
    assert {name: row.outcome for name, row in rows.items()} == {
        "b.png": "positive",
        "c.png": "negative",
        "e.png": "negative",
    }
    assert rows["b.png"].seen == "a rotated child"
    assert [row.name for row, _, _ in found][-1] == "c.png"  # the least sure one
    card = _Bright().checkpoint.card
    shown = failures(replace(card, measurements=replace(card.measurements, failures=tuple(rows.values()))))
    assert "| b.png | normal | positive | 1.000 | a rotated child |" in shown
    assert "| e.png | viral | negative | 0.000 | not looked at |" in shown
    montage = tmp_path / "montage.png"
    write_failures([(row.name, np.zeros((8, 8), np.float32), output.cam) for row, _, output in found], montage)
    with Image.open(montage) as picture:
        assert picture.width > 300


def test_notes_without_their_columns_are_refused(tmp_path: Path) -> None:
    notes = tmp_path / "seen.csv"
    notes.write_text("name,text\na,b\n", encoding="utf-8")
    with pytest.raises(ValueError, match="file and seen"):
        read_notes(notes)
