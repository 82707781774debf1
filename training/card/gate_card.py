"""Two sections of the model card: images unlike the training images, and 8-bit arithmetic."""

from __future__ import annotations

from models.card import Card
from models.precision import BOUNDS
from models.unlike import UnlikeTraining
from training.card.markdown import table


def unlike_training(card: Card) -> str:
    """Return the section on the distance from the training images; nothing where the checkpoint has none."""
    unlike = card.unlike_training
    if unlike is None:
        return ""
    kinds = (
        [
            row.kind,
            row.source,
            str(row.pictures),
            "chose" if row.chose else "judged",
            *(
                ("not measured", "", "")
                if row.auroc is None or row.beyond is None
                else (f"{row.auroc:.3f}", _per_cent(row.beyond), "" if row.refused is None else _per_cent(row.refused))
            ),
        ]
        for row in unlike.kinds
    )
    changes = ([row.change, row.strength, str(row.pictures), _per_cent(row.beyond)] for row in unlike.changes)
    return f"""## Images unlike the training images

The graph gives a third number: how far an image is from the training images, in the mean features of
{" and ".join(unlike.stages)} (probabilistic principal components; about 1 among the training images). Beyond
{unlike.limit:g} an image is not analysed unless `scope.unlike_training` says otherwise;
{_per_cent(unlike.false_alarms)} of val lie beyond. At most 3 % of val may. Where no radiographs of adults are at hand
the limit uses all of that, for on public ones the tightest limit is the best; `auscult checkpoint measure unlike --data
FOLDER` measures yours. AUROC is of each kind against val; kinds that "chose" were looked at when the form of the
distance or its limit was chosen, the others were not. Fewer than 50 different pictures: not measured.{_refused(unlike)}

{table(["kind", "made of", "pictures", "role", "AUROC", "beyond the limit", "refused"], kinds)}
What another site's radiographs may look like should pass. Of val copies changed as in the table of changed copies,
these shares lie beyond the limit all the same:

{table(["change", "strength", "pictures", "beyond the limit"], changes)}"""


def _refused(unlike: UnlikeTraining) -> str:
    if unlike.refused is None:
        return ""
    return f"""

The distance hardly tells what is upside down; the gate compares the image itself with the mean radiograph for that.
"Refused" is what either of them keeps out: {_per_cent(unlike.refused)} of val."""


def int8(card: Card) -> str:
    """Return the section on 8-bit arithmetic; nothing where the checkpoint has no graph for it."""
    if card.int8 is None:
        return ""
    comparisons = card.int8.comparisons
    rows = (
        [
            name,
            f"{way} {bound:g}",
            *(f"{figures[name]:g}" if name in figures else "" for figures in comparisons.values()),
        ]
        for name, (way, bound) in BOUNDS.items()
    )
    broken = card.int8.broken_bounds()
    verdict = f"Not offered: {'; '.join(broken)}." if broken else "All hold: `analysis.precision` may be `int8`."
    return f"""## 8-bit arithmetic on the processor

`graph-int8.onnx` takes its kernels from the same weights and rounds them when it is loaded; the ranges of the values
between the convolutions come from {card.int8.calibration_images} train images. First convolution, head, heat map and
distance stay in float32. Bounds were stated before anything was measured, against float32 on the same images: AUC of
normal against pneumonia, outcomes at the balanced point, negative log-likelihood, and whether an image is unlike the
training images.

{table(["figure", "bound", *comparisons], rows)}
{verdict}
"""


def _per_cent(share: float) -> str:
    return f"{100 * share:.1f} %"
