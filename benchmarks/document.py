"""Writes what was measured into a document, between two comments that name it, and reads it there again."""

import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

_DOCUMENTS = Path(__file__).resolve().parents[1] / "docs"


def write(name: str, markdown: str, document: str = "performance.md") -> None:
    """Put Markdown between ``<!-- measured: NAME -->`` and ``<!-- end -->``.

    Raises
    ------
    KeyError
        When the document has no such place.
    """
    path = _DOCUMENTS / document
    text = path.read_text(encoding="utf-8")
    start, end = _place(name, text).span(1)
    path.write_text(f"{text[:start]}\n{markdown.strip()}\n\n{text[end:]}", "utf-8")


def table(name: str, document: str = "performance.md") -> Mapping[str, Mapping[str, str]]:
    """Return the first table that stands there: of each row, by its first cell, the cells by their columns.

    Raises
    ------
    KeyError
        When the document has no such place.
    """
    measured = _place(name, (_DOCUMENTS / document).read_text(encoding="utf-8"))[1].strip()
    columns, _, *rows = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in takewhile(bool, measured.splitlines())
    )
    return {cells[0]: dict(zip(columns, cells, strict=True)) for cells in rows}


def _place(name: str, text: str) -> re.Match[str]:
    found = re.search(rf"<!-- measured: {re.escape(name)} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    if found is None:
        raise KeyError(name)
    return found
