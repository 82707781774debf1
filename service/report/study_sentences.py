"""The sentences of a study's text report: what was found in how many of its images, and which image decides.

References
----------
PS3.3 section C.17.2: what a document takes the place of stands in its Predecessor Documents Sequence
"""

from collections import Counter
from collections.abc import Sequence

from pydicom.dataset import Dataset

from service.report import codes
from service.report.content import ReportContent
from service.report.sentences import (
    Line,
    conclusion_lines,
    earlier_words,
    image_words,
    result_sentence,
)
from service.report.study_content import StudyContent, StudyImage
from service.texts import Texts, texts_in
from service.vocabulary.facts import PrioritySource, Reason
from service.vocabulary.findings import Outcome
from service.vocabulary.states import Priority

_WITHDRAWN, _WAITING, _UNNAMED = "withdrawn", "waiting", "unnamed"
#: The most urgent first; that no pattern was found comes last, for it may hold of some images alone.
_ORDER = (
    Outcome.POSITIVE.name.lower(),
    _WITHDRAWN,
    Outcome.INDETERMINATE.name.lower(),
    Outcome.NOT_ANALYSED.name.lower(),
    _WAITING,
    _UNNAMED,
    Outcome.NEGATIVE.name.lower(),
)


def study_summary(study: StudyContent, images: Sequence[StudyImage], predecessors: Sequence[Dataset]) -> list[Line]:
    """Return the first lines: result, priority, the image that decides it, status, and what is superseded.

    That an earlier result no longer holds comes before them. Each is at most 80 characters long: viewers cut a longer
    one off where it leaves the window.
    """
    say = texts_in(study.language)
    lines = [
        *(Line(codes.RESULT, sentence) for sentence in _results(study, images, say)),
        *_priority(study, images, say),
        Line(codes.STATUS, say("report.status")),
    ]
    if study.after_reading:
        lines.append(Line(codes.NOTE, say("report.after_reading")))
    superseded = _superseded(study, predecessors, say)
    return [*lines, *superseded] if study.superseding_reason is None else [*superseded, *lines]


def image_lines(image: StudyImage, study: StudyContent) -> list[Line]:
    """Return which image it is, and its result or that there is none."""
    say, content = texts_in(study.language), image.content
    result = say("report.waiting") if content is None else result_sentence(content)
    return [Line(codes.IMAGE, image_words(image.evidence, study.language)), Line(codes.RESULT, result)]


def study_conclusions(images: Sequence[StudyImage]) -> list[Line]:
    """Return the lines under Conclusions; what holds of several images is said once."""
    lines = [line for image in images if image.content is not None for line in conclusion_lines(image.content)]
    once = {(line.name.value, line.text): line for line in lines}.values()
    places = [codes.ASSUMED_PREVALENCE, codes.MODEL, codes.VALIDATED_ON, codes.LIMITS, codes.DISCLAIMER]
    return sorted(once, key=lambda line: places.index(line.name))


def _results(study: StudyContent, images: Sequence[StudyImage], say: Texts) -> list[str]:
    total = len(images) + study.unnamed
    only = images[0].content
    if total == 1 and only is not None:
        return [result_sentence(only)]
    counts = Counter({_UNNAMED: study.unnamed}) + Counter(_kind(image.content) for image in images)
    return [say(f"report.study.{kind}", count=counts[kind], total=total) for kind in _ORDER if counts[kind]]


def _kind(content: ReportContent | None) -> str:
    if content is None:
        return _WAITING
    return _WITHDRAWN if content.reason is Reason.PERSON_DISAGREED else content.outcome.name.lower()


def _priority(study: StudyContent, images: Sequence[StudyImage], say: Texts) -> list[Line]:
    priority, source = say.of(study.priority), study.priority_source
    positive = [image for image in images if image.content and image.content.outcome is Outcome.POSITIVE]
    if study.priority is Priority.ROUTINE:
        was_read = bool(study.after_reading and positive)
        words = say(f"report.priority.{'was_read' if was_read else 'routine'}", priority=priority)
    elif source is None:
        words = priority
    elif source is not PrioritySource.PREDICTION:
        words = say("report.priority.because", priority=priority, source=say.of(source))
    elif positive:
        decides = Line(codes.DECIDING_IMAGE, image_words(positive[0].evidence, study.language))
        return [Line(codes.READING_PRIORITY, say("report.priority.one_image", priority=priority)), decides]
    else:
        words = say("report.priority.earlier_result", priority=priority)
    return [Line(codes.READING_PRIORITY, words)]


def _superseded(study: StudyContent, predecessors: Sequence[Dataset], say: Texts) -> list[Line]:
    if not predecessors:
        return []
    why = study.superseding_reason
    reason = say.of(why) if why is not None else say("report.study.another_image")
    sentences = [
        say("report.supersedes", earlier=earlier_words(predecessors, say)),
        say("report.supersedes_because", reason=reason),
    ]
    return [Line(codes.SUPERSEDES, sentence) for sentence in sentences]
