"""Tables and figures as the model card prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.measurements import Estimate


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table that ends with a line break."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def show(estimate: Estimate | None, decimals: int = 3) -> str:
    """Return the value and its interval; nothing where it could not be measured."""
    if estimate is None:
        return ""
    value, low, high = (f"{part:.{decimals}f}" for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


def number(value: float | None) -> str:
    """Return three decimals; nothing where it was not measured."""
    return "" if value is None else f"{value:.3f}"
