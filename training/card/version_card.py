"""Section of the model card on other versions, and on networks that lack a part, on the same sets."""

from __future__ import annotations

from models.card import Card
from training.card.markdown import number, show, table
from training.card.provenance import SHIPPED
from training.measuring.versions import version_row

_ABLATION = """
With and without each part, as far as it was measured: 0.3.0, 0.4.0 and 0.5.0 have the same convolutions, so that they
differ by what the network sees alone: local contrast; equal greys and spectrum before it; equal greys before it. From
0.2.0 to 0.3.0 local contrast, exchanged styles and stamps, the weight of the stamped images and the price on evidence
off the lungs came at once, and each by itself was not measured. Borders and crops of 0.3.0 and 0.4.0 stand, at another
threshold, in docs/adr/0040-equal-greys.md. A part by itself is one run on the manifest with clusters
(CONTRIBUTING), then an export:

```
auscult train --data MANIFEST --init WEIGHTS --run RUN --recipe resnet50-three-class-lungs --without PART
auscult checkpoint export RUN --data MANIFEST --transform stretch-224-common-greys-v1 --out OTHER
auscult checkpoint measure changes --data DATA --record --checkpoint OTHER
auscult checkpoint measure versions --card "without PART" OTHER/card.json --record
```

PART is local-contrast (exported without --transform), style-exchange, outside-penalty, stamped-weight or
label-correction. "0.5.0, trained on" is the recipe `resnet50-three-class-normalisation` from the weights of 0.5.0,
which trains normalisation and head alone under equal greys with closer crops and wider borders, for less than three
of its four passes: better on crops, worse in other machines' styles, and so not shipped
(docs/adr/0043-trained-normalisation.md).
"""
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
    changes = sorted({name for row in rows for name in row.changes})
    held = ([row.name, *(number(row.changes.get(name)) for name in changes)] for row in rows)
    parts = list(dict.fromkeys(name for row in rows for name in row.parts))
    made = ([row.name, *(row.parts.get(name, "") for name in parts)] for row in rows)
    return f"""## Versions, and parts left out

Each as its own card has it, on the same images. Val chose something in each of them; reserved, and the originals of a
part of it, chose nothing.

{table(["checkpoint", "images", *_FIGURES], figures)}
The least specificity of val's normals among the styles, at the threshold of 95 % sensitivity: of the plausible ones,
and of all. Nothing where the version was not measured so.

{table(["checkpoint", "plausible styles", "all styles"], styles)}
Specificity on val copies with a border or cropped, by the most probable class; the number is the fraction of the side.

{table(["checkpoint", *changes], held)}
What each of them sees and how it was trained, by its own card:

{table(["checkpoint", *parts], made)}{_ABLATION if card.name == SHIPPED.name else ""}"""
