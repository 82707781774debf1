"""Images on which a checkpoint decided wrongly, as its card describes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FailureRow:
    """One image that the balanced operating point called wrong.

    Attributes
    ----------
    name
        File name of the published collection.
    label
        Class of the data.
    seen
        What somebody who looked at image and heat map wrote; empty where nobody did.
    """

    name: str
    label: str
    outcome: str
    p_pneumonia: float
    seen: str = ""
