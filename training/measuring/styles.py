"""Style kinds: val as other machines would have rendered it, which val itself does not hold.

Each image takes the style of a training image of one acquisition cluster. A machine that stands behind one class in the
collection stands behind the other in such a kind: what the network makes of it is what it makes of the machine.
Shape suffixes: N images, K classes, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.card import Card, OperatingPoint
from models.checkpoint import Checkpoint
from models.decision import calibrate
from models.runtimes import OnnxRuntime, Runtime
from models.styles import LOW_AMPLITUDES, ClusterRow, StylePoint, StyleRow
from models.transforms import stretch, to_batch
from training.fitting.dataset import STAMPED, LabelledImage, read_display_values
from training.fitting.style import carry_stamps, match_greys, match_spectrum
from training.measuring.answers import answer
from training.measuring.metrics import area_under_curve, bootstrap, known_only, p_pneumonia, share

SENSITIVITY = 0.95
"""The threshold of every kind is the one that calls this share of val's own pneumonia images positive."""
SPECTRUM, BOTH, AMPLITUDE = "spectrum", "spectrum and greys", LOW_AMPLITUDES
_REACH = 0.02
_FEWEST = 20
"""Fewest training images of a cluster from which a style is taken."""
_BATCH = 8
_KINDS = ((BOTH, 1.0), (AMPLITUDE, 1.0), (BOTH, 0.5), (SPECTRUM, 1.0))
"""What is taken over, and how much; of a look that nobody stamped, the first two."""


@dataclass(frozen=True)
class Style:
    """One way to re-render: whose style, what of it, and how much of that (0 to 1)."""

    cluster: str
    what: str
    strength: float

    def __call__(self, image_HW: NDArray[np.float32], donor_HW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the image in the donor's style; both are square, of one size, in [0, 1]."""
        changed = match_spectrum(image_HW, donor_HW, self.strength, _REACH if self.what == AMPLITUDE else 0.0)
        if self.what != SPECTRUM:
            changed = match_greys(changed, donor_HW, self.strength)
        return carry_stamps(changed, donor_HW) if self.cluster == STAMPED and self.strength == 1 else changed


@dataclass(frozen=True)
class Rendered:
    """What a network says of val under one style: raw logits, in the order of the images; NaN where not rendered."""

    style: Style
    logits_NK: NDArray[np.float32]


def styles_of(train: Sequence[LabelledImage]) -> list[Style]:
    """Return every style that the training images offer: the clusters that have enough of them.

    Raises
    ------
    ValueError
        When no image has a cluster.
    """
    counts = {name: sum(image.cluster == name for image in train) for name in sorted({i.cluster for i in train} - {""})}
    clusters = [name for name, count in counts.items() if count >= _FEWEST]
    if not clusters:
        raise ValueError(
            "No training image has a cluster; `auscult checkpoint measure clusters` writes a manifest for --data."
        )
    kinds = {name: _KINDS if name == STAMPED else _KINDS[:2] for name in clusters}
    return [Style(cluster, what, strength) for cluster in clusters for what, strength in kinds[cluster]]


def render_all(
    runtime: Runtime,
    card: Card,
    images: Sequence[LabelledImage],
    train: Sequence[LabelledImage],
) -> Iterator[Rendered]:
    """Yield what the network says under each style of every normal, and of as many images with pneumonia."""
    rows = _drawn(card, images)
    pixels = {row: stretch(read_display_values(images[row].path)) for row in rows}
    for style in styles_of(train):
        donors = _donors(style, images, train)
        logits_NK = np.full((len(images), len(card.classes)), np.nan, dtype=np.float32)
        for start in track(range(0, len(rows), _BATCH), f"{style.cluster}, {style.what}", transient=True):
            chosen = rows[start : start + _BATCH]
            values = [style(pixels[row], stretch(read_display_values(donors[row].path))) for row in chosen]
            logits_NK[chosen] = runtime.run(to_batch(card.transform, values)).logits_NK
        yield Rendered(style, logits_NK)


def _drawn(card: Card, images: Sequence[LabelledImage]) -> list[int]:
    """Return the rows of every normal, and of as many images with pneumonia."""
    truth_N = np.isin([image.target for image in images], card.pneumonia_classes)
    normal, positive = np.flatnonzero(~truth_N), np.flatnonzero(truth_N)
    drawn = np.random.default_rng(5).permutation(positive)[: len(normal)]
    return sorted(map(int, np.concatenate([normal, drawn])))


def measure_styles(
    checkpoint: Checkpoint, images: Sequence[LabelledImage], train: Sequence[LabelledImage], threads: int = 2
) -> Iterator[StyleRow]:
    """Yield the figures of every kind, with the card's own calibration."""
    card, runtime = checkpoint.card, OnnxRuntime(checkpoint, threads)
    pneumonia = card.pneumonia_classes
    plain_NK = calibrate(answer(runtime, card.transform, images).logits_NK, card.calibration, pneumonia)
    for rendered in render_all(runtime, card, images, train):
        restyled_NK = calibrate(rendered.logits_NK, card.calibration, pneumonia)
        yield judge(card, images, plain_NK, restyled_NK, rendered.style)


def judge(
    card: Card,
    images: Sequence[LabelledImage],
    plain_NK: NDArray[np.float64],
    restyled_NK: NDArray[np.float64],
    style: Style,
) -> StyleRow:
    """Return the figures of one kind from calibrated probabilities of val as it is and as re-rendered."""
    pneumonia = card.pneumonia_classes
    truth_N = np.isin([image.target for image in images], pneumonia)
    viral = [index for index, name in enumerate(card.classes) if card.findings[name] == "viral pneumonia"]
    plain_N, restyled_N = p_pneumonia(plain_NK, pneumonia), p_pneumonia(restyled_NK, pneumonia)
    groups_N = np.array([image.group for image in images])

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        truth, plain, restyled = truth_N[rows], plain_N[rows], restyled_N[rows]
        normal = restyled[~truth]
        limit = np.quantile(plain[truth], 1 - SENSITIVITY)
        at_points = _at_points(card.operating_points, restyled, truth)
        return at_points | {
            "specificity": float((normal < limit).mean()),
            "sensitivity": share(restyled >= limit, truth & np.isfinite(restyled)),
            "auc": area_under_curve(np.concatenate([normal, plain[truth]]), np.sort(truth)),
            "p_pneumonia": float(normal.mean()),
            "p_viral": float(restyled_NK[rows][~truth][:, viral].sum(axis=1).mean()),
        }

    found = known_only(bootstrap(of, groups_N))
    points = tuple(
        StylePoint(point.name, *(found.pop(f"{part} {point.name}") for part in ("missed", "alarmed", "indeterminate")))
        for point in card.operating_points
    )
    return StyleRow(style.cluster, style.what, style.strength, len(images), **found, points=points)


def _at_points(
    points: Sequence[OperatingPoint], p_N: NDArray[np.float64], truth_N: NDArray[np.bool_]
) -> dict[str, float]:
    """Return what each operating point does with images of which some (NaN) were not rendered."""
    sick_N, normal_N = p_N[truth_N & np.isfinite(p_N)], p_N[~truth_N]
    found = {}
    for point in points:
        found[f"missed {point.name}"] = float((sick_N < point.lower).mean())
        found[f"alarmed {point.name}"] = float((normal_N >= point.upper).mean())
        between_N = (normal_N >= point.lower) & (normal_N < point.upper)
        found[f"indeterminate {point.name}"] = float(between_N.mean())
    return found


def count_clusters(splits: Mapping[str, Sequence[LabelledImage]], classes: Sequence[str]) -> tuple[ClusterRow, ...]:
    """Return how many images of each class stand in each cluster, by split; nothing where no image has a cluster."""
    return tuple(
        ClusterRow(split, cluster, {name: targets.count(index) for index, name in enumerate(classes)})
        for split, images in splits.items()
        for cluster in sorted({image.cluster for image in images} - {""})
        for targets in [[image.target for image in images if image.cluster == cluster]]
    )


def _donors(style: Style, images: Sequence[LabelledImage], train: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Draw a donor for each image, the same ones each time."""
    members = [image for image in train if image.cluster == style.cluster]
    drawn = np.random.default_rng(7).integers(len(members), size=len(images))
    return [members[index] for index in drawn]
