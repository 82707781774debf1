"""The report that people read: an Enhanced SR with a title of our own.

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD); the tree is auscult's own, named in docs/conformance.md
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from highdicom.sr import (
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentItem,
    ContentSequence,
    EnhancedSR,
    ImageContentItem,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
    UIDRefContentItem,
)
from pydicom.dataset import Dataset

from service.report import codes
from service.report.content import ReportContent
from service.report.draft import Draft
from service.report.header import Header, document_arguments
from service.report.sentences import (
    Line,
    conclusion_lines,
    finding_lines,
    operating_point_line,
    reason_words,
    summary_lines,
)
from service.report.stamp import separate, stamp
from service.report.template import Form, Varying
from service.vocabulary.facts import Reason
from service.vocabulary.findings import Outcome, Prediction

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONCEPT_MOD = RelationshipTypeValues.HAS_CONCEPT_MOD
_OBS_CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT


#: Names and values of content items: a text or a number that varies, or a code.
_Items = tuple[tuple[CodedConcept, Any], ...]


class TextReport(NamedTuple):
    """The recipe of a text report: the items of each section."""

    header: Header
    title: CodedConcept
    language: CodedConcept
    summary: _Items
    findings: _Items
    conclusions: _Items


def recipe(draft: Draft) -> TextReport:
    """Return what the text report of a draft is made of."""
    content = draft.content
    return TextReport(
        header=draft.header(),
        title=codes.TITLES[draft.kind],
        language=codes.LANGUAGES[content.language],
        summary=_texts(summary_lines(content, draft.evidence, draft.predecessors)),
        findings=_findings(draft),
        conclusions=_texts(conclusion_lines(content)),
    )


def make(parts: TextReport) -> Dataset:
    """Let highdicom make the text report."""
    document = EnhancedSR(content=_tree(parts), **document_arguments(parts.header))
    stamp(document, parts.header)
    separate(document)
    return document


def _tree(parts: TextReport) -> ContainerContentItem:
    """Return the content: what a reader needs first comes first, who observed it last."""
    root = ContainerContentItem(parts.title, is_content_continuous=False)
    equipment, source = parts.header.equipment, dict(parts.header.source)
    device_uid = equipment.device_uid(parts.header.algorithm)
    image = ImageContentItem(
        codes.SOURCE_IMAGE, source["SOPClassUID"], source["SOPInstanceUID"], relationship_type=_CONTAINS
    )
    root.ContentSequence = ContentSequence(
        [
            CodeContentItem(codes.LANGUAGE, parts.language, relationship_type=_CONCEPT_MOD),
            _section(codes.SUMMARY, _content_items(parts.summary)),
            _section(codes.FINDINGS, [*_content_items(parts.findings), image]),
            _section(codes.CONCLUSIONS, _content_items(parts.conclusions)),
            CodeContentItem(codes.PROCEDURE_REPORTED, codes.PLAIN_CHEST_X_RAY, relationship_type=_CONCEPT_MOD),
            CodeContentItem(codes.OBSERVER_TYPE, codes.DEVICE, relationship_type=_OBS_CONTEXT),
            UIDRefContentItem(codes.DEVICE_OBSERVER_UID, device_uid, relationship_type=_OBS_CONTEXT),
            TextContentItem(codes.DEVICE_OBSERVER_NAME, equipment.name, relationship_type=_OBS_CONTEXT),
        ]
    )
    return root


def _section(name: CodedConcept, items: list[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def _content_items(items: _Items) -> list[ContentItem]:
    return [_content_item(name, value) for name, value in items]


def _content_item(name: CodedConcept, value: Any) -> ContentItem:
    if isinstance(value, CodedConcept):
        return CodeContentItem(name, value, relationship_type=_CONTAINS)
    if isinstance(value, float):
        return NumContentItem(name, value, codes.PERCENT, relationship_type=_CONTAINS)
    return TextContentItem(name, value, relationship_type=_CONTAINS)


def _texts(lines: Sequence[Line]) -> _Items:
    return tuple((line.name, Varying(Form.TEXT, line.text)) for line in lines)


def _findings(draft: Draft) -> _Items:
    content = draft.content
    asserted = _status(content) if content.prediction is None else _assertions(content, content.prediction)
    return asserted + _texts(finding_lines(content, draft.evidence))


def _assertions(content: ReportContent, prediction: Prediction) -> _Items:
    """Return the assessment, the finding of a positive, and the probability beside what it was compared with."""
    items: _Items = ((codes.ASSESSMENT, codes.ASSESSMENT_VALUE[content.outcome]),)
    if content.outcome is Outcome.POSITIVE:
        items += ((codes.FINDING, codes.PNEUMONIA[prediction.pneumonia_type]),)
    percent = Varying(Form.NUMBER, round(100 * prediction.p_pneumonia, 2))
    items += ((codes.PROBABILITY_OF_PNEUMONIA, percent),)
    return items + _texts([operating_point_line(prediction, content.language)])


def _status(content: ReportContent) -> _Items:
    """Return how far the analysis of an image without a result came (PS3.16 CID 6042), and why it was not begun."""
    if content.reason is Reason.PERSON_DISAGREED:  # it was analysed; what came of it is not said any more
        return _texts([Line(codes.NOTE, reason_words(content))])
    items: _Items = ((codes.SUMMARY_OF_ANALYSES, codes.FAILED if content.attempted else codes.NOT_ATTEMPTED),)
    if not content.attempted:
        items += _texts([Line(codes.OUT_OF_SCOPE, reason_words(content))])
    return items
