"""Checklists of what a report on a network should say: each item with an answer, and what shows it."""

from collections.abc import Sequence

from docs.tables import table
from docs.tables.duties import exists, link

#: The number of an item, what it asks in our words, the answer, and the documents and tests that show it.
Item = tuple[str, str, str, tuple[str, ...]]


def checklist(items: Sequence[Item]) -> str:
    """Return each item with its answer and what shows it."""
    rows = [(number, what, answer, ", ".join(map(link, places))) for number, what, answer, places in items]
    return table(("item", "asks for", "answer", "shown by"), rows)


def missing(items: Sequence[Item]) -> list[str]:
    """Return the documents, sections and tests that are named and are not there."""
    return [place for *_, places in items for place in places if not exists(place)]
