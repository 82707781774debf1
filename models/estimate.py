"""A figure with its interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A measured figure with its 95 % interval (bootstrap over patient groups)."""

    value: float
    low: float
    high: float
