"""The worker's part of `auscult doctor`."""

from collections.abc import Iterator

from models.decision import shift_prevalence
from service.settings import Settings
from service.texts import Sentence
from service.vocabulary.errors import AuscultError
from worker.network import load_checkpoint, site_calibration
from worker.networks import folders, load_checkpoints

#: A probability, and a share of pneumonia that many sites have, to show by what the difference is.
_EXAMPLE, _FEW = 0.85, 0.05


def checkpoint(settings: Settings) -> Iterator[tuple[Sentence, bool, Sentence | AuscultError]]:
    """Check that each checkpoint is whole and has the operating point of the settings."""
    for folder in folders(settings.analysis):
        try:
            card = load_checkpoint(settings.analysis, folder).card
        except AuscultError as error:
            yield Sentence("check.checkpoint"), False, error
        else:
            found = Sentence(
                "found.checkpoint",
                checkpoint=f"{card.name} {card.version}",
                youngest=card.population.minimum_age_years,
                oldest=card.population.maximum_age_years,
                point=settings.analysis.operating_point,
            )
            yield Sentence("check.checkpoint"), True, found
            own = site_calibration(settings.analysis)
            if own is not None:
                yield Sentence("check.calibration"), *_calibration(own.digest, own.checkpoint_digest, settings)
            shares = card.calibration.prevalence, settings.analysis.expected_prevalence
            yield Sentence("check.prevalence"), True, _prevalence(*shares)


def _calibration(digest: str, checkpoint_digest: str, settings: Settings) -> tuple[bool, Sentence | AuscultError]:
    """Say which calibration of the site counts; one of another checkpoint is a fault."""
    try:
        load_checkpoints(settings.analysis)
    except AuscultError as error:
        return False, error
    return True, Sentence("found.calibration", digest=digest[:12], checkpoint=checkpoint_digest[:12])


def _prevalence(calibrated: float, expected: float | None) -> Sentence:
    """Say for which share of pneumonia the probabilities are, and what a probability means at another."""
    share = _FEW if expected is None else expected
    shifted = shift_prevalence(_EXAMPLE, calibrated, share)
    values = {
        "calibrated": f"{calibrated:.1%}",
        "example": f"{_EXAMPLE:.0%}",
        "shifted": f"{shifted:.1%}",
        "share": f"{share:.2%}",
    }
    if expected is None:
        return Sentence("found.prevalence_unset", **values)
    return Sentence("found.prevalence", expected=f"{expected:g}", **values)
