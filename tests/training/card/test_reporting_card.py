import re
from dataclasses import replace
from pathlib import Path

from models.checkpoint import Checkpoint, default_path
from models.estimate import Estimate
from training.card.external_card import external
from training.card.model_card import render
from training.card.reporting_card import CHECKLIST, checklist

_CARD = Path(__file__).resolve().parents[3] / "docs" / "model-card.md"


def test_a_section_that_the_card_lacks_is_said_to_be_absent() -> None:
    assert checklist(frozenset()).count("not in this card") == len(CHECKLIST)
    assert "not in this card" not in checklist(frozenset(section for *_, section in CHECKLIST))


def test_the_shipped_card_names_no_section_that_it_has_not() -> None:
    text = _CARD.read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (.+)$", text, re.MULTILINE))
    for guideline, item, section in CHECKLIST:
        stated = section if section in sections else f"not in this card ({section})"
        assert f"| {item} | {guideline} | {stated} |" in text


def test_figures_from_elsewhere_stand_in_a_section_of_their_own() -> None:
    card = Checkpoint.load(default_path(), verify=False).card
    assert "None. Every figure" in external(card)
    elsewhere = replace(card, metrics={**card.metrics, "St. Elsewhere": {"auc": Estimate(0.9, 0.8, 0.95)}})
    assert "| St. Elsewhere | 0.900 (0.800 to 0.950) |" in external(elsewhere)
    assert external(replace(card, name="own")) == ""


def test_a_network_of_ones_own_gets_no_word_about_the_collection() -> None:
    checkpoint = Checkpoint.load(default_path(), verify=False)
    text = render(replace(checkpoint.card, name="own"), checkpoint.digest)
    assert "Kermany et al., Cell" not in text
    assert "## Checklist" not in text
