"""Refusals: counted by all processes together, bounded whatever strangers send, and kept while the ledger is away."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.ledger import Ledger
from service.ledger.database import connect
from service.ledger.refusals import MOST_CONTEXTS_OF_AN_ADDRESS, MOST_OF_AN_ADDRESS, MOST_ROWS
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.refusals import Refusal, RefusalReason
from tests.ledgers import prepare

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STRANGER = Refusal(RefusalReason.CALLING_AE_TITLE, "192.0.2.7", "ORTHANC", "AUSCULT")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a ledger with its tables, of each kind."""
    url: str = (
        f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    prepare(url)
    return url


class TurnedClock:
    """Turned by hand."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


def test_what_two_processes_refuse_is_one_row_with_the_setting_that_would_admit_it(url: str) -> None:
    clock = TurnedClock()
    first, second = (Ledger(connect(url), clock=clock) for _ in range(2))
    first.refusals.note(STRANGER)
    first.refusals.flush()
    clock.now += timedelta(minutes=1)
    for _ in range(2):
        second.refusals.note(STRANGER)
    second.refusals.note(Refusal(RefusalReason.SOP_CLASS, "192.0.2.8", "PACS", "AUSCULT", "1.2.840.10008.5.1.4.1.1.2"))
    second.refusals.flush()
    by_reason = {row.refusal.reason: row for row in first.refusals.recent()}
    first.figures.flush()
    second.figures.flush()
    totals = first.figures.totals()
    for ledger in (first, second):
        ledger.engine.dispose()

    row = by_reason[RefusalReason.CALLING_AE_TITLE]
    assert (row.refusal, row.count) == (STRANGER, 3)
    assert (row.first_at, row.last_at) == (NOON, NOON + timedelta(minutes=1))
    assert row.refusal.reason.setting == "listener.allowed_ae_titles"
    assert totals["associations_refused", "calling-ae-title"] == 3
    assert totals["presentation_contexts_refused", "sop-class"] == 1


def test_strangers_do_not_fill_the_table_and_push_nobody_of_another_address_out(url: str) -> None:
    clock = TurnedClock()
    ledger = Ledger(connect(url), clock=clock)
    ledger.refusals.note(STRANGER)
    ledger.refusals.flush()
    for round_ in range(5):
        clock.now += timedelta(minutes=1)
        for number in range(300):
            ledger.refusals.note(Refusal(RefusalReason.CALLED_AE_TITLE, "192.0.2.66", f"{round_}-{number}"))
        ledger.refusals.flush()
    rows = ledger.refusals.recent()
    assert sum(row.refusal.address == "192.0.2.66" for row in rows) == MOST_OF_AN_ADDRESS
    assert rows[-1].refusal == STRANGER
    assert all(row.refusal.calling_ae_title.startswith("4-") for row in rows[:-1]), "the newest stay"

    for number in range(2 * MOST_ROWS):
        ledger.refusals.note(Refusal(RefusalReason.ADDRESS, f"198.51.100.{number}"))
    ledger.refusals.flush()
    assert len(ledger.refusals.recent()) == MOST_ROWS
    for number in range(200):
        ledger.refusals.note(Refusal(RefusalReason.SOP_CLASS, "192.0.2.8", "PACS", "AUSCULT", f"1.2.{number}"))
    ledger.refusals.flush()
    assert len(ledger.refusals.recent()) == MOST_ROWS + MOST_CONTEXTS_OF_AN_ADDRESS
    clock.now += timedelta(days=31)
    ledger.refusals.note(STRANGER)
    ledger.refusals.flush()
    assert [row.refusal for row in ledger.refusals.recent()] == [STRANGER]
    assert ledger.refusals.recent(since=clock.now + timedelta(seconds=1)) == []
    ledger.engine.dispose()


def test_counts_wait_while_the_ledger_is_away(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(connect(url))
    with monkeypatch.context() as patch:
        patch.setattr(ledger.refusals, "_engine", connect(f"sqlite:///{tmp_path / 'absent' / 'ledger.sqlite'}"))
        ledger.refusals.note(STRANGER)
        with pytest.raises(LedgerUnavailable):
            ledger.refusals.flush()
    with ledger.refusals.kept():
        ledger.refusals.note(STRANGER)
    assert [row.count for row in ledger.refusals.recent()] == [2]
    ledger.engine.dispose()
