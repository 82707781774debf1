"""What a look costs must not grow with what the ledger remembers: no look at open work reads through history."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from benchmarks.history import fill
from service.ledger import Subscription
from service.ledger.database import reading, writing
from service.ledger.reading_list import Wanted
from service.ledger.unread import oldest_unread
from service.operations.sweep import Sweep
from service.vocabulary.facts import CloseSource, MessageEvent, Shelf, Standing
from service.vocabulary.states import DeliveryState, Priority
from tests.fakes import CountingWaker
from tests.service.ledger.plans import believe_in_a_million, sqlite_steps, statements, through_history
from tests.service.sample_site import LEASE, SampleSite

_AGES = timedelta(days=10_000)


# PostgreSQL makes its statistics by itself, and bringing the tables up makes them where there are none.
@pytest.mark.parametrize(("kind", "statistics"), [("sqlite", False), ("sqlite", True), ("postgresql", True)])
def test_no_look_at_open_work_reads_through_history(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, statistics: bool
) -> None:
    url: str | None = None if kind == "sqlite" else request.getfixturevalue("postgres_url")
    site = SampleSite(tmp_path / "data", url, subscriptions=(Subscription("ris", frozenset(MessageEvent)),))
    fill(site.engine, 500, unread=5)
    site.ledger.counts.recount()
    believe_in_a_million(site.engine, statistics)
    site.receive()
    with statements(site.engine) as read:
        site.infer(0.9)
        site.report("pacs")
        site.receive()
        site.ledger.outbox.any_due()
        site.ledger.outbox.next_due("pacs")
        site.deliver("pacs", DeliveryState.SENT)
        site.ledger.outbox.any_due("pacs")
        site.ledger.messages.next_due("ris")
        site.ledger.messages.claim("messenger", "ris", 10, LEASE)
        site.ledger.analysis.any_due()
        site.ledger.reporting.any_due()
        site.ledger.reporting.claim("builder", 1, LEASE)
        site.ledger.inspection.status()
        site.ledger.reading_list.count()
        site.ledger.reading_list.page(50)
        site.ledger.reading_list.page(50, wanted=Wanted(Shelf.READ))
        site.ledger.reading_list.page(50, wanted=Wanted(Shelf.LATE))
        page = site.ledger.reading_list.page(50, wanted=Wanted(source="CR_ROOM_1", text="nguyen"))
        site.ledger.reading_list.overtaking(page.studies)
        site.ledger.reading_list.arrived([site.now])
        site.ledger.reading_list.sources()
        site.ledger.reading_list.page(50, wanted=Wanted(standing=Standing.POSITIVE))
        Sweep(site.settings.sweep, site.ledger, site.store, CountingWaker(), _AGES, _AGES, ("ris",), _AGES).once()
        site.ledger.turnarounds.by_source(timedelta(days=1))
        site.ledger.turnarounds.by_hour(timedelta(days=1), "PACS")
        site.ledger.drift.groups()
        site.ledger.work_items.ended()
        site.ledger.work_items.of_studies(site.ledger.work_items.offered())
        site.ledger.reading_list.newest_event()
        newest = site.receive()
        site.ledger.readings.close(str(newest.StudyInstanceUID), CloseSource.COMMAND)
        site.infer(0.9)
        site.ledger.readings.reopen(str(newest.StudyInstanceUID))
    assert len(read) > 20
    assert through_history(site.engine, read) == set()
    site.close()


@pytest.mark.parametrize("statistics", [False, True])
def test_the_oldest_unread_study_is_one_step_into_an_index(tmp_path: Path, statistics: bool) -> None:
    site = SampleSite(tmp_path / "data")
    fill(site.engine, 600, unread=300)
    site.ledger.counts.recount()
    with writing(site.engine) as session:
        session.execute(text("UPDATE studies SET priority = id % 3"))
        if statistics:
            session.execute(text("ANALYZE"))
    with statements(site.engine) as read, reading(site.engine) as session:
        assert set(oldest_unread(session)) == {Priority.URGENT, Priority.STAT}
    with reading(site.engine) as session:
        for statement, parameters in read:
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [str(row[3]) for row in plan]
            assert steps[0] == "SEARCH studies USING INDEX ix_studies_priority_open (priority=?)"
            assert not [step for step in steps if "SCAN" in step or "B-TREE" in step]
    site.close()


def test_the_groups_that_drift_is_watched_in_cost_the_same_after_ten_times_as_many_images(tmp_path: Path) -> None:
    costs = []
    for images in (300, 3000):
        site = SampleSite(tmp_path / str(images))
        fill(site.engine, images)
        site.ledger.counts.recount()
        assert site.ledger.drift.in_use()
        costs.append(sqlite_steps(site.engine, site.ledger.drift.groups) / len(site.ledger.drift.groups()))
        site.close()
    assert 0 < costs[1] <= costs[0] + 1
