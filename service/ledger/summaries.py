"""What a prediction says as columns of its row, and back: the fields of `PredictionSummary`, by their own names."""

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any

from service.ledger.records import PredictionRecord
from service.vocabulary.findings import Finding, Outcome, PredictionSummary

_COLUMNS = tuple(field.name for field in fields(PredictionSummary))


def columns_of(summary: PredictionSummary) -> dict[str, Any]:
    """Return the values of the columns, codes as the text that is stored."""
    return {name: _stored(getattr(summary, name)) for name in _COLUMNS}


def summary_of(row: PredictionRecord) -> dict[str, Any]:
    """Return the fields of the summary that a row holds."""
    return {name: getattr(row, name) for name in _COLUMNS} | {
        "outcome": Outcome(row.outcome),
        "findings": {name: Finding(value) for name, value in row.findings.items()},
        "pneumonia_type": Finding(row.pneumonia_type) if row.pneumonia_type else None,
    }


def _stored(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _stored(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value
