"""What a report says: its content as one value, and the sentences for each outcome."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom.dataset import Dataset

from service.vocabulary.findings import Finding, Outcome, Prediction
from service.vocabulary.states import Priority

_NAME = {
    Finding.PNEUMONIA: "pneumonia",
    Finding.BACTERIAL_PNEUMONIA: "bacterial pneumonia",
    Finding.VIRAL_PNEUMONIA: "viral pneumonia",
    # The class is called normal where it was trained; a report never calls an image normal.
    Finding.NORMAL: "no pneumonia pattern",
}

_SERIES_DESCRIPTION = {
    Outcome.POSITIVE: "AI: PNEUMONIA SUSPECTED (prelim)",
    Outcome.NEGATIVE: "AI: no pneumonia pattern (prelim)",
    Outcome.INDETERMINATE: "AI: INDETERMINATE (prelim)",
    Outcome.NOT_ANALYSED: "AI: NOT ANALYSED (prelim)",
}

DISCLAIMER = "Not a medical device; research use. Not for diagnosis."


@dataclass(frozen=True)
class ReportContent:
    """Everything that the report set of one image says beyond the image's own attributes.

    Attributes
    ----------
    prediction
        The result; None for an image that was not analysed, and only then.
    reason
        Why the image was not analysed, as a phrase ("lateral view"); None for the other outcomes.
    flags
        What a reader should know of the input, such as "patient age unknown".
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
        Why this report takes the place of an earlier one, as a clause ("the image was replaced"); else None.

    Raises
    ------
    ValueError
        When the parts contradict each other.
    """

    outcome: Outcome
    prediction: Prediction | None
    reason: str | None
    flags: tuple[str, ...]
    priority: Priority
    priority_reason: str
    content_time: datetime
    pixel_digest: str
    identity_digest: str
    limits: str
    population: str = ""
    attempted: bool = False
    superseding_reason: str | None = None

    def __post_init__(self) -> None:
        if self.content_time.tzinfo is None:
            raise ValueError("content_time has no time zone; take the aware time from the ledger")
        analysed = self.outcome is not Outcome.NOT_ANALYSED
        if analysed and (self.prediction is None or self.reason is not None or self.attempted):
            raise ValueError(f"outcome {self.outcome.value} needs a prediction and no reason")
        if not analysed and (self.prediction is not None or not self.reason):
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


def series_description(content: ReportContent) -> str:
    """Return the Series Description (0008,103E): what a PACS worklist shows; at most 64 characters."""
    return _SERIES_DESCRIPTION[content.outcome]


def result_sentence(content: ReportContent) -> str:
    """Return what the outcome asserts, in one sentence."""
    prediction = content.prediction
    if prediction is None:
        return f"NOT ANALYSED: {content.reason}"
    probability = percent(prediction.p_pneumonia, (prediction.lower, prediction.upper))
    if content.outcome is Outcome.POSITIVE:
        return f"PNEUMONIA SUSPECTED, probability {probability}"
    if content.outcome is Outcome.NEGATIVE:
        return "No pneumonia pattern found by AI; other abnormalities NOT assessed"
    return (
        f"INDETERMINATE: probability of pneumonia {probability} lies between {share_text(prediction.lower)}"
        f" (below it: no pneumonia pattern) and {share_text(prediction.upper)} (from it on: pneumonia suspected)"
    )


def finding_lines(content: ReportContent, predecessors: Sequence[Dataset] = ()) -> list[str]:
    """Return the lines under Findings: what is superseded, the result, the classes, the flags."""
    lines = []
    if content.superseding_reason is not None:
        lines.append(superseding_sentence(content.superseding_reason, predecessors))
    lines.append(f"AI result (not a radiologist report): {result_sentence(content)}")
    if content.prediction is not None:
        lines += _class_lines(content.prediction, content.outcome)
    lines += [f"Note: {flag}" for flag in content.flags]
    return lines


def conclusion_lines(content: ReportContent) -> list[str]:
    """Return the lines under Conclusions: priority, population, operating point, limits, what the software is not."""
    priority = content.priority.name
    if content.priority is Priority.ROUTINE:
        priority += ", no change; an AI result never lowers a priority"
    why = f" ({content.priority_reason})" if content.priority_reason else ""
    lines = [f"Suggested reading priority: {priority}{why}. Preliminary AI output; verify."]
    if content.population:
        lines.append(f"Validated on: {content.population}")
    if content.prediction is not None:
        lines.append(_operating_point_line(content.prediction))
    if content.limits:
        lines.append(f"Limits: {content.limits}")
    lines.append(DISCLAIMER)
    return lines


def superseding_sentence(reason: str, predecessors: Sequence[Dataset]) -> str:
    """Return the first sentence of a report that takes another's place."""
    times = sorted(f"{earlier.get('ContentDate') or ''}{earlier.get('ContentTime') or ''}" for earlier in predecessors)
    if times and len(times[-1]) >= 12:
        stamp = times[-1]
        when = f"the AI report of {stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[8:10]}:{stamp[10:12]}"
    else:
        when = "an earlier AI report"
    return f"Supersedes {when}: {reason.rstrip('.')}."


def _class_lines(prediction: Prediction, outcome: Outcome) -> list[str]:
    # Short lines: viewers cut a long one off where it leaves the window.
    shares = by_finding(prediction)
    text = ", ".join(f"{_NAME[finding]} {percent(probability)}" for finding, probability in shares.items())
    lines = [
        f"Probabilities: {text}.",
        f"Assumed share of pneumonia: {share_text(prediction.prevalence)} of the images.",
    ]
    if outcome is Outcome.POSITIVE and len(shares) > 2:
        kind = "undetermined" if prediction.pneumonia_type is None else f"{_NAME[prediction.pneumonia_type]} pattern"
        lines.append(f"Type: {kind}.")
    return lines


def _operating_point_line(prediction: Prediction) -> str:
    return (
        f"Model {prediction.checkpoint_name} {prediction.checkpoint_version}, operating point"
        f" {prediction.operating_point}: pneumonia suspected from {share_text(prediction.upper)}, no pneumonia pattern"
        f" below {share_text(prediction.lower)}, indeterminate between them; assumed prevalence"
        f" {share_text(prediction.prevalence)}."
    )


def share_text(share: float) -> str:
    """Return a limit exactly enough to tell it from its neighbours: "35 %", "0.25 %"."""
    if not math.isfinite(share):
        raise ValueError("a limit of the operating point is not a number")
    return f"{100 * share:.4g} %"
