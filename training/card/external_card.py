"""Section of the model card on images from elsewhere."""

from __future__ import annotations

from models.card import Card
from training.card.markdown import show, table
from training.card.provenance import SHIPPED

_OWN = ("val", "reserved", "fullres", "reserved, gated", "fullres, gated")
_FIGURES = ("auc", "pneumonia accuracy", "accuracy", "sensitivity", "specificity")


def external(card: Card) -> str:
    """Return the figures of every set that is not the collection's own, or that there is none."""
    found = {name: figures for name, figures in card.metrics.items() if name not in _OWN}
    how = "`auscult evaluate --data FOLDER --record NAME` adds a set under its name; nothing else in the card changes."
    if not found and card.name != SHIPPED.name:
        return ""
    if not found:
        return f"""## External figures

None. Every figure in this card is of one hospital's children. The collection's published test folder (624 images of the
same hospital) was measured by others, on version 0.2.0: AUC 0.981, specificity 0.825 at a sensitivity of 0.995,
with one machine's normals taken for viral pneumonia. {how}
"""
    rows = ([name, *(show(figures.get(figure)) for figure in _FIGURES)] for name, figures in found.items())
    return f"""## External figures

{how}

{table(["images", *_FIGURES], rows)}"""
