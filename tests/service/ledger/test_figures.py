"""Figures: every process adds to the same sums, and none is lost while the ledger is away."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from service.ledger import Ledger
from service.ledger.database import connect
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.facts import Reason
from service.vocabulary.figures import BATCH, RECEIVED, SENT, TO_FLAG
from service.vocabulary.states import DeliveryState
from tests.ledgers import prepare
from tests.service.sample_site import SampleSite


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


def test_what_many_processes_count_at_once_adds_up(url: str) -> None:
    ledgers = [Ledger(connect(url)) for _ in range(4)]

    def work(ledger: Ledger) -> None:
        for number in range(10):
            ledger.figures.tally.count(RECEIVED, "new")
            ledger.figures.tally.count(SENT, "pacs")
            ledger.figures.tally.observe(BATCH, number)
            ledger.figures.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, ledgers))
    totals = ledgers[0].figures.totals()
    for ledger in ledgers:
        ledger.engine.dispose()

    assert totals["objects_received", "new"] == totals["reports_sent", "pacs"] == 40
    assert totals["batch_images", "1.0"] == 8  # 0 and 1, from each
    assert totals["batch_images_sum", ""] == 4 * 45


def test_counts_wait_while_the_ledger_is_away(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = site.ledger.figures
    site.receive()
    good = figures._engine
    monkeypatch.setattr(figures, "_engine", connect(f"sqlite:///{site.folder / 'absent' / 'ledger.sqlite'}"))
    with pytest.raises(LedgerUnavailable):
        figures.flush()
    monkeypatch.setattr(figures, "_engine", good)
    with figures.kept():
        figures.tally.count(RECEIVED, "new")
    assert figures.totals() == {("objects_received", "new"): 2}


def test_the_desks_count_what_they_committed(site: SampleSite) -> None:
    site.receive()
    site.infer(0.9)
    site.report("pacs")
    site.deliver("pacs")
    site.receive()
    site.exclude(Reason.LATERAL_VIEW)
    site.receive()
    site.infer(0.1)
    site.report("archive")
    site.deliver("archive", DeliveryState.DEAD)
    site.ledger.figures.flush()
    totals = site.ledger.figures.totals()

    assert totals["objects_received", "new"] == 3
    assert totals["images_analysed", "positive"] == totals["images_analysed", "negative"] == 1
    assert totals["images_out_of_scope", "lateral_view"] == 1
    assert totals["reports_sent", "pacs"] == totals["reports_confirmed", "pacs"] == 2
    assert totals["reports_dead", "archive"] == 2
    assert totals["receipt_to_report_seconds", "1.0"] == 3
    assert totals["receipt_to_confirmed_seconds", "1.0"] == 2


def test_a_wait_is_brought_to_the_ledger_though_nothing_else_was_counted(site: SampleSite) -> None:
    """A flush may come between the two halves of a wait: its histogram and its hour."""
    site.ledger.figures.tally.turn(TO_FLAG, timedelta(seconds=2), "CR_1", site.now)
    site.ledger.figures.tally.take()
    site.ledger.figures.flush()
    assert set(site.ledger.turnarounds.by_source(timedelta(hours=1))) == {"CR_1"}
