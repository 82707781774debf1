"""Clocks that are set, forward or back: leases and pauses keep their length, nothing is given up, and it is told."""

from datetime import timedelta

import pytest

from service.ledger import DueDelivery
from service.ledger.records import CommitmentRequestRecord, DeliveryRecord, InstanceRecord
from service.process import clock as process_clock
from service.process.clock import ClockStep, ClockWatch
from service.vocabulary.commitment import Reference
from service.vocabulary.states import DeliveryState
from tests.service.sample_site import LEASE, SampleSite

AHEAD = timedelta(hours=2)


def _one(site: SampleSite) -> DueDelivery:
    site.receive()
    site.infer(0.1)
    site.report("pacs")
    (due,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    return due


def _free(site: SampleSite) -> int:
    return len(site.ledger.outbox.claim("other", "pacs", DeliveryState.PENDING, 1, LEASE))


def test_a_pause_that_a_clock_ahead_has_set_is_as_long_as_it_was_meant(site: SampleSite) -> None:
    site.now += AHEAD
    due = _one(site)
    site.ledger.outbox.save_retry(due, site.now + timedelta(seconds=40), 0xA700, "out of resources")
    site.now -= AHEAD
    assert site.ledger.timekeeping.rewind() == 1
    site.now += timedelta(seconds=39)
    assert _free(site) == 0
    site.now += timedelta(seconds=2)
    assert _free(site) == 1
    assert site.ledger.timekeeping.rewind() == 0


def test_a_lease_that_a_clock_ahead_has_set_ends_after_its_own_length(site: SampleSite) -> None:
    site.now += AHEAD
    _one(site)
    site.receive()
    claim = site.claim()
    site.ledger.commitment_requests.register("PEER", "1.2.3", [Reference("1.2", "1.3")], site.now)
    assert site.ledger.commitment_requests.claim("worker", "PEER", 1, LEASE)
    site.now -= AHEAD
    assert site.ledger.timekeeping.rewind() == 3
    site.now += LEASE + timedelta(seconds=1)
    assert _free(site) == 1
    assert [each.id for each in site.ledger.analysis.claim("other", 1, LEASE, 3)] == [claim.id]
    assert site.ledger.commitment_requests.claim("other", "PEER", 1, LEASE)


def test_what_was_timed_rightly_is_left_alone(site: SampleSite) -> None:
    due = _one(site)
    site.ledger.outbox.save_retry(due, site.now + timedelta(minutes=15), 0xA700, "out of resources")
    assert site.ledger.timekeeping.rewind() == 0
    assert site.ledger.outbox.next_due("pacs") == site.now + timedelta(minutes=15)


def test_a_clock_that_was_set_forward_ends_no_lease(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = ClockWatch()
    monkeypatch.setattr(process_clock, "WATCH", watch)
    process_clock.utc_now()
    _one(site)
    site.receive()
    site.claim()
    watch._offset = (watch._offset or 0.0) - AHEAD.total_seconds()  # the next look finds the clock two hours on
    process_clock.utc_now()
    site.now += AHEAD
    assert _free(site) == 0
    assert site.ledger.analysis.claim("other", 1, LEASE, 3) == []
    site.now += LEASE + timedelta(seconds=1)
    assert _free(site) == 1


def test_a_clock_that_was_set_forward_makes_nothing_older(site: SampleSite) -> None:
    due = _one(site)
    site.ledger.outbox.save_retry(due, site.now + timedelta(seconds=2), 0xA700, "out of resources")
    site.now += timedelta(days=9)
    site.ledger.timekeeping.note([ClockStep(site.now, timedelta(days=9).total_seconds())], "gateway-1")
    (again,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    assert site.now - again.created_at < timedelta(seconds=1)


def test_it_is_told_for_a_day_that_a_clock_was_set(site: SampleSite) -> None:
    assert site.ledger.timekeeping.view().is_steady
    site.ledger.timekeeping.note([ClockStep(site.now, -7200.0)], "gateway-1")
    told = str(site.ledger.timekeeping.view())
    assert "the clock of gateway-1 was set back by 7200 s" in told
    site.now += timedelta(days=1, seconds=1)
    assert site.ledger.timekeeping.view().is_steady


def test_a_ledger_that_is_ahead_of_this_clock_is_told(site: SampleSite) -> None:
    site.now += AHEAD
    site.receive()
    site.now -= AHEAD
    view = site.ledger.timekeeping.view()
    assert view.ahead == AHEAD
    assert "in the future" in str(view)


def test_rows_of_an_earlier_version_say_nothing_of_when_they_were_timed(site: SampleSite) -> None:
    _one(site)
    with site.engine.connect().execution_options(writes=True) as connection, connection.begin():
        for table in (InstanceRecord, DeliveryRecord, CommitmentRequestRecord):
            connection.exec_driver_sql(f"UPDATE {table.__tablename__} SET timed_at = NULL")
    assert site.ledger.timekeeping.rewind() == 0
    site.now += LEASE + timedelta(seconds=1)
    assert _free(site) == 1
