"""The sentences of a report, in its language: facts in, lines out, each under a name that viewers print before it."""

from collections.abc import Sequence
from typing import NamedTuple

from pydicom.dataset import Dataset

from service.report import codes
from service.report.content import ReportContent, by_finding, percent, share_text
from service.report.evidence import Evidence, ImageName
from service.texts import Texts, texts_in
from service.vocabulary.concepts import Concept
from service.vocabulary.facts import PrioritySource, Reason
from service.vocabulary.findings import Finding, Outcome, Prediction
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.states import Priority


class Line(NamedTuple):
    """One idea, and the concept that names it."""

    name: Concept
    text: str


def series_description(language: Language, kind: ReportKind) -> str:
    """Return the Series Description (0008,103E) of all objects of a kind in a study; at most 64 characters.

    It says nothing of a result: the series may hold a positive beside a negative.

    References
    ----------
    PS3.5 section 6.2: LO holds 64 characters
    """
    return texts_in(language)(f"report.series.{kind}")


def result_sentence(content: ReportContent) -> str:
    """Return what the outcome asserts, in one sentence."""
    say, prediction = texts_in(content.language), content.prediction
    if content.reason is Reason.PERSON_DISAGREED:
        return say("report.withdrawn")
    if prediction is None:
        return say("report.not_analysed", reason=reason_words(content))
    probability = percent(prediction.p_pneumonia, (prediction.lower, prediction.upper))
    return say(f"report.{content.outcome.name.lower()}", probability=probability)


def reason_words(content: ReportContent) -> str:
    """Return why the image was not analysed; empty where it was."""
    return texts_in(content.language).of(content.reason) if content.reason is not None else ""


def image_words(evidence: Evidence, language: Language) -> str:
    """Return what tells the image from the others of its study: view, side and number, or its UID without these."""
    say, image = texts_in(language), evidence.image
    parts = [_view_words(image, say)]
    if image.laterality:
        parts.append(say(f"report.side.{image.laterality}"))
    if image.number and image.series_number:
        parts.append(say("report.image_of_series", number=image.number, series=image.series_number))
    elif image.number:
        parts.append(say("report.image", number=image.number))
    return ", ".join(part for part in parts if part) or str(evidence.dataset.SOPInstanceUID)


def _view_words(image: ImageName, say: Texts) -> str:
    if image.position:
        return say("report.view", view=image.position)
    return say(f"report.view.{image.view.name.lower()}") if image.view is not None else ""


def summary_lines(content: ReportContent, evidence: Evidence, predecessors: Sequence[Dataset] = ()) -> list[Line]:
    """Return the first lines: what is superseded, whether it comes late, result, priority, status and image.

    Each is at most 80 characters long: viewers cut a longer one off where it leaves the window.
    """
    say = texts_in(content.language)
    lines = []
    if content.superseding_reason is not None:
        superseding = superseding_sentences(content, predecessors)
        lines += [Line(codes.SUPERSEDES, sentence) for sentence in superseding]
    if content.after_reading:
        lines.append(Line(codes.NOTE, say("report.after_reading")))
    lines += [
        Line(codes.RESULT, result_sentence(content)),
        Line(codes.READING_PRIORITY, _priority_words(content, say)),
        Line(codes.STATUS, say("report.status")),
        Line(codes.IMAGE, image_words(evidence, content.language)),
    ]
    return lines + _other_images(content.other_images, say)


def operating_point_line(prediction: Prediction, language: Language) -> Line:
    """Return the limits that the probability of pneumonia was compared with."""
    say = texts_in(language)
    upper, lower = share_text(prediction.upper), share_text(prediction.lower)
    text = say("report.operating_point", name=prediction.operating_point, upper=upper, lower=lower)
    return Line(codes.OPERATING_POINT, text)


def finding_lines(content: ReportContent, evidence: Evidence) -> list[Line]:
    """Return the lines under Findings: the classes and the type, the doubts, what was malformed."""
    say, notes = texts_in(content.language), [texts_in(content.language).of(flag) for flag in content.flags]
    if evidence.notes:
        notes.append(say("report.malformed", attributes=", ".join(evidence.notes)))
    classes = _class_lines(content, content.prediction, say) if content.prediction is not None else []
    return [*classes, *(Line(codes.NOTE, note) for note in notes)]


def conclusion_lines(content: ReportContent) -> list[Line]:
    """Return the lines under Conclusions: prevalence, population, model, limits, what the software is not."""
    say, prediction = texts_in(content.language), content.prediction
    lines = []
    if prediction is not None:
        prevalence = say("report.prevalence", prevalence=share_text(prediction.prevalence))
        lines.append(Line(codes.ASSUMED_PREVALENCE, prevalence))
        lines.append(Line(codes.MODEL, _model(prediction, say)))
    if content.population:
        lines.append(Line(codes.VALIDATED_ON, content.population))
    if content.limits:
        lines.append(Line(codes.LIMITS, content.limits))
    lines.append(Line(codes.DISCLAIMER, disclaimer(content)))
    return lines


def disclaimer(content: ReportContent) -> str:
    """Return what the software is not."""
    return texts_in(content.language)("report.disclaimer")


def superseding_sentences(content: ReportContent, predecessors: Sequence[Dataset]) -> list[str]:
    """Return the first sentences of a report that takes another's place: which, and why."""
    say = texts_in(content.language)
    reason = say.of(content.superseding_reason) if content.superseding_reason is not None else ""
    return [
        say("report.supersedes", earlier=earlier_words(predecessors, say)),
        say("report.supersedes_because", reason=reason),
    ]


def earlier_words(predecessors: Sequence[Dataset], say: Texts) -> str:
    """Return what the latest of the earlier reports is called: by its moment, where that is known."""
    times = sorted(f"{earlier.get('ContentDate') or ''}{earlier.get('ContentTime') or ''}" for earlier in predecessors)
    if not times or len(times[-1]) < 12:
        return say("report.earlier")
    stamp = times[-1]
    moment = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[8:10]}:{stamp[10:12]}"
    return say("report.earlier_of", moment=moment)


def _priority_words(content: ReportContent, say: Texts) -> str:
    priority = say.of(content.priority)
    if content.priority is Priority.ROUTINE and content.after_reading and content.outcome is Outcome.POSITIVE:
        return say("report.priority.was_read", priority=priority)
    if content.priority is Priority.ROUTINE:
        return say("report.priority.routine", priority=priority)
    if content.priority_source is None:
        return priority
    if content.priority_source is not PrioritySource.PREDICTION:
        return say("report.priority.because", priority=priority, source=say.of(content.priority_source))
    if content.outcome is Outcome.POSITIVE:
        return say("report.priority.this_image", priority=priority)
    other = "another_image" if Outcome.POSITIVE in content.other_images else "earlier_result"
    return say(f"report.priority.{other}", priority=priority)


def _other_images(outcomes: Sequence[Outcome], say: Texts) -> list[Line]:
    """Return how many other images have each outcome, the positives first."""
    counts = {outcome: outcomes.count(outcome) for outcome in Outcome if outcome in outcomes}
    return [
        Line(codes.OTHER_IMAGES, say(f"report.other.{outcome.name.lower()}", count=count))
        for outcome, count in counts.items()
    ]


def _class_lines(content: ReportContent, prediction: Prediction, say: Texts) -> list[Line]:
    shares = by_finding(prediction)
    lines = [
        Line(codes.CLASS_PROBABILITY, say("report.share", finding=say.of(finding), probability=percent(share)))
        for finding, share in shares.items()
    ]
    if content.outcome is Outcome.POSITIVE and len(shares) > 2:
        lines.append(Line(codes.PNEUMONIA_TYPE, _type_words(prediction.pneumonia_type, content.type_margin, say)))
    return lines


def _type_words(pneumonia_type: Finding | None, margin: float | None, say: Texts) -> str:
    if pneumonia_type is not None:
        return say("report.type", finding=say.of(pneumonia_type))
    if margin is None:
        return say("report.type_undetermined")
    return say("report.type_undetermined_by", margin=share_text(margin))


def _model(prediction: Prediction, say: Texts) -> str:
    model = f"{prediction.checkpoint_name} {prediction.checkpoint_version}"
    if prediction.calibration_digest is None:
        return model
    return say("report.site_calibration", model=model, digest=prediction.calibration_digest[:12])
