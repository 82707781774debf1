"""What a machine's images are compared with before they have a past, as data that a card carries."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReferenceRow:
    """What the images of one truth gave.

    Attributes
    ----------
    truth
        ``normal`` or ``pneumonia``.
    p_pneumonia
        Equally spaced quantiles of P(pneumonia) at the prevalence 0.5, the least first.
    distance
        The same of the distance from the training images; empty where the checkpoint cannot tell it.
    """

    truth: str
    images: int
    p_pneumonia: tuple[float, ...]
    distance: tuple[float, ...]
