"""The worker's part of `auscult doctor`."""

from collections.abc import Iterator

from models.decision import shift_prevalence
from service.settings import Settings
from service.vocabulary.errors import AuscultError
from worker.network import load_checkpoint
from worker.networks import folders

#: A probability, and a share of pneumonia that many sites have, to show by what the difference is.
_EXAMPLE, _FEW = 0.85, 0.05


def checkpoint(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """Check that each checkpoint is whole and has the operating point of the settings."""
    for folder in folders(settings.analysis):
        try:
            card = load_checkpoint(settings.analysis, folder).card
        except AuscultError as error:
            yield "checkpoint", False, str(error)
        else:
            ages = f"ages {card.population.minimum_age_years} to {card.population.maximum_age_years}"
            point = f"operating point {settings.analysis.operating_point}"
            yield "checkpoint", True, f"{card.name} {card.version}, {ages}, digests verified, {point}"
            shares = card.calibration.prevalence, settings.analysis.expected_prevalence
            yield "prevalence", True, _prevalence(*shares)


def _prevalence(calibrated: float, expected: float | None) -> str:
    """Say for which share of pneumonia the probabilities are, and what a probability means at another."""
    share = _FEW if expected is None else expected
    shifted = shift_prevalence(_EXAMPLE, calibrated, share)
    means = f"what is {_EXAMPLE:.0%} there is {shifted:.1%} where {share:.2%} of the images show pneumonia"
    if expected is None:
        return (
            f"analysis.expected_prevalence is not set: probabilities are those of the checkpoint's own images, of which"
            f" {calibrated:.1%} show pneumonia; {means}. Set it to this site's share"
        )
    return f"analysis.expected_prevalence = {expected:g}; the checkpoint's own share is {calibrated:.1%}, and {means}"
