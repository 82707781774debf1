"""Many workers on one PostgreSQL: each piece of work goes to one of them, and none waits for another in a circle."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from service.ledger import Ledger, SentObject, results
from service.ledger.database import connect, writing
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.superseding import supersede_earlier
from service.vocabulary.facts import Supersession
from service.vocabulary.states import DeliveryState, State
from tests.servers import wait_until
from tests.service.sample_site import SampleSite

LEASE = timedelta(minutes=5)
WORKERS = 4


@pytest.fixture
def site(tmp_path: Path, postgres_url: str) -> Iterator[SampleSite]:
    """Give an empty site on PostgreSQL."""
    site = SampleSite(tmp_path / "data", postgres_url)
    yield site
    site.close()


def claimed_by_all(site: SampleSite, claim: Callable[[Ledger, str], list[int]]) -> Counter[int]:
    """Let workers, each with connections of its own, claim at once until nothing is left; count each id."""
    ledgers = [Ledger(connect(site.settings.database_url), clock=lambda: site.now) for _ in range(WORKERS)]
    start = threading.Barrier(WORKERS)

    def work(number: int) -> list[int]:
        start.wait()
        taken: list[int] = []
        while batch := claim(ledgers[number], f"worker {number}"):
            taken += batch
        return taken

    with ThreadPoolExecutor(WORKERS) as pool:
        taken = Counter(id_ for ids in pool.map(work, range(WORKERS)) for id_ in ids)
    for ledger in ledgers:
        ledger.engine.dispose()
    return taken


def test_the_locks_of_an_arrival_cost_three_statements(site: SampleSite) -> None:
    dataset = site.receive(accession_number="A-1")
    asked: list[str] = []
    event.listen(site.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    site.receive(accession_number="A-1", study_instance_uid=str(dataset.StudyInstanceUID))
    locking = [statement for statement in asked if "advisory" in statement or "FOR NO KEY UPDATE" in statement]
    assert len(locking) == 3, "its bytes, its names, the studies that they mean"
    assert asked.index(locking[-1]) <= 3, "nothing is looked up between them, but whether the bytes were removed"


def test_each_image_report_and_delivery_is_claimed_once(site: SampleSite) -> None:
    for _ in range(24):
        site.receive(rows=8, columns=8)
    images = claimed_by_all(site, lambda ledger, owner: [one.id for one in ledger.analysis.claim(owner, 2, LEASE, 3)])
    assert (len(images), set(images.values())) == (24, {1})

    with writing(site.engine) as session:
        for row in session.query(InstanceRecord):
            row.state, row.lease_owner, row.lease_until = State.RECEIVED.value, None, None
    for _ in range(24):
        site.infer(0.1)
    reports = claimed_by_all(site, lambda ledger, owner: [one.id for one in ledger.reporting.claim(owner, 2, LEASE)])
    assert (len(reports), set(reports.values())) == (24, {1})

    site.now += 2 * LEASE
    site.report("pacs")
    site.report("pacs")
    site.report("pacs")
    sent = claimed_by_all(
        site,
        lambda ledger, owner: [one.id for one in ledger.outbox.claim(owner, "pacs", DeliveryState.PENDING, 2, LEASE)],
    )
    assert (len(sent), set(sent.values())) == (24, {1})


def test_a_report_that_is_sent_while_it_is_superseded_waits_for_nobody_in_a_circle(
    site: SampleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = site.receive(rows=8, columns=8)
    site.infer(0.1)
    site.report("pacs")
    (due,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    site.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=str(first.StudyInstanceUID), rows=9)
    waiting = threading.Event()

    def slowly(session: Any, *arguments: Any) -> None:
        session.get(InstanceRecord, 1, with_for_update=True)  # as superseding itself does a moment later
        waiting.set()
        wait_until(lambda: _somebody_waits(site), "the courier waits for a row", 20)
        supersede_earlier(session, *arguments)

    monkeypatch.setattr(results, "supersede_earlier", slowly)
    with ThreadPoolExecutor(2) as pool:
        superseding = pool.submit(site.infer, 0.9, superseding=Supersession.IMAGE_REPLACED)
        assert waiting.wait(20)
        sending = pool.submit(site.ledger.outbox.save_sent, [SentObject(due, 0)])
        superseding.result(30)
        sending.result(30)
    with site.engine.connect() as connection:
        states = connection.execute(text("SELECT state FROM instances ORDER BY id")).scalars().all()
        sent = connection.execute(text("SELECT state FROM deliveries")).scalars().all()
    assert (states, sent) == (["superseded", "inferred"], [DeliveryState.SENT.value])


def _somebody_waits(site: SampleSite) -> bool:
    with site.engine.connect() as connection:
        return bool(connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


@pytest.mark.parametrize(
    "broken",
    [
        lambda row: [StudyRecord(**row, priority_source="x"), StudyRecord(**row, priority_source="x")],
        lambda row: [StudyRecord(**row | {"first_received_at": None}, priority_source="Ames^Anna")],
        lambda row: [StudyRecord(**row, priority_source="Ames^Anna" * 20)],
    ],
    ids=["unique", "not null", "too long"],
)
def test_an_error_of_the_database_quotes_no_row(
    site: SampleSite, broken: Callable[[dict[str, Any]], list[StudyRecord]]
) -> None:
    row = {"study_instance_uid": "1.2.Ames.Anna", "first_received_at": site.now, "reading_rank_at": site.now}
    with pytest.raises(DBAPIError) as raised, writing(site.engine) as session:
        session.add_all(broken(row))
    for error in (raised.value, raised.value.orig):
        assert "Ames" not in str(error)
        assert "Ames" not in repr(error)
    assert "studies" in str(raised.value)
