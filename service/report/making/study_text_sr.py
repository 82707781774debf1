"""The report that people read of a whole study, as highdicom makes it.

References
----------
PS3.3 section A.35.2 (Enhanced SR IOD)
"""

from pydicom.dataset import Dataset

from service.report import codes
from service.report.making.text_document import content_items, document, image_reference, section
from service.report.study_text_sr import StudyTextReport


def make(parts: StudyTextReport) -> Dataset:
    """Let highdicom make the text report."""
    named = (parts.header.source, *parts.header.further)
    images = [
        section(codes.IMAGE_RESULT, [*content_items(image.items), image_reference(named[image.place])])
        for image in parts.images
    ]
    sections = [
        section(codes.SUMMARY, content_items(parts.summary)),
        section(codes.FINDINGS, images),
        section(codes.CONCLUSIONS, content_items(parts.conclusions)),
    ]
    return document(parts.header, parts.title, parts.language, sections)
