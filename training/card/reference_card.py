"""The model card's section on what a machine's images are compared with before they have a past."""

from __future__ import annotations

from collections.abc import Sequence

from models.card import Card
from training.card.markdown import number, table

_SHOWN = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95)


def references(card: Card) -> str:
    """Return quantiles of P(pneumonia) and of the distance, by truth."""
    found = card.measurements.references
    if not found:
        return ""
    rows = (
        [row.truth, str(row.images), name, *(number(_quantile(values, share)) for share in _SHOWN)]
        for row in found
        for name, values in (("P(pneumonia)", row.p_pneumonia), ("distance", row.distance))
        if values
    )
    return f"""## What drift is compared with

For a machine that has no past yet: below which P(pneumonia), at a prevalence of one half, and below which distance from
the training images a share of val's images lies. The two truths are mixed at the prevalence that a site expects
(docs/howto/watch-your-machines.md). A machine whose images lie elsewhere from its first day on is another population or
another look; neither says that the network is wrong there, and neither says that it is right.

{table(["truth", "images", "figure", *(f"{share:.0%}" for share in _SHOWN)], rows)}"""


def _quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile at a share, of equally spaced ones."""
    return values[round(share * (len(values) - 1))]
