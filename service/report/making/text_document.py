"""The tree of both text reports, as highdicom makes it.

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD); the tree is auscult's own, named in docs/conformance.md
"""

from collections.abc import Sequence
from typing import Any

from highdicom.sr import (
    CodeContentItem,
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
from service.report.header import Attributes, Header
from service.report.making.arguments import document_arguments
from service.report.making.concepts import coded
from service.report.making.stamp import separate, stamp
from service.report.text_items import Items
from service.vocabulary.concepts import Concept

_CONTAINS = RelationshipTypeValues.CONTAINS
_CONCEPT_MOD = RelationshipTypeValues.HAS_CONCEPT_MOD
_OBS_CONTEXT = RelationshipTypeValues.HAS_OBS_CONTEXT


def document(header: Header, title: Concept, language: Concept, sections: Sequence[ContainerContentItem]) -> Dataset:
    """Let highdicom make a text report: what a reader needs first comes first, who observed it last."""
    root = ContainerContentItem(coded(title), is_content_continuous=False)
    device_uid = header.equipment.device_uid(header.algorithm)
    root.ContentSequence = ContentSequence(
        [
            CodeContentItem(coded(codes.LANGUAGE), coded(language), relationship_type=_CONCEPT_MOD),
            *sections,
            CodeContentItem(
                coded(codes.PROCEDURE_REPORTED), coded(codes.PLAIN_CHEST_X_RAY), relationship_type=_CONCEPT_MOD
            ),
            CodeContentItem(coded(codes.OBSERVER_TYPE), coded(codes.DEVICE), relationship_type=_OBS_CONTEXT),
            UIDRefContentItem(coded(codes.DEVICE_OBSERVER_UID), device_uid, relationship_type=_OBS_CONTEXT),
            TextContentItem(coded(codes.DEVICE_OBSERVER_NAME), header.equipment.name, relationship_type=_OBS_CONTEXT),
        ]
    )
    made = EnhancedSR(content=root, **document_arguments(header))
    stamp(made, header)
    separate(made)
    return made


def section(name: Concept, items: Sequence[ContentItem]) -> ContainerContentItem:
    """Return a heading with what stands under it."""
    container = ContainerContentItem(coded(name), is_content_continuous=False, relationship_type=_CONTAINS)
    container.ContentSequence = ContentSequence(items)
    return container


def content_items(items: Items) -> list[ContentItem]:
    """Return the items of a section."""
    return [_content_item(name, value) for name, value in items]


def image_reference(source: Attributes) -> ImageContentItem:
    """Return the reference to an image."""
    named = dict(source)
    return ImageContentItem(
        coded(codes.SOURCE_IMAGE), named["SOPClassUID"], named["SOPInstanceUID"], relationship_type=_CONTAINS
    )


def _content_item(concept: Concept, value: Any) -> ContentItem:
    name = coded(concept)
    if isinstance(value, Concept):
        return CodeContentItem(name, coded(value), relationship_type=_CONTAINS)
    if isinstance(value, float):
        return NumContentItem(name, value, coded(codes.PERCENT), relationship_type=_CONTAINS)
    return TextContentItem(name, value, relationship_type=_CONTAINS)
