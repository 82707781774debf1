from pathlib import Path

from models.checkpoint import Checkpoint, default_path
from training.card.model_card import render
from training.card.reference_card import references

_CARD = Path(__file__).resolve().parents[3] / "docs" / "model-card.md"


def test_the_model_card_says_what_the_shipped_checkpoint_says_of_itself() -> None:
    checkpoint = Checkpoint.load(default_path(), verify=False)
    assert _CARD.read_text(encoding="utf-8") == render(checkpoint.card, checkpoint.digest), (
        "write it anew: auscult checkpoint show --markdown > docs/model-card.md"
    )


def test_the_model_card_warns_where_people_will_read_it() -> None:
    text = _CARD.read_text(encoding="utf-8")
    for words in (
        "not a medical device",
        "0.54",
        "adults",
        "states no licence",
        "CC BY 4.0",
        "never says that the image",
    ):
        assert words in " ".join(text.split())


def test_the_model_card_shows_what_drift_is_compared_with() -> None:
    card = Checkpoint.load(default_path(), verify=False).card
    normal, pneumonia = card.measurements.references
    assert len(normal.p_pneumonia) == len(pneumonia.distance) == 21
    lines = references(card).splitlines()
    assert [line.split(" | ")[:3] for line in lines if line.startswith(("| normal", "| pneumonia"))] == [
        ["| normal", "145", "P(pneumonia)"],
        ["| normal", "145", "distance"],
        ["| pneumonia", "335", "P(pneumonia)"],
        ["| pneumonia", "335", "distance"],
    ]
    (row,) = (line for line in lines if line.startswith("| normal | 145 | distance"))
    shown = [float(cell) for cell in row.strip("| ").split(" | ")[3:]]
    assert shown == [normal.distance[index] for index in (1, 5, 10, 15, 18, 19)]
