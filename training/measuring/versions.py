"""A checkpoint's figures as a row beside those of others; taken from its card, not measured anew."""

from __future__ import annotations

from models.card import Card
from models.versions import VersionRow

FIGURES = ("auc", "pneumonia accuracy", "accuracy", "sensitivity", "specificity")


def version_row(name: str, card: Card) -> VersionRow:
    """Return the figures of a card under a name; sets that were measured behind the scope gate are left out."""
    splits = card.measurements.splits
    metrics = {
        split: {figure: found[figure] for figure in FIGURES if figure in found}
        for split, found in card.metrics.items()
        if split not in splits or not splits[split].gate
    }
    rows = sorted(card.measurements.styles, key=lambda row: row.specificity.value)
    worst = {"plausible": [row for row in rows if row.plausible], "any": rows}
    return VersionRow(name, metrics, {kind: found[0].specificity for kind, found in worst.items() if found})
