"""The overload, bounded; `make overload` runs it for minutes."""

from pathlib import Path

import pytest

from service.ledger.records import EventRecord
from tests.campaigns import overload
from tests.invariants import Invariant


@pytest.mark.proves(Invariant.NO_PEER_HOLDS_UP_OTHERS)
@pytest.mark.slow
@pytest.mark.timeout(500)
def test_four_times_the_sustainable_rate_hangs_nothing_and_drains_the_urgent_first(tmp_path: Path) -> None:
    outcome = overload.run(15.0, tmp_path)
    print(outcome.text())  # noqa: T201 - what `pytest -rP` shows
    assert outcome.wrong == []
    assert outcome.backlog > 0, "it was no overload"


def test_a_stat_image_that_was_overtaken_is_found() -> None:
    def history(*events: tuple[int, str]) -> list[EventRecord]:
        return [EventRecord(instance_id=image, event=event) for image, event in events]

    others = [(number, "claimed") for number in range(10, 15)]
    late, early = [(1, "received"), *others, (1, "claimed")], [*others, (1, "received"), (1, "claimed"), *others]
    assert overload.overtaken(history(*early), {1}, "received", "claimed") == []
    assert len(overload.overtaken(history(*late), {1}, "received", "claimed")) == 1
