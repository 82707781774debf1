"""The heat map as a Secondary Capture image in the source study.

References
----------
PS3.3 section A.8.1 (Secondary Capture Image IOD)
"""

import hashlib
from typing import Any, NamedTuple

from service.report.draft import Draft
from service.report.header import Header
from service.report.overlay import picture
from service.report.sentences import disclaimer, image_words, result_sentence, superseding_sentences
from service.report.template import Form, Varying


class SecondaryCapture(NamedTuple):
    """The recipe of a Secondary Capture; `pixels` are RGB, 8 bits, row by row."""

    header: Header
    rows: Any
    columns: Any
    pixels: Any
    derivation: Any


def recipe(draft: Draft) -> SecondaryCapture:
    """Return what the Secondary Capture of a draft is made of."""
    if draft.display is None:
        raise ValueError("a Secondary Capture needs the display values of its image")
    image_name = image_words(draft.evidence, draft.content.language)
    drawn = picture(draft.display, draft.content, draft.localisation, image_name, draft.equipment.software_version)
    pixels = drawn.tobytes()
    return SecondaryCapture(
        header=draft.header(hashlib.sha256(pixels).hexdigest()),
        rows=Varying(Form.ROWS, drawn.shape[0]),
        columns=Varying(Form.COLUMNS, drawn.shape[1]),
        pixels=Varying(Form.PIXELS, pixels),
        derivation=Varying(Form.TEXT, _derivation(draft, image_name)),
    )


def _derivation(draft: Draft, image_name: str) -> str:
    content = draft.content
    sentences = [result_sentence(content), image_name, disclaimer(content)]
    if content.superseding_reason is not None:
        sentences = superseding_sentences(content, draft.predecessors) + sentences
    return ". ".join(sentence.rstrip(".") for sentence in sentences) + "."
