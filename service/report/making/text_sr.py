"""The report that people read, as highdicom makes it.

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD)
"""

from pydicom.dataset import Dataset

from service.report import codes
from service.report.making.text_document import content_items, document, image_reference, section
from service.report.text_sr import TextReport


def make(parts: TextReport) -> Dataset:
    """Let highdicom make the text report."""
    sections = [
        section(codes.SUMMARY, content_items(parts.summary)),
        section(codes.FINDINGS, [*content_items(parts.findings), image_reference(parts.header.source)]),
        section(codes.CONCLUSIONS, content_items(parts.conclusions)),
    ]
    return document(parts.header, parts.title, parts.language, sections)
