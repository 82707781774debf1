"""What a checkpoint says about itself: everything but the weights, as data that travels with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from models.measurements import Estimate, Measurements, RobustnessRow
from models.precision import Int8
from models.unlike import UnlikeTraining

FindingName = Literal["normal", "pneumonia", "bacterial pneumonia", "viral pneumonia"]
"""What a class can mean; "pneumonia" leaves the type open."""
OperatingPointName = Literal["rule-in", "balanced", "rule-out"]


@dataclass(frozen=True)
class Architecture:
    """Names by which :class:`models.classifier.Classifier` is built again, and the input's side in pixels."""

    backbone: str
    head: str
    size: int


@dataclass(frozen=True)
class PneumoniaCalibration:
    """P(pneumonia) is the logistic function of ``slope * margin + intercept``.

    The margin is the logarithm of the raw odds: log-sum-exp of the pneumonia classes' logits less that of the others'.
    """

    slope: float
    intercept: float


@dataclass(frozen=True)
class Calibration:
    """Vector scaling: the softmax of ``logits / temperature + bias``, whole or within what pneumonia there is.

    Attributes
    ----------
    bias
        One number for each class, in the order of the card's classes.
    prevalence
        The share of pneumonia at which the probabilities are calibrated, in (0, 1).
    pneumonia
        Calibration of P(pneumonia) by itself: temperature and bias then only share it out among the pneumonia classes,
        and the rest among the others. None in cards older than it, where the softmax decides both.
    """

    temperature: float
    bias: tuple[float, ...]
    prevalence: float
    pneumonia: PneumoniaCalibration | None = None


@dataclass(frozen=True)
class Promise:
    """What limits were chosen for: no more than this, on val and in every plausible style of its images.

    Attributes
    ----------
    missed
        Share of the images with pneumonia that are called negative.
    alarmed
        Share of the normal images that are called positive.
    """

    missed: float
    alarmed: float


@dataclass(frozen=True)
class OperatingPoint:
    """The indeterminate band on P(pneumonia): below ``lower`` is negative, from ``upper`` on is positive.

    Attributes
    ----------
    promise
        None in cards older than it.
    sensitivity
        Share of the images with pneumonia that are called positive.
    specificity
        Share of the normal images that are called negative.
    indeterminate
        Share of all images that fall into the band.
    """

    name: OperatingPointName
    lower: float
    upper: float
    sensitivity: Estimate
    specificity: Estimate
    indeterminate: Estimate
    promise: Promise | None = None


@dataclass(frozen=True)
class Population:
    """The patients and images that the checkpoint was validated on."""

    minimum_age_years: int
    maximum_age_years: int
    body_part: str
    views: tuple[str, ...]
    description: str


@dataclass(frozen=True)
class TrainingData:
    """A source of images, its licence, and how many images each split took from it."""

    name: str
    source: str
    licence: str
    images: Mapping[str, int]
    digest: str
    notes: str


@dataclass(frozen=True)
class StartingWeights:
    """Where the run started, and what is known of the licence."""

    description: str
    licence: str


@dataclass(frozen=True)
class Card:
    """The card of a checkpoint.

    Attributes
    ----------
    findings
        What each class name means; several classes may share a finding.
    type_margin
        Bacterial or viral is named when the two shares of P(pneumonia) differ by at least this, in [0, 1].
    cam_scale
        The activation that a heat map shows as 1.0, the same for every image.
    metrics
        Figures by split, then by name.
    measurements
        What was measured besides; empty in a card older than the measurement.
    digests
        SHA-256 (hex) of each other file of the checkpoint, by file name.
    unlike_training
        How far from the training images is too far; None where the checkpoint cannot tell.
    limits
        What it was not made for, one sentence or more, by language (RFC 5646) with "en" among them; reports say it.
        Empty in cards older than it.
    int8
        How far results in 8-bit arithmetic are off; None where the checkpoint has no graph for it.
    """

    name: str
    version: str
    architecture: Architecture
    classes: tuple[str, ...]
    findings: Mapping[str, FindingName]
    transform: str
    calibration: Calibration
    operating_points: tuple[OperatingPoint, ...]
    type_margin: float
    cam_scale: float
    population: Population
    training_data: tuple[TrainingData, ...]
    starting_weights: StartingWeights
    recipe: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Estimate]]
    robustness: tuple[RobustnessRow, ...]
    digests: Mapping[str, str]
    measurements: Measurements = field(default_factory=Measurements)
    unlike_training: UnlikeTraining | None = None
    int8: Int8 | None = None
    limits: Mapping[str, str] = field(default_factory=dict)

    def operating_point(self, name: str) -> OperatingPoint:
        """Return the operating point of that name.

        Raises
        ------
        ValueError
            When the card has no such point.
        """
        for point in self.operating_points:
            if point.name == name:
                return point
        known = ", ".join(point.name for point in self.operating_points)
        raise ValueError(f"{self.name} has no operating point {name!r}; choose one of {known}.")

    @property
    def pneumonia_classes(self) -> tuple[int, ...]:
        """Indices of the classes that mean pneumonia of either type."""
        return tuple(index for index, name in enumerate(self.classes) if self.findings[name] != "normal")
