"""What is measured of a checkpoint, as data that its card carries; every part beyond the figures may be absent.

An older card lacks what was not measured when it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.estimate import Estimate as Estimate  # noqa: PLC0414 - part of this module too
from models.failures import FailureRow
from models.naming import NamingRow
from models.references import ReferenceRow
from models.styles import ClusterRow, StyleRow
from models.versions import VersionRow


@dataclass(frozen=True)
class RobustnessRow:
    """Figures on val copies that were changed in one way."""

    change: str
    strength: str
    accuracy: float
    pneumonia_accuracy: float
    auc: float
    sensitivity: float | None = None
    specificity: float | None = None


@dataclass(frozen=True)
class CalibrationError:
    """An expected calibration error beside the one that perfect calibration would give for these images.

    Attributes
    ----------
    expected, upper
        Mean and 95 % quantile of the error when labels are drawn from the probabilities themselves.
    """

    value: float
    expected: float
    upper: float

    @property
    def acceptable(self) -> bool:
        """Whether the error is not significantly worse than perfect calibration gives."""
        return self.value <= self.upper


@dataclass(frozen=True)
class CalibrationCheck:
    """How far probabilities of one split can be taken at their word.

    Attributes
    ----------
    slope
        Of a logistic regression of the truth on the logit of P(pneumonia); below 1 the probabilities are too extreme.
    intercept
        Of the same with the slope held at 1 (calibration in the large); above 0 pneumonia is more frequent than said.
    error, classwise_error
        Ten bins of equal mass: of P(pneumonia), and the mean over the classes of each class's own.
    """

    slope: Estimate
    intercept: Estimate
    error: CalibrationError
    classwise_error: CalibrationError


@dataclass(frozen=True)
class PredictiveValue:
    """What a positive and a negative outcome are worth where the share of pneumonia is ``prevalence``.

    None where no image had the outcome.

    Attributes
    ----------
    alarms
        Positive outcomes in 100 studies of one image; None in cards older than it.
    """

    operating_point: str
    prevalence: float
    positive: Estimate | None
    negative: Estimate | None
    alarms: Estimate | None = None


@dataclass(frozen=True)
class Abstention:
    """What is left when images in the indeterminate band count as not answered.

    Attributes
    ----------
    coverage, accuracy
        Share of the images that are called positive or negative; and how many of these calls are right.
    type_coverage, type_accuracy
        Share of the positive calls that name a type, and how many of the names are the label (a normal never is).
        What lacks such images is None.
    """

    operating_point: str
    coverage: Estimate
    accuracy: Estimate | None = None
    type_coverage: Estimate | None = None
    type_accuracy: Estimate | None = None


@dataclass(frozen=True)
class PointRow:
    """What an operating point does with images of either truth.

    Attributes
    ----------
    sensitivity, specificity
        Share of the images with pneumonia called positive, and of the others called negative; None without such images.
    missed, alarmed
        Share of the images with pneumonia called negative, and of the others called positive.
    indeterminate
        Share of all images between the limits.
    """

    operating_point: str
    sensitivity: Estimate | None
    specificity: Estimate | None
    missed: Estimate | None
    alarmed: Estimate | None
    indeterminate: Estimate


@dataclass(frozen=True)
class GateRow:
    """Images of one class that the scope gate kept out by their pixels, before the figures were taken.

    Attributes
    ----------
    reasons
        How many of them for each reason, by its code.
    """

    label: str
    images: int
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class SubgroupRow:
    """Figures of a part of the images; a figure that the part cannot give is left out.

    Attributes
    ----------
    small
        Whether there are too few images or patients to compare the part with another.
    """

    aspect: str
    value: str
    images: int
    patients: int
    small: bool
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class SplitMeasurements:
    """What follows from the probabilities of one split besides its figures of merit.

    Attributes
    ----------
    operating_points
        Empty in cards older than it.
    gate
        What the scope gate kept out before; empty where every image counted.
    """

    calibration: CalibrationCheck
    predictive_values: tuple[PredictiveValue, ...]
    abstention: tuple[Abstention, ...]
    subgroups: tuple[SubgroupRow, ...]
    operating_points: tuple[PointRow, ...] = ()
    gate: tuple[GateRow, ...] = ()


@dataclass(frozen=True)
class ShortcutRow:
    """Figures on val copies of which a part was covered."""

    seen: str
    metrics: Mapping[str, Estimate]


@dataclass(frozen=True)
class EvidenceInLungs:
    """How much of the evidence for pneumonia lies where the lungs are, on val images called so rightly.

    Attributes
    ----------
    atlas_share
        Share of images whose lungs were not found, and which got the mean field of the others.
    area
        Mean share of the image that the field covers.
    evidence
        Mean share of the positive activation inside the field.
    concentration
        Evidence over area: 1 is what a map without any sense of place would reach.
    peak
        Share of images whose strongest place lies inside the field.
    near_peak
        The same, with the tolerance of half a cell of the map with which the product judges.
    rim_peak
        Share of images whose strongest cell is of the map's first row or outermost columns: where side markers and
        stamps stand.
    outlined, withheld
        Share of images whose report has a region in the lung field, and whose map is withheld.
    """

    images: int
    atlas_share: float
    area: Estimate
    evidence: Estimate
    concentration: Estimate
    peak: Estimate
    near_peak: Estimate | None = None
    rim_peak: Estimate | None = None
    outlined: Estimate | None = None
    withheld: Estimate | None = None


@dataclass(frozen=True)
class LabelNoise:
    """What models that never saw an image's label say of it: bacterial against viral, images with pneumonia alone.

    Attributes
    ----------
    models
        Accuracy of each model against the labels, by name.
    agreement
        Share of images on which two models agree, by "one and another".
    joint
        Confident-learning estimate of the share of images by label (row) and true class (column): bacterial, viral.
    ceiling
        Share of labels that this joint holds right: the best accuracy that the labels can show.
    ceiling_by_agreement
        The same from how often models agree with the labels and with each other; a lower bound. None without solution.
    contradicted
        Share of images whose label every model contradicts.
    """

    name: str
    images: int
    models: Mapping[str, Estimate]
    agreement: Mapping[str, Estimate]
    joint: tuple[tuple[float, ...], ...]
    ceiling: Estimate
    ceiling_by_agreement: Estimate | None
    contradicted: Estimate


@dataclass(frozen=True)
class Doors:
    """The same picture as a full-size DICOM instance and as the collection's 224-pixel copy.

    Attributes
    ----------
    same_outcome
        Share of pictures with the same outcome at the balanced operating point.
    median_difference, largest_difference
        Of P(pneumonia), absolute.
    """

    images: int
    same_outcome: Estimate
    median_difference: float
    largest_difference: float


@dataclass(frozen=True)
class Measurements:
    """All that was measured beyond the figures of merit.

    Attributes
    ----------
    splits
        By name, as in the card's metrics.
    """

    splits: Mapping[str, SplitMeasurements] = field(default_factory=dict)
    shortcuts: tuple[ShortcutRow, ...] = ()
    lung_field: EvidenceInLungs | None = None
    label_noise: tuple[LabelNoise, ...] = ()
    doors: Doors | None = None
    clusters: tuple[ClusterRow, ...] = ()
    styles: tuple[StyleRow, ...] = ()
    versions: tuple[VersionRow, ...] = ()
    failures: tuple[FailureRow, ...] = ()
    naming: tuple[NamingRow, ...] = ()
    references: tuple[ReferenceRow, ...] = ()
