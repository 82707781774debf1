"""What a card says of machines: who stands in which acquisition cluster, and what the clusters' looks do to val."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.estimate import Estimate

LOW_AMPLITUDES = "low amplitudes and greys"


def is_plausible(what: str) -> bool:
    """Tell whether a machine may do it: none changes single low amplitudes, of which anatomy's own shading is made."""
    return what != LOW_AMPLITUDES


@dataclass(frozen=True)
class StylePoint:
    """What an operating point does with re-rendered images.

    Attributes
    ----------
    missed, alarmed
        Share of the images with pneumonia called negative, and of the normals called positive.
    indeterminate
        Share of the normals between the limits.
    """

    operating_point: str
    missed: Estimate
    alarmed: Estimate
    indeterminate: Estimate


@dataclass(frozen=True)
class StyleRow:
    """Figures of val re-rendered in the style of one acquisition cluster.

    The threshold is the one at which 95 % of val's own pneumonia images are called positive.

    Attributes
    ----------
    what, strength
        What was taken over from images of the cluster, and how much of it, from 0 to 1.
    specificity, sensitivity
        Shares of the re-rendered normals called negative, and of the re-rendered pneumonia images called positive.
    auc
        Re-rendered normals against pneumonia as it is.
    p_pneumonia, p_viral
        Mean probabilities of the re-rendered normals.
    points
        Empty in cards older than it.
    """

    cluster: str
    what: str
    strength: float
    images: int
    specificity: Estimate
    sensitivity: Estimate
    auc: Estimate
    p_pneumonia: Estimate
    p_viral: Estimate
    points: tuple[StylePoint, ...] = ()

    @property
    def plausible(self) -> bool:
        """Whether a machine may look so. Operating points are chosen on such styles, and promise nothing of others."""
        return is_plausible(self.what)


@dataclass(frozen=True)
class ClusterRow:
    """Number of images of one acquisition cluster in one split, by class."""

    split: str
    cluster: str
    images: Mapping[str, int]
