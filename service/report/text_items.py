"""What both text reports are made of: their tree, and the items that say what was found of one image.

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD); the tree is auscult's own, named in docs/conformance.md
"""

from collections.abc import Sequence
from typing import Any

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
from service.report.evidence import Evidence
from service.report.header import Attributes, Header, document_arguments
from service.report.sentences import Line, finding_lines, operating_point_line, reason_words
from service.report.stamp import separate, stamp
from service.report.template import Form, Varying
from service.vocabulary.facts import Reason
from service.vocabulary.findings import Outcome, Prediction

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONCEPT_MOD = RelationshipTypeValues.HAS_CONCEPT_MOD
_OBS_CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT

#: Names and values of content items: a text or a number that varies, or a code.
Items = tuple[tuple[CodedConcept, Any], ...]


def document(
    header: Header, title: CodedConcept, language: CodedConcept, sections: Sequence[ContainerContentItem]
) -> Dataset:
    """Let highdicom make a text report: what a reader needs first comes first, who observed it last."""
    root = ContainerContentItem(title, is_content_continuous=False)
    device_uid = header.equipment.device_uid(header.algorithm)
    root.ContentSequence = ContentSequence(
        [
            CodeContentItem(codes.LANGUAGE, language, relationship_type=_CONCEPT_MOD),
            *sections,
            CodeContentItem(codes.PROCEDURE_REPORTED, codes.PLAIN_CHEST_X_RAY, relationship_type=_CONCEPT_MOD),
            CodeContentItem(codes.OBSERVER_TYPE, codes.DEVICE, relationship_type=_OBS_CONTEXT),
            UIDRefContentItem(codes.DEVICE_OBSERVER_UID, device_uid, relationship_type=_OBS_CONTEXT),
            TextContentItem(codes.DEVICE_OBSERVER_NAME, header.equipment.name, relationship_type=_OBS_CONTEXT),
        ]
    )
    made = EnhancedSR(content=root, **document_arguments(header))
    stamp(made, header)
    separate(made)
    return made


def section(name: CodedConcept, items: Sequence[ContentItem]) -> ContainerContentItem:
    """Return a heading with what stands under it."""
    container = ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def content_items(items: Items) -> list[ContentItem]:
    """Return the items of a section."""
    return [_content_item(name, value) for name, value in items]


def image_reference(source: Attributes) -> ImageContentItem:
    """Return the reference to an image."""
    named = dict(source)
    return ImageContentItem(
        codes.SOURCE_IMAGE, named["SOPClassUID"], named["SOPInstanceUID"], relationship_type=_CONTAINS
    )


def texts(lines: Sequence[Line]) -> Items:
    """Return lines as items."""
    return tuple((line.name, Varying(Form.TEXT, line.text)) for line in lines)


def findings(content: ReportContent, evidence: Evidence) -> Items:
    """Return what is asserted of an image, and the lines that explain it."""
    asserted = _status(content) if content.prediction is None else _assertions(content, content.prediction)
    return asserted + texts(finding_lines(content, evidence))


def _content_item(name: CodedConcept, value: Any) -> ContentItem:
    if isinstance(value, CodedConcept):
        return CodeContentItem(name, value, relationship_type=_CONTAINS)
    if isinstance(value, float):
        return NumContentItem(name, value, codes.PERCENT, relationship_type=_CONTAINS)
    return TextContentItem(name, value, relationship_type=_CONTAINS)


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
