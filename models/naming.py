"""What a card says of naming the type of a pneumonia: how often it would be done, and how often rightly."""

from __future__ import annotations

from dataclasses import dataclass

from models.estimate import Estimate


@dataclass(frozen=True)
class NamingRow:
    """What naming a type from one lead onwards would do with images of pneumonia.

    Attributes
    ----------
    lead
        Difference of P(bacterial) and P(viral), as a share of P(pneumonia), from which a type is named.
    named, right
        On val: share of the pneumonia images with so great a lead, and how many of them are of the type that leads; the
        second None where there is no such image.
    right_in_styles
        The least share that is right in a plausible style of another machine; None where there is no style.
    """

    lead: float
    named: Estimate
    right: Estimate | None = None
    right_in_styles: Estimate | None = None
