"""Writes what was measured into a document, between two comments that name it."""

import re
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
    place = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if place.search(text) is None:
        raise KeyError(name)
    path.write_text(place.sub(lambda found: f"{found[1]}\n{markdown.strip()}\n\n{found[2]}", text), "utf-8")
