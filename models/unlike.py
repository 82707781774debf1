"""What a card says of images that are unlike the training images: how far is too far, and how that was measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KindRow:
    """How well the distance tells pictures of one kind from val.

    Attributes
    ----------
    chose
        Whether the form of the distance was chosen by this kind; the others judge it.
    auroc
        Area under the ROC curve of the distance, val against this kind; None where there were too few pictures.
    beyond
        Share of the kind's pictures beyond the limit; None as before.
    refused
        Share that the scope gate refuses by the pixels: beyond the limit, or upside down. None as before, and in cards
        older than it.
    """

    kind: str
    source: str
    pictures: int
    chose: bool
    auroc: float | None
    beyond: float | None
    refused: float | None = None


@dataclass(frozen=True)
class ChangeRow:
    """Share of val copies, changed in a way that a radiograph may differ, that lie beyond the limit."""

    change: str
    strength: str
    pictures: int
    beyond: float


@dataclass(frozen=True)
class UnlikeTraining:
    """The distance from the training images.

    Attributes
    ----------
    stages
        The layers of the backbone whose mean features it is taken in.
    limit
        Beyond this distance an image is unlike the training images; 1 is usual among them.
    false_alarms
        Share of the val images beyond the limit.
    refused
        Share of the val images that the scope gate refuses by the pixels; None in a card older than it.
    percentiles
        The distances of the val images at 0, 1 ... 100 %: what pictures of another kind are compared with where the
        val images are not at hand. Empty in a card older than this.
    """

    stages: tuple[str, ...]
    limit: float
    false_alarms: float
    kinds: tuple[KindRow, ...]
    changes: tuple[ChangeRow, ...]
    percentiles: tuple[float, ...] = ()
    refused: float | None = None
