"""What the scope gate can say."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why an image is not analysed, in the words that reports and the worklist use."""

    NOT_AN_IMAGE = "not an image"
    MODALITY = "modality not accepted"
    SECONDARY_CAPTURE = "secondary capture image"
    MULTI_FRAME = "multi-frame image"
    COLOUR = "colour image"
    FOR_PROCESSING = "for-processing image; its for-presentation form is analysed"
    NOT_CHEST = "not a chest image"
    BODY_PART_UNKNOWN = "body part unknown"
    LATERAL_VIEW = "lateral view"
    OBLIQUE_VIEW = "oblique view"
    DECUBITUS_VIEW = "decubitus view"
    VIEW_UNKNOWN = "view unknown"
    TOO_SMALL = "image too small"
    TOO_LARGE = "image too large"
    AGE_OUTSIDE = "patient age outside the validated range"
    AGE_UNKNOWN = "patient age unknown"
    NO_PIXEL_DATA = "no pixel data"
    PIXELS_UNDECODABLE = "pixels cannot be decoded"
    BLANK = "blank image"
    UPSIDE_DOWN = "image is upside down"
    UNLIKE_TRAINING = "unlike the images that the network was validated on"

    @property
    def code(self) -> str:
        """The stable name of the reason for metrics and the ledger, in snake case."""
        return self.name.lower()


class Flag(StrEnum):
    """A doubt under which an image was analysed all the same."""

    BODY_PART_UNKNOWN = "body part unknown"
    VIEW_UNKNOWN = "view unknown"
    AGE_UNKNOWN = "patient age unknown"
    AGE_OUTSIDE = "patient age outside the validated range"
    FOR_PROCESSING = "for-processing image"
    UPSIDE_DOWN = "image is upside down"
    UNLIKE_TRAINING = "unlike the images that the network was validated on"
    ACTIVATION_OFF_LUNGS = "what the network reacted to lies outside the lung field"
    LUNG_FIELD_NOT_FOUND = "no lung field found; the heat map is withheld"

    @property
    def code(self) -> str:
        """The stable name of the flag, in snake case."""
        return self.name.lower()


@dataclass(frozen=True)
class Population:
    """The patients on whose images the checkpoint was validated; its card says so.

    Attributes
    ----------
    minimum_age_years, maximum_age_years
        Age in completed years, both included; None is no limit.
    """

    minimum_age_years: float | None = None
    maximum_age_years: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether an image is analysed.

    Attributes
    ----------
    reason
        Why not; None when it is.
    chest
        Whether it is known for a chest radiograph: an accepted modality, and a chest by its header.
    flags
        Doubts, for reports and the worklist to show.
    """

    in_scope: bool
    reason: Reason | None
    chest: bool
    flags: tuple[Flag, ...] = ()
