"""The report that people read: an Enhanced SR with a title of our own.

Source: PS3.3 section A.35.2 (Enhanced SR IOD); the tree is auscult's own, named in docs/conformance.md.
"""

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
from service.report.draft import Draft
from service.report.sentences import conclusion_lines, finding_lines, malformed_line, reason_words
from service.report.stamp import separate, stamp
from service.vocabulary.findings import Outcome

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONCEPT_MOD = RelationshipTypeValues.HAS_CONCEPT_MOD
_OBS_CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT


def build(draft: Draft) -> Dataset:
    """Build the text report."""
    sop_instance_uid = draft.sop_instance_uid()
    document = EnhancedSR(content=_tree(draft), **draft.document_attributes(sop_instance_uid))
    stamp(document, draft.evidence.dataset, draft.content.content_time, draft.equipment.software_version)
    separate(document)
    return document


def _tree(draft: Draft) -> ContainerContentItem:
    content = draft.content
    root = ContainerContentItem(codes.TITLES[draft.kind], is_content_continuous=False)
    device_uid = draft.equipment.device_uid(content.prediction)
    root.ContentSequence = ContentSequence(
        [
            CodeContentItem(codes.LANGUAGE, codes.LANGUAGES[content.language], relationship_type=_CONCEPT_MOD),
            CodeContentItem(codes.OBSERVER_TYPE, codes.DEVICE, relationship_type=_OBS_CONTEXT),
            UIDRefContentItem(codes.DEVICE_OBSERVER_UID, device_uid, relationship_type=_OBS_CONTEXT),
            TextContentItem(codes.DEVICE_OBSERVER_NAME, draft.equipment.name, relationship_type=_OBS_CONTEXT),
            CodeContentItem(codes.PROCEDURE_REPORTED, codes.PLAIN_CHEST_X_RAY, relationship_type=_CONCEPT_MOD),
            _section(codes.FINDINGS, _findings(draft)),
            _section(codes.CONCLUSIONS, _texts(codes.CONCLUSION, conclusion_lines(content))),
        ]
    )
    return root


def _section(name: CodedConcept, items: list[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def _texts(name: CodedConcept, lines: list[str]) -> list[ContentItem]:
    return [TextContentItem(name, line, relationship_type=_CONTAINS) for line in lines]


def _findings(draft: Draft) -> list[ContentItem]:
    content = draft.content
    lines = finding_lines(content, draft.predecessors)
    if draft.evidence.notes:
        lines.append(malformed_line(content, draft.evidence.notes))
    items = _texts(codes.FINDING, lines)
    items += _status(draft) if content.prediction is None else _assertions(draft)
    source = draft.evidence.dataset
    image = ImageContentItem(codes.SOURCE_IMAGE, source.SOPClassUID, source.SOPInstanceUID, relationship_type=_CONTAINS)
    return [*items, image]


def _assertions(draft: Draft) -> list[ContentItem]:
    """Return the assessment, the finding of a positive, and the probability."""
    content, prediction = draft.content, draft.content.prediction
    if prediction is None:
        return []
    assessment = codes.ASSESSMENT_VALUE[content.outcome]
    items: list[ContentItem] = [CodeContentItem(codes.ASSESSMENT, assessment, relationship_type=_CONTAINS)]
    if content.outcome is Outcome.POSITIVE:
        finding = codes.PNEUMONIA[prediction.pneumonia_type]
        items.append(CodeContentItem(codes.FINDING, finding, relationship_type=_CONTAINS))
    percent = round(100 * prediction.p_pneumonia, 2)
    items.append(NumContentItem(codes.PROBABILITY, percent, codes.PERCENT, relationship_type=_CONTAINS))
    return items


def _status(draft: Draft) -> list[ContentItem]:
    """Return how far the analysis of an image without a result came (PS3.16 CID 6042), and why it was not begun."""
    status = codes.FAILED if draft.content.attempted else codes.NOT_ATTEMPTED
    items: list[ContentItem] = [CodeContentItem(codes.SUMMARY_OF_ANALYSES, status, relationship_type=_CONTAINS)]
    if not draft.content.attempted:
        items += _texts(codes.OUT_OF_SCOPE, [reason_words(draft.content)])
    return items
