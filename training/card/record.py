"""Figures measured later, written into a checkpoint's card; needs no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.card import Card
from models.checkpoint import CARD, Checkpoint, write_card
from models.measurements import Estimate, RobustnessRow, SplitMeasurements
from models.unlike import UnlikeTraining
from training.measuring.metrics import known_only


def record_split(
    checkpoint: Checkpoint, name: str, metrics: Mapping[str, Estimate], measured: SplitMeasurements
) -> None:
    """Add figures, and what else follows from the probabilities, to the card under a name, such as the split's."""
    card = _current(checkpoint)
    measurements = replace(card.measurements, splits={**card.measurements.splits, name: measured})
    known = {**card.metrics, name: known_only(metrics)}
    _write(checkpoint, replace(card, metrics=known, measurements=measurements))


def record_changes(checkpoint: Checkpoint, rows: Sequence[RobustnessRow]) -> None:
    """Put the table of changed copies into the card, in place of the one before."""
    _write(checkpoint, replace(_current(checkpoint), robustness=tuple(rows)))


def record_measurement(checkpoint: Checkpoint, **parts: Any) -> None:
    """Put parts of :class:`models.measurements.Measurements`, by field name, into the card in place of those before."""
    card = _current(checkpoint)
    _write(checkpoint, replace(card, measurements=replace(card.measurements, **parts)))


def record_unlike(checkpoint: Checkpoint, found: UnlikeTraining) -> None:
    """Put the limit of the scope gate, and how it was measured, into the card in place of those before."""
    _write(checkpoint, replace(_current(checkpoint), unlike_training=found))


def record_int8(checkpoint: Checkpoint, name: str, figures: Mapping[str, float]) -> None:
    """Add a comparison of 8-bit results with those of float32 to the card under a name, such as the data's."""
    card = _current(checkpoint)
    if card.int8 is None:
        raise ValueError(f"{card.name} has no graph for int8.")
    _write(checkpoint, replace(card, int8=replace(card.int8, comparisons={**card.int8.comparisons, name: figures})))


def _current(checkpoint: Checkpoint) -> Card:
    return Checkpoint.load(checkpoint.folder, verify=False).card


def _write(checkpoint: Checkpoint, card: Card) -> None:
    (checkpoint.folder / CARD).write_bytes(write_card(card))
