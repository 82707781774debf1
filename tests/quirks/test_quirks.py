"""The bounded version of ``make quirks``: what takes no long wait, each collection on an auscult of its own."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from docs.tables.quirks import tolerated
from tests.quirks import Collection, collections
from tests.quirks.trial import trials


@pytest.mark.timeout(300)
@pytest.mark.parametrize("collection", collections(), ids=lambda collection: collection.name)
def test_every_input_of_a_collection_ends_as_is_right(collection: Collection, lack: Callable[[str], NoReturn]) -> None:
    if collection.lacks:
        lack(collection.lacks)
    quick = [quirk for quirk in collection.quirks if not quirk.slow]
    wrong = [outcome for outcome in trials(collection, quick) if not outcome.is_right]
    assert [(outcome.quirk.name, outcome.happened) for outcome in wrong] == []


def test_every_quirk_says_what_is_right_and_who_says_so() -> None:
    quirks = [quirk for collection in collections() for quirk in collection.quirks]
    assert len({quirk.name for quirk in quirks}) == len(quirks)
    for quirk in quirks:
        assert all((quirk.name, quirk.kind, quirk.source, quirk.right)), quirk.name
        assert not quirk.right.endswith("."), quirk.name


def test_the_conformance_statement_counts_every_input_that_it_is_to_tell_of() -> None:
    told = [quirk for collection in collections() if collection.tolerated for quirk in collection.quirks]
    rows = [[cell.strip() for cell in line.split(" | ")] for line in tolerated().splitlines()[2:]]
    assert sum(int(row[1]) for row in rows) == len(told)
    assert {(row[0].removeprefix("| "), row[4].removesuffix(" |")) for row in rows} == {
        (quirk.kind, quirk.right) for quirk in told
    }
