"""What a card says of other checkpoints on the same sets: earlier versions, and networks that lack a part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.estimate import Estimate


@dataclass(frozen=True)
class VersionRow:
    """Figures of another checkpoint, as its own card has them.

    Attributes
    ----------
    name
        Its version, or what it lacks.
    metrics
        By set of images, then by name of the figure.
    styles
        Least specificity among the styles of val's normals: of the plausible ones, and of all; empty where its card has
        none.
    changes
        Specificity on val copies with borders or cropped, by the change and its strength; empty where not measured.
    parts
        What it sees and how it was trained, by the name of the part; empty where its card does not say.
    """

    name: str
    metrics: Mapping[str, Mapping[str, Estimate]]
    styles: Mapping[str, Estimate] = field(default_factory=dict)
    changes: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
