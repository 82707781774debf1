"""The report that people read: an Enhanced SR with a title of our own.

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD); the tree is auscult's own, named in docs/conformance.md
"""

from typing import NamedTuple

from service.report import codes
from service.report.draft import Draft
from service.report.header import Header
from service.report.sentences import conclusion_lines, summary_lines
from service.report.text_items import Items, findings, texts
from service.vocabulary.concepts import Concept


class TextReport(NamedTuple):
    """The recipe of a text report: the items of each section."""

    header: Header
    title: Concept
    language: Concept
    summary: Items
    findings: Items
    conclusions: Items


def recipe(draft: Draft) -> TextReport:
    """Return what the text report of a draft is made of."""
    content = draft.content
    return TextReport(
        header=draft.header(),
        title=codes.TITLES[draft.kind],
        language=codes.LANGUAGES[content.language],
        summary=texts(summary_lines(content, draft.evidence, draft.predecessors)),
        findings=findings(content, draft.evidence),
        conclusions=texts(conclusion_lines(content)),
    )
