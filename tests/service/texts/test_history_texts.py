"""What the history says: every detail is written with the values that its text takes, and shown whatever wrote it."""

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.texts import code_of, english
from service.vocabulary.event_details import EventDetail
from service.wording import detail_in_words
from tests.service.sample_site import ENGLISH

ROOT = Path(__file__).parents[3]


def taken(detail: EventDetail) -> set[str]:
    """Return the values that a detail's text takes."""
    return {name for _, name, _, _ in string.Formatter().parse(english.TEXTS[code_of(detail)]) if name}


def written() -> Iterator[tuple[EventDetail, set[str]]]:
    """Yield each detail that a module writes, with the values that it gives."""
    for path in (path for folder in ("service/ledger", "worker") for path in (ROOT / folder).rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            given = {keyword.arg for keyword in call.keywords if keyword.arg}
            if isinstance(call.func, ast.Attribute) and call.func.attr == "of" and _detail(call.func.value):
                yield EventDetail[_detail(call.func.value)], given
            elif isinstance(call.func, ast.Name) and call.func.id == "note":
                for name in filter(None, map(_detail, call.args)):
                    yield EventDetail[name], {*given, "report", "destination"}


def _detail(node: ast.AST) -> str:
    is_detail = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "EventDetail"
    return node.attr if is_detail and isinstance(node, ast.Attribute) else ""


def test_every_detail_is_written_with_the_values_that_its_text_takes() -> None:
    found = list(written())

    assert [(detail, given) for detail, given in found if given != taken(detail)] == []
    # One that is chosen by a condition is called by the name of the choice.
    chosen = {EventDetail.IDENTICAL_BYTES, EventDetail.RESTORED_BYTES}
    assert {detail for detail, _ in found} | chosen == set(EventDetail)


def test_codes_among_the_values_are_said_in_words() -> None:
    facts = EventDetail.BY_VERSION.of(version=2, supersession="identity_corrected").stored()
    reports = EventDetail.REPORTS.of(reports=["text_sr", "secondary_capture"]).stored()

    assert detail_in_words(ENGLISH, facts) == "by version 2: patient or study identity was corrected"
    assert detail_in_words(ENGLISH, reports) == "Text report, Heat map"


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        (None, ""),
        ({"detail": "told_to_the_moon"}, "told to the moon"),
        ({"detail": "sent", "speed": 3}, "sent"),
        ({}, ""),
    ],
)
def test_a_line_of_an_earlier_or_a_later_version_breaks_no_page(facts: dict[str, object] | None, shown: str) -> None:
    assert detail_in_words(ENGLISH, facts) == shown
