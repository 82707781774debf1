"""What a report says: its content as one value of facts, without a sentence."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from service.vocabulary.facts import Failure, Flag, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Finding, Outcome, Prediction
from service.vocabulary.language import Language
from service.vocabulary.states import Priority


@dataclass(frozen=True)
class ReportContent:
    """Everything that the report set of one image says beyond the image's own attributes.

    Attributes
    ----------
    prediction
        The result; None for an image that was not analysed, and only then.
    reason
        Why the image was not analysed; None for the other outcomes.
    flags
        The doubts under which it was analysed.
    priority_source
        Who says how urgent the study is; None says nothing about it.
    content_time
        When the result came about, aware; from the ledger, so that the objects can be built again bit for bit.
        Written as wall-clock time in its own zone, or in the source image's where that states one.
    pixel_digest, identity_digest
        SHA-256 (hex) of the decoded pixels and of the identity attributes of the source.
    limits
        What the checkpoint was not made for, one sentence or more.
    population
        Whom the checkpoint was validated on.
    attempted
        For an image that was not analysed: whether the analysis was begun and failed.
    superseding_reason
        Why this report takes the place of an earlier one; else None.
    after_reading
        Whether a person had read the study before: nobody who read it then saw this.
    language
        Of every sentence in the objects.
    number
        The how-manieth result of its study it is, from 1 on.
    type_margin
        The share of the probability of pneumonia by which one type must lead to be named, in [0, 1]; None is unknown.
    other_images
        What was found out by then about each other image of the study.

    Raises
    ------
    ValueError
        When the parts contradict each other.
    """

    outcome: Outcome
    prediction: Prediction | None
    reason: Reason | Failure | None
    flags: tuple[Flag, ...]
    priority: Priority
    priority_source: PrioritySource | None
    content_time: datetime
    pixel_digest: str
    identity_digest: str
    limits: str
    population: str = ""
    attempted: bool = False
    superseding_reason: Supersession | None = None
    after_reading: bool = False
    language: Language = Language.ENGLISH
    number: int = 1
    type_margin: float | None = None
    other_images: tuple[Outcome, ...] = ()

    def __post_init__(self) -> None:
        if self.content_time.tzinfo is None:
            raise ValueError("content_time has no time zone; take the aware time from the ledger")
        analysed = self.outcome is not Outcome.NOT_ANALYSED
        if analysed and (self.prediction is None or self.reason is not None or self.attempted):
            raise ValueError(f"outcome {self.outcome.value} needs a prediction and no reason")
        if not analysed and (self.prediction is not None or self.reason is None):
            raise ValueError("outcome not analysed needs a reason and no prediction")
        if self.prediction is not None and self.prediction.outcome is not self.outcome:
            raise ValueError("the prediction has another outcome than the report")


def percent(probability: float, limits: Collection[float] = ()) -> str:
    """Return a probability as text such as "96.0 %", never 0 or 100 %, and never rounded across one of the limits."""
    text = ""
    for decimals in range(1, 7):
        text = f"{100 * probability:.{decimals}f}"
        # 100 * 0.7257 is a little more than 72.57 in binary; as text the two are one.
        if all((float(text) >= round(100 * limit, 9)) == (probability >= limit) for limit in limits):
            break
    if probability < 1 and float(text) == 100:
        return "> 99.9 %"
    if probability > 0 and float(text) == 0:
        return "< 0.1 %"
    return f"{text} %"


def by_finding(prediction: Prediction) -> dict[Finding, float]:
    """Return the probability of each finding at the assumed prevalence, the most probable first.

    The network's own probabilities assume the prevalence of its calibration. Another prevalence of pneumonia multiplies
    the odds of its types alike (Bayes), so they are scaled to sum to `p_pneumonia`. Classes of equal meaning are added.

    References
    ----------
    Saerens, Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, Neural
    Computation 14, 2002
    """
    pneumonia = sum(
        p for name, p in prediction.probabilities.items() if prediction.findings[name] is not Finding.NORMAL
    )
    scale = prediction.p_pneumonia / pneumonia if pneumonia > 0 else 0.0
    shares: dict[Finding, float] = {}
    for name, probability in prediction.probabilities.items():
        finding = prediction.findings[name]
        share = 1 - prediction.p_pneumonia if finding is Finding.NORMAL else scale * probability
        shares[finding] = share if finding is Finding.NORMAL else shares.get(finding, 0.0) + share
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0].value)))


def share_text(share: float) -> str:
    """Return a limit exactly enough to tell it from its neighbours: "35 %", "0.25 %"."""
    if not math.isfinite(share):
        raise ValueError("a limit of the operating point is not a number")
    return f"{100 * share:.4g} %"
