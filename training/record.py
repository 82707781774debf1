"""Figures measured later, written into a checkpoint's card; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.card import Card, Estimate, RobustnessRow
from models.checkpoint import CARD, Checkpoint, write_card


def record_metrics(checkpoint: Checkpoint, name: str, metrics: Mapping[str, Estimate]) -> None:
    """Add figures to the card under a name, such as the split's."""
    card = _current(checkpoint)
    _write(checkpoint, replace(card, metrics={**card.metrics, name: metrics}))


def record_changes(checkpoint: Checkpoint, rows: Sequence[RobustnessRow]) -> None:
    """Put the table of changed copies into the card, in place of the one before."""
    _write(checkpoint, replace(_current(checkpoint), robustness=tuple(rows)))


def _current(checkpoint: Checkpoint) -> Card:
    return Checkpoint.load(checkpoint.folder, verify=False).card


def _write(checkpoint: Checkpoint, card: Card) -> None:
    (checkpoint.folder / CARD).write_bytes(write_card(card))
