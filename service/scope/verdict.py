"""What the scope gate can say."""

from dataclasses import dataclass

from service.vocabulary.facts import Flag, Reason


@dataclass(frozen=True)
class PopulationLimits:
    """The patients on whose images the checkpoint was validated; its card says so.

    Attributes
    ----------
    minimum_age_years, maximum_age_years
        Age in completed years, both included; None is no limit.
    views
        Values of View Position, such as "PA"; empty where nothing is said.
    """

    minimum_age_years: float | None = None
    maximum_age_years: float | None = None
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScopeVerdict:
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
