"""The report that people read: an Enhanced SR with a title of our own.

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD); the tree is auscult's own, named in docs/conformance.md
"""

from collections.abc import Sequence

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
from service.report.sentences import (
    Line,
    conclusion_lines,
    finding_lines,
    operating_point_line,
    reason_words,
    summary_lines,
)
from service.report.stamp import separate, stamp
from service.vocabulary.findings import Outcome, Prediction

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
    """Return the content: what a reader needs first comes first, who observed it last."""
    content = draft.content
    root = ContainerContentItem(codes.TITLES[draft.kind], is_content_continuous=False)
    device_uid = draft.equipment.device_uid(content.prediction)
    root.ContentSequence = ContentSequence(
        [
            CodeContentItem(codes.LANGUAGE, codes.LANGUAGES[content.language], relationship_type=_CONCEPT_MOD),
            _section(codes.SUMMARY, _texts(summary_lines(content, draft.evidence, draft.predecessors))),
            _section(codes.FINDINGS, _findings(draft)),
            _section(codes.CONCLUSIONS, _texts(conclusion_lines(content))),
            CodeContentItem(codes.PROCEDURE_REPORTED, codes.PLAIN_CHEST_X_RAY, relationship_type=_CONCEPT_MOD),
            CodeContentItem(codes.OBSERVER_TYPE, codes.DEVICE, relationship_type=_OBS_CONTEXT),
            UIDRefContentItem(codes.DEVICE_OBSERVER_UID, device_uid, relationship_type=_OBS_CONTEXT),
            TextContentItem(codes.DEVICE_OBSERVER_NAME, draft.equipment.name, relationship_type=_OBS_CONTEXT),
        ]
    )
    return root


def _section(name: CodedConcept, items: list[ContentItem]) -> ContainerContentItem:
    container = ContainerContentItem(name, is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def _texts(lines: Sequence[Line]) -> list[ContentItem]:
    return [TextContentItem(line.name, line.text, relationship_type=_CONTAINS) for line in lines]


def _findings(draft: Draft) -> list[ContentItem]:
    content, source = draft.content, draft.evidence.dataset
    items = _status(content) if content.prediction is None else _assertions(content, content.prediction)
    items += _texts(finding_lines(content, draft.evidence))
    image = ImageContentItem(codes.SOURCE_IMAGE, source.SOPClassUID, source.SOPInstanceUID, relationship_type=_CONTAINS)
    return [*items, image]


def _assertions(content: ReportContent, prediction: Prediction) -> list[ContentItem]:
    """Return the assessment, the finding of a positive, and the probability beside what it was compared with."""
    assessment = codes.ASSESSMENT_VALUE[content.outcome]
    items: list[ContentItem] = [CodeContentItem(codes.ASSESSMENT, assessment, relationship_type=_CONTAINS)]
    if content.outcome is Outcome.POSITIVE:
        finding = codes.PNEUMONIA[prediction.pneumonia_type]
        items.append(CodeContentItem(codes.FINDING, finding, relationship_type=_CONTAINS))
    percent = round(100 * prediction.p_pneumonia, 2)
    name = codes.PROBABILITY_OF_PNEUMONIA
    items.append(NumContentItem(name, percent, codes.PERCENT, relationship_type=_CONTAINS))
    return items + _texts([operating_point_line(prediction, content.language)])


def _status(content: ReportContent) -> list[ContentItem]:
    """Return how far the analysis of an image without a result came (PS3.16 CID 6042), and why it was not begun."""
    status = codes.FAILED if content.attempted else codes.NOT_ATTEMPTED
    items: list[ContentItem] = [CodeContentItem(codes.SUMMARY_OF_ANALYSES, status, relationship_type=_CONTAINS)]
    if not content.attempted:
        items += _texts([Line(codes.OUT_OF_SCOPE, reason_words(content))])
    return items
