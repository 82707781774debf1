"""Clocks that are set, forward or back: leases and pauses keep their length, nothing is given up, and it is told."""

from datetime import timedelta

import pytest

from service.ledger import DueDelivery
from service.ledger.records import CommitmentRequestRecord, DeliveryRecord, InstanceRecord
from service.process import clock as process_clock
from service.process.clock import ClockStep, ClockWatch
from service.vocabulary.commitment import Reference
from service.vocabulary.states import DeliveryState
from tests.service.ward import LEASE, Ward

AHEAD = timedelta(hours=2)


def _one(ward: Ward) -> DueDelivery:
    ward.receive()
    ward.infer(0.1)
    ward.report("pacs")
    (due,) = ward.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    return due


def _free(ward: Ward) -> int:
    return len(ward.ledger.outbox.claim("other", "pacs", DeliveryState.PENDING, 1, LEASE))


def test_a_pause_that_a_clock_ahead_has_set_is_as_long_as_it_was_meant(ward: Ward) -> None:
    ward.now += AHEAD
    due = _one(ward)
    ward.ledger.outbox.save_retry(due, ward.now + timedelta(seconds=40), 0xA700, "out of resources")
    ward.now -= AHEAD
    assert ward.ledger.timekeeping.rewind() == 1
    ward.now += timedelta(seconds=39)
    assert _free(ward) == 0
    ward.now += timedelta(seconds=2)
    assert _free(ward) == 1
    assert ward.ledger.timekeeping.rewind() == 0


def test_a_lease_that_a_clock_ahead_has_set_ends_after_its_own_length(ward: Ward) -> None:
    ward.now += AHEAD
    _one(ward)
    ward.receive()
    claim = ward.claim()
    ward.ledger.commitment_requests.register("PEER", "1.2.3", [Reference("1.2", "1.3")], ward.now)
    assert ward.ledger.commitment_requests.claim("worker", "PEER", 1, LEASE)
    ward.now -= AHEAD
    assert ward.ledger.timekeeping.rewind() == 3
    ward.now += LEASE + timedelta(seconds=1)
    assert _free(ward) == 1
    assert [each.id for each in ward.ledger.analysis.claim("other", 1, LEASE, 3)] == [claim.id]
    assert ward.ledger.commitment_requests.claim("other", "PEER", 1, LEASE)


def test_what_was_timed_rightly_is_left_alone(ward: Ward) -> None:
    due = _one(ward)
    ward.ledger.outbox.save_retry(due, ward.now + timedelta(minutes=15), 0xA700, "out of resources")
    assert ward.ledger.timekeeping.rewind() == 0
    assert ward.ledger.outbox.next_due("pacs") == ward.now + timedelta(minutes=15)


def test_a_clock_that_was_set_forward_ends_no_lease(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = ClockWatch()
    monkeypatch.setattr(process_clock, "WATCH", watch)
    process_clock.utc_now()
    _one(ward)
    ward.receive()
    ward.claim()
    watch._offset = (watch._offset or 0.0) - AHEAD.total_seconds()  # the next look finds the clock two hours on
    process_clock.utc_now()
    ward.now += AHEAD
    assert _free(ward) == 0
    assert ward.ledger.analysis.claim("other", 1, LEASE, 3) == []
    ward.now += LEASE + timedelta(seconds=1)
    assert _free(ward) == 1


def test_a_clock_that_was_set_forward_makes_nothing_older(ward: Ward) -> None:
    due = _one(ward)
    ward.ledger.outbox.save_retry(due, ward.now + timedelta(seconds=2), 0xA700, "out of resources")
    ward.now += timedelta(days=9)
    ward.ledger.timekeeping.note([ClockStep(ward.now, timedelta(days=9).total_seconds())], "gateway-1")
    (again,) = ward.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    assert ward.now - again.created_at < timedelta(seconds=1)


def test_it_is_told_for_a_day_that_a_clock_was_set(ward: Ward) -> None:
    assert ward.ledger.timekeeping.view().is_steady
    ward.ledger.timekeeping.note([ClockStep(ward.now, -7200.0)], "gateway-1")
    told = str(ward.ledger.timekeeping.view())
    assert "the clock of gateway-1 was set back by 7200 s" in told
    ward.now += timedelta(days=1, seconds=1)
    assert ward.ledger.timekeeping.view().is_steady


def test_a_ledger_that_is_ahead_of_this_clock_is_told(ward: Ward) -> None:
    ward.now += AHEAD
    ward.receive()
    ward.now -= AHEAD
    view = ward.ledger.timekeeping.view()
    assert view.ahead == AHEAD
    assert "in the future" in str(view)


def test_rows_of_an_earlier_version_say_nothing_of_when_they_were_timed(ward: Ward) -> None:
    _one(ward)
    with ward.engine.connect().execution_options(writes=True) as connection, connection.begin():
        for table in (InstanceRecord, DeliveryRecord, CommitmentRequestRecord):
            connection.exec_driver_sql(f"UPDATE {table.__tablename__} SET timed_at = NULL")
    assert ward.ledger.timekeeping.rewind() == 0
    ward.now += LEASE + timedelta(seconds=1)
    assert _free(ward) == 1
