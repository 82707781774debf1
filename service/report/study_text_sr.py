"""The report that people read of a whole study: one document with a section for each image.

Each version names those whose place it takes as its predecessors, in the same series (PS3.3 section C.17.2).

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD); the tree is auscult's own, named in docs/conformance.md
"""

from collections.abc import Iterator
from typing import NamedTuple

from service.report import codes
from service.report.draft import Draft
from service.report.header import Header
from service.report.study_content import StudyContent
from service.report.study_sentences import image_lines, study_conclusions, study_summary
from service.report.text_items import Items, findings, texts
from service.vocabulary.concepts import Concept


class ImagePart(NamedTuple):
    """The recipe of what is said of one image, which is named once: its place among source and further images."""

    place: int
    items: Items


class StudyTextReport(NamedTuple):
    """The recipe of a study's text report: the items of each section."""

    header: Header
    title: Concept
    language: Concept
    summary: Items
    images: tuple[ImagePart, ...]
    conclusions: Items


def recipe(draft: Draft) -> StudyTextReport:
    """Return what the text report of a draft's study is made of."""
    study = draft.study
    if study is None:
        raise ValueError("the report of a study needs the study's images; build the text report of the image")
    return StudyTextReport(
        header=draft.header(),
        title=codes.TITLES[draft.kind],
        language=codes.LANGUAGES[study.language],
        summary=texts(study_summary(study, draft.images, draft.predecessors)),
        images=tuple(_parts(draft, study)),
        conclusions=texts(study_conclusions(draft.images)),
    )


def _parts(draft: Draft, study: StudyContent) -> Iterator[ImagePart]:
    further = 0
    for image in draft.images:
        items = texts(image_lines(image, study))
        if image.content is not None:
            items += findings(image.content, image.evidence)
        is_source = image.evidence.dataset.SOPInstanceUID == draft.evidence.dataset.SOPInstanceUID
        further += not is_source
        yield ImagePart(0 if is_source else further, items)
