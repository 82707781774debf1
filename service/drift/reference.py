"""What a group of a machine's images is compared with, and the charts that follow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from service.agreement import wilson
from service.drift.control_chart import Chart, cautious, chart_for
from service.ledger.checkpoints import InUse
from service.ledger.drift import CardFigures, Distributions, Observation
from service.vocabulary.drift import Characteristic, ReferenceKind
from service.vocabulary.findings import Outcome

#: Tells of an image whether it has a characteristic; None where it says nothing about it.
Look = Callable[[Observation], bool | None]


@dataclass(frozen=True)
class Baseline:
    """What is usual.

    Attributes
    ----------
    images
        How many images it is from; 0 for what a card says.
    positive, abstained
        Share of the analysed images that are called positive, and of all images that get no clear answer, in [0, 1].
    probability, distance
        Median P(pneumonia), and the distance that a tenth of the images exceed; None where nothing tells.
    """

    kind: ReferenceKind
    images: int
    positive: float | None
    abstained: float | None
    probability: float | None = None
    distance: float | None = None


def of_card(card: CardFigures | None, in_use: InUse) -> Baseline:
    """Return what a card says at the prevalence that the results assume, as far as it says anything."""
    point = card.operating_point if card is not None else None
    told = card.distributions if card is not None else None
    sick, positive = in_use.prevalence, None
    if point is not None:
        positive = point["sensitivity"] * sick + point["alarmed"] * (1 - sick)
    # A site's own calibration gives other probabilities than those of the card.
    probability = None
    if told is not None and in_use.calibration_digest is None:
        probability = _at_prevalence(_mixed(told, "p_pneumonia", sick, 0.5), sick)
    return Baseline(
        kind=ReferenceKind.CARD,
        images=0,
        positive=positive,
        abstained=point["indeterminate"] if point is not None else None,
        probability=probability,
        distance=_mixed(told, "distance", sick, 0.9) if told is not None else None,
    )


def _mixed(told: Distributions, what: str, sick: float, level: float) -> float | None:
    """Return a quantile of images of which a share is sick, from the quantiles of both; None where one lacks them."""
    well_Q, sick_Q = (np.asarray(told[truth].get(what, ())) for truth in ("normal", "pneumonia"))
    if not len(well_Q) or not len(sick_Q):
        return None
    values = np.sort(np.concatenate([well_Q, sick_Q]))
    below = sum(
        share * np.interp(values, found_Q, np.linspace(0, 1, len(found_Q)))
        for share, found_Q in ((1 - sick, well_Q), (sick, sick_Q))
    )
    return float(np.interp(level, below, values))


def _at_prevalence(probability: float | None, prevalence: float) -> float | None:
    """Return a probability that was told at the prevalence 0.5 as it is at another, by Bayes' rule."""
    if probability is None:
        return None
    return probability * prevalence / (probability * prevalence + (1 - probability) * (1 - prevalence))


def of_site(images: Sequence[Observation]) -> Baseline:
    """Return what was usual among the images of a reference window; there is at least one."""
    analysed = [image for image in images if image.outcome is not None]
    probabilities = [image.p_pneumonia for image in analysed if image.p_pneumonia is not None]
    distances = [image.distance for image in images if image.distance is not None]
    positive = sum(image.outcome is Outcome.POSITIVE for image in analysed)
    return Baseline(
        kind=ReferenceKind.SITE,
        images=len(images),
        positive=positive / len(analysed) if analysed else None,
        abstained=sum(map(_abstains, images)) / len(images),
        probability=float(np.median(probabilities)) if probabilities else None,
        distance=float(np.quantile(distances, 0.9)) if distances else None,
    )


def looks(reference: Baseline) -> dict[Characteristic, Look]:
    """Return how an image is looked at for each characteristic that a reference tells something of."""
    found: dict[Characteristic, Look] = {}
    median, far = reference.probability, reference.distance
    if reference.positive is not None:
        found[Characteristic.MORE_POSITIVE] = lambda image: _of_analysed(image, image.outcome is Outcome.POSITIVE)
    if median is not None:
        found[Characteristic.HIGHER_PROBABILITY] = lambda image: _of_analysed(image, (image.p_pneumonia or 0) > median)
    if far is not None:
        found[Characteristic.GREATER_DISTANCE] = lambda image: None if image.distance is None else image.distance > far
    if reference.kind is ReferenceKind.CARD:
        return found  # fewer sick children than a card supposes are no fault, nor is what else a site sends
    if reference.positive is not None:
        found[Characteristic.FEWER_POSITIVE] = lambda image: _of_analysed(image, image.outcome is not Outcome.POSITIVE)
    if median is not None:
        found[Characteristic.LOWER_PROBABILITY] = lambda image: _of_analysed(image, (image.p_pneumonia or 0) < median)
    found[Characteristic.MORE_ABSTENTIONS] = _abstains
    return found


#: The share of a card's own images that has a characteristic, where it follows from what the characteristic is.
_OF_CARD = {Characteristic.HIGHER_PROBABILITY: 0.5, Characteristic.GREATER_DISTANCE: 0.1}


def chart_of(
    characteristic: Characteristic,
    look: Look,
    reference: Baseline,
    window: Sequence[Observation],
    images_between: float,
) -> Chart:
    """Return the chart of a characteristic; no sooner in alarm than for the greatest share that the reference allows.

    Parameters
    ----------
    window
        The images of the reference; empty for what a card says.
    images_between
        Average number of images from one false alarm to the next.
    """
    seen = [has for image in window if (has := look(image)) is not None]
    if not seen:
        return chart_for(cautious(_OF_CARD.get(characteristic, reference.positive or 0.0)), images_between)
    # A share that was counted on few images may be greater than it looked: with its upper limit the rate still holds.
    return chart_for(cautious(wilson(sum(seen), len(seen))[1]), images_between)


def _abstains(image: Observation) -> bool:
    return image.outcome is None or image.outcome is Outcome.INDETERMINATE


def _of_analysed(image: Observation, has: bool) -> bool | None:
    return None if image.outcome is None else has
