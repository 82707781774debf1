"""Section of the model card on other versions, and on networks that lack a part, on the same sets."""

from __future__ import annotations

from models.card import Card
from training.card.markdown import show, table
from training.measuring.versions import version_row

_FIGURES = ("auc", "pneumonia accuracy", "accuracy")


def versions(card: Card) -> str:
    """Return the table of other checkpoints with this one last; nothing where none was recorded."""
    if not card.measurements.versions:
        return ""
    rows = [*card.measurements.versions, version_row(f"**{card.version}**", card)]
    sets = list(dict.fromkeys(name for row in rows for name in row.metrics))
    figures = (
        [row.name, name, *(show(row.metrics[name].get(figure)) for figure in _FIGURES)]
        for name in sets
        for row in rows
        if name in row.metrics
    )
    styles = (
        [row.name, show(row.styles.get("plausible")), show(row.styles.get("any"))] if row.styles else [row.name, "", ""]
        for row in rows
    )
    return f"""## Versions, and parts left out

Each as its own card has it, on the same images. Val chose something in each of them; reserved, and the originals of a
part of it, chose nothing.

{table(["checkpoint", "images", *_FIGURES], figures)}
The least specificity of val's normals among the styles, at the threshold of 95 % sensitivity: of the plausible ones,
and of all. Nothing where the version was not measured so.

{table(["checkpoint", "plausible styles", "all styles"], styles)}"""
