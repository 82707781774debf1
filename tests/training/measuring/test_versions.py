from dataclasses import replace

import pytest

from models.card import Card
from models.checkpoint import Checkpoint, default_path
from models.measurements import GateRow
from training.card.version_card import versions
from training.measuring.versions import version_row


@pytest.fixture(scope="module")
def card() -> Card:
    return Checkpoint.load(default_path(), verify=False).card


def test_a_version_is_shown_with_the_figures_of_its_own_card(card: Card) -> None:
    row = version_row("0.0.9", card)
    assert row.metrics["val"]["auc"] == card.metrics["val"]["auc"]
    rows = card.measurements.styles
    assert row.styles["any"].value == min(found.specificity.value for found in rows)
    assert row.styles["plausible"].value == min(found.specificity.value for found in rows if found.plausible)
    assert row.changes["crop 0.1"] == next(
        found.specificity for found in card.robustness if (found.change, found.strength) == ("crop", "0.1")
    )
    assert row.parts["sees"] == "common greys"
    assert row.parts["trained on"] == "local contrast"
    assert row.parts["stamped images weigh"] == "0.3"
    text = versions(replace(card, measurements=replace(card.measurements, versions=(row,))))
    assert f"| 0.0.9 | val | {card.metrics['val']['auc'].value:.3f}" in text
    assert f"| **{card.version}** | val |" in text


def test_figures_after_the_gate_stand_beside_no_others(card: Card) -> None:
    gated = replace(card.measurements.splits["val"], gate=(GateRow("normal", 10, {}),))
    changed = replace(card, measurements=replace(card.measurements, splits={"val": gated}))
    assert "val" not in version_row("0.0.9", changed).metrics


def test_a_version_without_styles_leaves_their_columns_empty(card: Card) -> None:
    row = replace(version_row("0.0.9", card), styles={})
    assert "| 0.0.9 |  |  |" in versions(replace(card, measurements=replace(card.measurements, versions=(row,))))


def test_a_card_without_other_versions_has_no_such_section(card: Card) -> None:
    assert versions(replace(card, measurements=replace(card.measurements, versions=()))) == ""
