"""What the network may say of an image, in the words that ledger, reports and worklist share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Finding(StrEnum):
    """What a class of the checkpoint means; the checkpoint's card maps class names to these."""

    NORMAL = "normal"
    PNEUMONIA = "pneumonia"
    """Of a type that the checkpoint does not tell apart."""
    BACTERIAL_PNEUMONIA = "bacterial pneumonia"
    VIRAL_PNEUMONIA = "viral pneumonia"


class Outcome(StrEnum):
    """What a report asserts about pneumonia; `negative` never means that the image is normal."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    INDETERMINATE = "indeterminate"
    NOT_ANALYSED = "not analysed"


@dataclass(frozen=True, kw_only=True)
class PredictionSummary:
    """What one inference says, without the heat map; each field is spelled here and as a column of the ledger.

    Attributes
    ----------
    probabilities
        Calibrated probability of each class, in [0, 1], summing to 1, keyed by the checkpoint's class names.
    findings
        What each class means, keyed alike.
    p_pneumonia
        Sum of the probabilities of the pneumonia classes, in [0, 1], at `prevalence`.
    pneumonia_type
        The type, named only beyond the card's margin; None is "type undetermined".
    lower, upper
        The limits of the indeterminate band on `p_pneumonia`: below is negative, from `upper` on is positive.
    prevalence
        The share of pneumonia that the probabilities assume, in (0, 1).
    runtime
        Runtime, version, processor features, threads and batch shape of the computation.
    """

    outcome: Outcome
    probabilities: Mapping[str, float]
    findings: Mapping[str, Finding]
    p_pneumonia: float
    pneumonia_type: Finding | None
    operating_point: str
    lower: float
    upper: float
    prevalence: float
    checkpoint_name: str
    checkpoint_version: str
    checkpoint_digest: str
    transform: str
    calibration_digest: str | None = None
    runtime: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Prediction(PredictionSummary):
    """The result of one inference with everything needed to compute it again.

    Attributes
    ----------
    input_digest
        SHA-256 (hex) of the exact tensor that the network saw.
    cam
        Class activation map for pneumonia, float32, rows x cols of the last feature map, on the card's fixed scale in
        [0, 1].
    """

    input_digest: str
    cam: NDArray[np.float32]
