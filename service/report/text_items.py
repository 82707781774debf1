"""What both text reports are made of: the items that say what was found of one image."""

from collections.abc import Sequence
from typing import Any

from service.report import codes
from service.report.content import ReportContent
from service.report.evidence import Evidence
from service.report.sentences import Line, finding_lines, operating_point_line, reason_words
from service.report.template import Form, Varying
from service.vocabulary.concepts import Concept
from service.vocabulary.facts import Reason
from service.vocabulary.findings import Outcome, Prediction

#: Names and values of content items: a text or a number that varies, or a code.
Items = tuple[tuple[Concept, Any], ...]


def texts(lines: Sequence[Line]) -> Items:
    """Return lines as items."""
    return tuple((line.name, Varying(Form.TEXT, line.text)) for line in lines)


def findings(content: ReportContent, evidence: Evidence) -> Items:
    """Return what is asserted of an image, and the lines that explain it."""
    asserted = _status(content) if content.prediction is None else _assertions(content, content.prediction)
    return asserted + texts(finding_lines(content, evidence))


def _assertions(content: ReportContent, prediction: Prediction) -> Items:
    """Return the assessment, the finding of a positive, and the probability beside what it was compared with."""
    items: Items = ((codes.ASSESSMENT, codes.ASSESSMENT_VALUE[content.outcome]),)
    if content.outcome is Outcome.POSITIVE:
        items += ((codes.FINDING, codes.PNEUMONIA[prediction.pneumonia_type]),)
    percent = Varying(Form.NUMBER, round(100 * prediction.p_pneumonia, 2))
    items += ((codes.PROBABILITY_OF_PNEUMONIA, percent),)
    return items + texts([operating_point_line(prediction, content.language)])


def _status(content: ReportContent) -> Items:
    """Return how far the analysis of an image without a result came (PS3.16 CID 6042), and why it was not begun."""
    if content.reason is Reason.PERSON_DISAGREED:  # it was analysed; what came of it is not said any more
        return texts([Line(codes.NOTE, reason_words(content))])
    items: Items = ((codes.SUMMARY_OF_ANALYSES, codes.FAILED if content.attempted else codes.NOT_ATTEMPTED),)
    if not content.attempted:
        items += texts([Line(codes.OUT_OF_SCOPE, reason_words(content))])
    return items
