"""Sections of the model card on machines: who stands in which cluster, and what their looks do to a result."""

from __future__ import annotations

from models.card import Card
from models.styles import StyleRow
from training.card.markdown import show, table

SPECIFICITY = 0.93
"""Least specificity, at val's sensitivity of 0.95, that normals keep under every style of a machine."""
_STYLE = ("style of", "what is taken over", "strength")
_ROUNDING = 0.01
"""One normal of 145, or one image with pneumonia: a quantile lies between two images."""
P_VIRAL, P_PNEUMONIA = 0.10, 0.20
"""Largest mean P(viral) and P(pneumonia) of normals under any style."""


def clusters(card: Card) -> str:
    """Return the table of classes by acquisition cluster."""
    rows = card.measurements.clusters
    if not rows:
        return ""
    body = ([row.split, row.cluster, *(str(row.images[name]) for name in card.classes)] for row in rows)
    return f"""## Machines

The collection names no machine. `auscult checkpoint measure clusters` finds what they leave in the pictures: `stamped`
are images with one device's burned-in large R or letters KV, by templates; the looks are a Gaussian mixture over grey
quantiles and the power spectrum, without positions, learnt from train. Where a cluster stands for a class, a network
can take the one for the other: no normal of train or val carries the stamps.

{table(["images", "cluster", *card.classes], body)}"""


def styles(card: Card) -> str:
    """Return the table of val in other machines' styles, with what the bounds say of it."""
    rows = card.measurements.styles
    if not rows:
        return ""
    figures = ["specificity", "sensitivity", "auc", "P(pneumonia)", "P(viral)"]
    body = (
        [
            *_named(row),
            *map(show, (row.specificity, row.sensitivity, row.auc, row.p_pneumonia, row.p_viral)),
        ]
        for row in rows
    )
    broken = broken_style_bounds(card)
    verdict = "Beyond them: " + "; ".join(broken) + "." if broken else "All kinds keep them."
    return f"""## Val in other machines' styles

Each val image re-rendered in the style of a training image of one cluster: a normal as that machine might have shown
it. `spectrum` is the power at each spatial frequency, `greys` the histogram, `low amplitudes` the single Fourier
amplitudes of the longest waves; at full strength the stamped cluster's stamps come along. The threshold is the one at
which 95 % of val's own pneumonia images are positive: specificity is of the re-rendered normals, sensitivity of the
re-rendered pneumonia images, the AUC is of re-rendered normals against pneumonia as it is, and the probabilities are
means over the re-rendered normals (cross-fitted). Every figure is of the float32 graph.

Bounds: specificity at least {SPECIFICITY:g}, P(pneumonia) at most {P_PNEUMONIA:g}, P(viral) at most {P_VIRAL:g}.
{verdict}

{table([*_STYLE, *figures], body)}"""


def points(card: Card) -> str:
    """Return what each operating point does in each style, and whether its promise holds in the plausible ones."""
    rows = [(row, point) for row in card.measurements.styles for point in row.points]
    if not rows:
        return ""
    body = (
        [*_named(row), point.operating_point, *map(show, (point.missed, point.alarmed, point.indeterminate))]
        for row, point in rows
    )
    figures = ["point", "missed", "false alarms", "indeterminate normals"]
    broken = broken_promises(card)
    verdict = "Beyond the promises: " + "; ".join(broken) + "." if broken else "In every plausible style they hold."
    return f"""## Operating points in other machines' styles

As above: missed is re-rendered pneumonia called negative, a false alarm a re-rendered normal called positive. Promises
are of plausible styles alone: low amplitudes are exchanged by no machine, for they carry anatomy's own shading too.
{verdict}

{table([*_STYLE, *figures], body)}"""


def broken_promises(card: Card) -> list[str]:
    """Name the plausible styles in which an operating point misses or alarms more often than it promises."""
    promises = {point.name: point.promise for point in card.operating_points}
    found = []
    for row in card.measurements.styles:
        for point in row.points if row.plausible else ():
            promise = promises[point.operating_point]  # type: ignore[index]
            if promise is None:
                continue
            for name, value, limit in (
                ("missed", point.missed.value, promise.missed),
                ("false alarms", point.alarmed.value, promise.alarmed),
            ):
                if value > limit + _ROUNDING:
                    found.append(f"{' '.join(_named(row))}, {point.operating_point}: {name} {value:.3f} ({limit:g})")
    return found


def _named(row: StyleRow) -> list[str]:
    return [row.cluster, row.what, f"{row.strength:g}"]


def broken_style_bounds(card: Card) -> list[str]:
    """Name the style kinds whose normals are called pneumonia more often than the bounds allow."""
    found = []
    for row in card.measurements.styles:
        for name, value, limit, is_broken in (
            ("specificity", row.specificity.value, SPECIFICITY, row.specificity.value < SPECIFICITY),
            ("P(pneumonia)", row.p_pneumonia.value, P_PNEUMONIA, row.p_pneumonia.value > P_PNEUMONIA),
            ("P(viral)", row.p_viral.value, P_VIRAL, row.p_viral.value > P_VIRAL),
        ):
            if is_broken:
                found.append(f"{row.cluster}, {row.what} at {row.strength:g}: {name} {value:.3f} (bound {limit:g})")
    return found
