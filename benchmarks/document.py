"""Writes what a benchmark measured into docs/performance.md, between two comments that name it."""

import re
from pathlib import Path

_DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def write(name: str, markdown: str) -> None:
    """Put Markdown between ``<!-- measured: NAME -->`` and ``<!-- end -->``.

    Raises
    ------
    KeyError
        When the document has no such place.
    """
    text = _DOCUMENT.read_text(encoding="utf-8")
    place = re.compile(rf"(<!-- measured: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    if place.search(text) is None:
        raise KeyError(name)
    _DOCUMENT.write_text(place.sub(lambda found: f"{found[1]}\n{markdown.strip()}\n\n{found[2]}", text), "utf-8")
