"""Eight-bit arithmetic on the processor: the bounds it must keep to be offered, and what a card says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "int8"]

BOUNDS: Mapping[str, tuple[Literal["at most", "at least"], float]] = {
    "auc fall": ("at most", 0.002),
    "equal outcomes": ("at least", 0.99),
    "nll rise": ("at most", 0.01),
    "equal scope": ("at least", 0.99),
}
"""Stated before anything was measured, 8-bit against float32 on the same images.

``auc`` is of normal against pneumonia; outcomes are compared at the balanced operating point; ``nll`` is the negative
log-likelihood of all classes, at the calibration of float32; ``scope`` is whether an image is unlike the training
images (absent where the checkpoint cannot tell).
"""


@dataclass(frozen=True)
class Int8:
    """How far 8-bit results lie from those of float32.

    Attributes
    ----------
    calibration_images
        How many train images gave the ranges of the values between the convolutions.
    comparisons
        Figures by data, then by the names of `BOUNDS`; ``val`` decides, others confirm.
    """

    calibration_images: int
    comparisons: Mapping[str, Mapping[str, float]]

    def broken_bounds(self) -> list[str]:
        """Name each bound that does not hold, and on which data."""
        return [
            f"{name} on {data} is {figures[name]:g}, {way} {bound:g} is allowed"
            for data, figures in self.comparisons.items()
            for name, (way, bound) in BOUNDS.items()
            if name in figures and not (figures[name] <= bound if way == "at most" else figures[name] >= bound)
        ]


def why_not_int8(name: str, int8: Int8 | None, processor: str) -> str | None:
    """Return why a checkpoint's 8-bit results may not be used on a processor; None when they may.

    Parameters
    ----------
    name
        The checkpoint's.
    processor
        Machine type and instruction sets, as `models.runtimes.processor_features` gives them.
    """
    if int8 is None or "val" not in int8.comparisons:
        return f"{name} has no measured graph for int8"
    if broken := int8.broken_bounds():
        return f"{name} does not offer int8: {broken[0]}"
    if processor.startswith("x86_64") and "vnni" not in processor:
        # Pairs of 8-bit products are added in 16 bits there, which saturate: other results than those measured.
        return "this processor has no VNNI instructions, without which int8 rounds in another way than was measured"
    return None
