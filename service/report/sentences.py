"""The sentences of a report, in its language: facts in, lines out."""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from service.report.content import ReportContent, by_finding, percent, share_text
from service.texts import Texts, texts_in
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.states import Priority


def series_description(content: ReportContent, kind: ReportKind) -> str:
    """Return the Series Description (0008,103E): what a PACS worklist shows; at most 64 characters.

    The series of a result must be told apart in a viewer's list.
    """
    say = texts_in(content.language)
    series = say(f"report.series.{content.outcome.name.lower()}")
    return say(f"report.series.{kind}", series=series)


def result_sentence(content: ReportContent) -> str:
    """Return what the outcome asserts, in one sentence."""
    say, prediction = texts_in(content.language), content.prediction
    if prediction is None:
        return say("report.not_analysed", reason=reason_words(content))
    return say(
        f"report.{content.outcome.name.lower()}",
        probability=percent(prediction.p_pneumonia, (prediction.lower, prediction.upper)),
        lower=share_text(prediction.lower),
        upper=share_text(prediction.upper),
    )


def reason_words(content: ReportContent) -> str:
    """Return why the image was not analysed; empty where it was."""
    return texts_in(content.language).of(content.reason) if content.reason is not None else ""


def finding_lines(content: ReportContent, predecessors: Sequence[Dataset] = ()) -> list[str]:
    """Return the lines under Findings: what is superseded, that it comes late, the result, classes, flags."""
    say = texts_in(content.language)
    lines = []
    if content.superseding_reason is not None:
        lines.append(superseding_sentence(content, predecessors))
    if content.after_reading:
        lines.append(say("report.after_reading"))
    lines.append(say("report.result", sentence=result_sentence(content)))
    if content.prediction is not None:
        lines += _class_lines(content.prediction, content.outcome, say)
    lines += [say("report.note", note=say.of(flag)) for flag in content.flags]
    return lines


def malformed_line(content: ReportContent, attributes: Sequence[str]) -> str:
    """Return the line that names the source's attributes that were left empty."""
    return texts_in(content.language)("report.malformed", attributes=", ".join(attributes))


def conclusion_lines(content: ReportContent) -> list[str]:
    """Return the lines under Conclusions: priority, population, operating point, limits, what the software is not."""
    say = texts_in(content.language)
    lines = [_priority_line(content, say)]
    if content.population:
        lines.append(say("report.population", population=content.population))
    if content.prediction is not None:
        lines.append(_operating_point_line(content.prediction, say))
    if content.limits:
        lines.append(say("report.limits", limits=content.limits))
    lines.append(disclaimer(content))
    return lines


def disclaimer(content: ReportContent) -> str:
    """Return what the software is not."""
    return texts_in(content.language)("report.disclaimer")


def _priority_line(content: ReportContent, say: Texts) -> str:
    priority = say.of(content.priority)
    if content.priority is Priority.ROUTINE:
        priority = say("report.priority_routine", priority=priority)
    if content.priority_source is None:
        return say("report.priority", priority=priority)
    return say("report.priority_because", priority=priority, source=say.of(content.priority_source))


def superseding_sentence(content: ReportContent, predecessors: Sequence[Dataset]) -> str:
    """Return the first sentence of a report that takes another's place."""
    say = texts_in(content.language)
    times = sorted(f"{earlier.get('ContentDate') or ''}{earlier.get('ContentTime') or ''}" for earlier in predecessors)
    earlier = say("report.earlier")
    if times and len(times[-1]) >= 12:
        stamp = times[-1]
        moment = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[8:10]}:{stamp[10:12]}"
        earlier = say("report.earlier_of", moment=moment)
    reason = say.of(content.superseding_reason) if content.superseding_reason is not None else ""
    return say("report.supersedes", earlier=earlier, reason=reason)


def _class_lines(prediction: Prediction, outcome: Outcome, say: Texts) -> list[str]:
    # Short lines: viewers cut a long one off where it leaves the window.
    shares = by_finding(prediction)
    named = [say("report.share", finding=say.of(name), probability=percent(share)) for name, share in shares.items()]
    lines = [
        say("report.probabilities", shares=", ".join(named)),
        say("report.prevalence", prevalence=share_text(prediction.prevalence)),
    ]
    if outcome is Outcome.POSITIVE and len(shares) > 2:
        kind = prediction.pneumonia_type
        lines.append(say("report.type_undetermined") if kind is None else say("report.type", finding=say.of(kind)))
    return lines


def _operating_point_line(prediction: Prediction, say: Texts) -> str:
    return say(
        "report.operating_point",
        model=prediction.checkpoint_name,
        version=prediction.checkpoint_version,
        name=prediction.operating_point,
        upper=share_text(prediction.upper),
        lower=share_text(prediction.lower),
        prevalence=share_text(prediction.prevalence),
    )
