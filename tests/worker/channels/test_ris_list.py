"""The list of a RIS moves by what it is told: a stand-in that orders its own list by TQ1-9, as a RIS does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from service.vocabulary.facts import MessageEvent
from tests.worker.channels.conftest import Telling
from tests.worker.channels.test_hl7 import Ris, hl7

#: HL7 v2 table 0485: S is read before A, and A before R.
_URGENCY = "SAR"


class Listing(Ris):
    """A RIS with a reading list of its own: its orders by priority, those of one priority as they were placed."""

    def __init__(self, *orders: str) -> None:
        super().__init__()
        self._placed = dict.fromkeys(orders, "R")

    @property
    def list(self) -> list[str]:
        """Return the accession numbers in the order of reading."""
        priorities = dict(self._placed)
        for number in range(len(self.taken)):
            accession, priority = self.fields("OBR", number)[18], self.fields("TQ1", number)[9]
            assert accession in priorities, "a result of an order that nobody placed"
            priorities[accession] = priority.partition("^")[0]
        return sorted(priorities, key=lambda accession: _URGENCY.index(priorities[accession]))


@pytest.fixture
def ris() -> Iterator[Listing]:
    made = Listing("ACC-1", "ACC-2", "ACC-3")
    yield made
    made.close()


def test_a_positive_moves_to_the_front_of_the_list_of_a_ris(telling: Any, ris: Listing) -> None:
    events = [MessageEvent.RESULT, MessageEvent.PRIORITY_RAISED]
    told: Telling = telling(hl7(ris.port, events=events, priority_message="OMI"))
    assert ris.list == ["ACC-1", "ACC-2", "ACC-3"]
    for number, probability in enumerate((0.05, 0.1, 0.97), start=1):
        told.site.receive(patient_id=f"P-{number}", accession_number=f"ACC-{number}", rows=16, columns=16)
        told.site.infer(probability)
    told.tell()
    assert ris.list == ["ACC-3", "ACC-1", "ACC-2"]
