"""The reading of a study as a work item: claimed by one, completed by the same, offered again when it is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ledger import WorkItemView
from service.process import clock as process_clock
from service.process.clock import ClockStep, ClockWatch
from service.vocabulary.facts import CloseSource
from service.vocabulary.work_items import WorkItemState, WorkItemStatus, answer_to_change
from tests.service.sample_site import SampleSite

KEY, OTHER_KEY = "1.2.3.1", "1.2.3.2"
SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = WorkItemState
OK = WorkItemStatus.SUCCESS


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSite]:
    made = SampleSite(tmp_path)
    yield made
    made.close()


def items(site: SampleSite) -> list[WorkItemView]:
    return site.ledger.work_items.of_studies(site.ledger.work_items.offered())


def change(site: SampleSite, item: WorkItemView, state: WorkItemState, key: str = KEY, by: str = "WS1") -> int:
    return site.ledger.work_items.change(item.sop_instance_uid, state, key, by).status


def events(site: SampleSite, item: WorkItemView) -> list[str]:
    history = site.ledger.inspection.history(item.study.study_instance_uid)
    assert history is not None
    return [event.event for event in history.events]


def test_a_study_is_one_work_item_at_every_look_and_in_the_order_of_reading(site: SampleSite) -> None:
    for minute in range(3):
        site.now += timedelta(minutes=minute)
        site.receive()
    first = items(site)
    assert [item.sop_instance_uid for item in items(site)] == [item.sop_instance_uid for item in first]
    assert [item.study.id for item in first] == [view.id for view in site.ledger.reading_list.page(10).studies]
    assert {item.state for item in first} == {SCHEDULED}


def test_whoever_claims_first_has_it_and_completing_takes_the_study_off_the_list(site: SampleSite) -> None:
    site.receive()
    (item,) = items(site)
    assert change(site, item, COMPLETED) == WorkItemStatus.NOT_IN_PROGRESS
    assert change(site, item, IN_PROGRESS) == OK
    assert change(site, item, IN_PROGRESS, OTHER_KEY, "WS2") == WorkItemStatus.WRONG_TRANSACTION_UID
    assert change(site, item, IN_PROGRESS) == WorkItemStatus.ALREADY_IN_PROGRESS
    assert change(site, item, COMPLETED, OTHER_KEY, "WS2") == WorkItemStatus.WRONG_TRANSACTION_UID
    (seen,) = items(site)
    assert (seen.state, seen.performer, seen.claimed_at) == (IN_PROGRESS, "WS1", site.now)
    assert change(site, item, COMPLETED) == OK
    assert change(site, item, COMPLETED) == WorkItemStatus.ALREADY_COMPLETED
    assert items(site) == []
    reading = site.ledger.inspection.history(item.study.study_instance_uid).study.reading  # type: ignore[union-attr]
    assert reading is not None
    assert (reading.source, reading.by, reading.came_after_at) == (CloseSource.UPS, "WS1", None)
    assert events(site, item)[-2:] == ["reading claimed", "study read"]
    assert [ended.sop_instance_uid for ended in site.ledger.work_items.ended()] == [item.sop_instance_uid]


def test_an_image_that_came_after_the_claim_may_not_have_been_seen(site: SampleSite) -> None:
    image = site.receive()
    (item,) = items(site)
    change(site, item, IN_PROGRESS)
    site.now += timedelta(minutes=1)
    site.receive(study_instance_uid=str(image.StudyInstanceUID))
    site.now += timedelta(minutes=1)
    assert change(site, item, COMPLETED) == OK
    assert site.ledger.inspection.status().came_after == 1


def test_a_reading_that_is_left_is_offered_again_under_another_uid(site: SampleSite) -> None:
    site.receive()
    (item,) = items(site)
    change(site, item, IN_PROGRESS)
    assert change(site, item, CANCELED) == OK
    assert change(site, item, CANCELED) == WorkItemStatus.ALREADY_CANCELED
    (again,) = items(site)
    assert again.sop_instance_uid != item.sop_instance_uid
    assert (again.state, again.study.id) == (SCHEDULED, item.study.id)
    assert events(site, item)[-1] == "reading left"


def test_a_claim_of_whose_workstation_nothing_is_heard_ends_and_a_word_renews_it(site: SampleSite) -> None:
    site.receive()
    (item,) = items(site)
    change(site, item, IN_PROGRESS)
    site.now += timedelta(hours=3)
    said = {"00741002": {"vr": "SQ"}}
    assert site.ledger.work_items.set_performed(item.sop_instance_uid, KEY, said) == OK
    site.now += timedelta(hours=3)
    assert site.ledger.work_items.end_abandoned() == 0
    site.now += timedelta(hours=2)
    assert site.ledger.work_items.end_abandoned() == 1
    assert change(site, item, COMPLETED) == WorkItemStatus.MAY_NO_LONGER_BE_UPDATED
    (again,) = items(site)
    assert again.state is SCHEDULED


def test_a_claim_outlasts_a_clock_that_was_set_forward(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = ClockWatch()
    monkeypatch.setattr(process_clock, "WATCH", watch)
    process_clock.utc_now()
    site.receive()
    (item,) = items(site)
    change(site, item, IN_PROGRESS)
    leap = timedelta(days=2)
    watch._offset = (watch._offset or 0.0) - leap.total_seconds()  # the next look finds the clock two days on
    process_clock.utc_now()
    site.now += leap
    # What finds it out first may be the listener, which sweeps nothing.
    assert site.ledger.work_items.end_abandoned() == 0
    assert items(site)[0].sop_instance_uid == item.sop_instance_uid
    site.ledger.timekeeping.note(watch.take(), "gateway-1")
    monkeypatch.setattr(process_clock, "WATCH", ClockWatch())  # the grace is over
    site.now += timedelta(hours=3)
    assert site.ledger.work_items.end_abandoned() == 0
    assert site.ledger.timekeeping.rewind() == 0
    site.now += timedelta(hours=2)
    assert site.ledger.work_items.end_abandoned() == 1


def test_a_claim_by_a_clock_ahead_ends_after_its_own_length(site: SampleSite) -> None:
    ahead = timedelta(days=2)
    site.now += ahead
    site.receive()
    (item,) = items(site)
    change(site, item, IN_PROGRESS)
    site.now -= ahead
    assert site.ledger.timekeeping.rewind() == 1
    assert site.ledger.timekeeping.rewind() == 0
    site.now += timedelta(hours=4, seconds=-1)
    assert site.ledger.work_items.end_abandoned() == 0
    site.now += timedelta(seconds=2)
    assert site.ledger.work_items.end_abandoned() == 1


def test_no_clock_lengthens_a_claim_beyond_that_of_one_that_begins_now(site: SampleSite) -> None:
    site.receive()
    (item,) = items(site)
    change(site, item, IN_PROGRESS)
    # Of another machine, whose clock was behind the one by which it was claimed.
    site.ledger.timekeeping.note([ClockStep(site.now, 86400.0)], "gateway-2")
    site.now += timedelta(hours=4, seconds=1)
    assert site.ledger.work_items.end_abandoned() == 1


def test_a_study_that_is_read_elsewhere_is_no_work_any_more_and_one_opened_again_is(site: SampleSite) -> None:
    site.receive()
    (item,) = items(site)
    uid = item.study.study_instance_uid
    site.ledger.readings.close(uid, CloseSource.PAGE, "Dr. A")
    found = site.ledger.work_items.find(item.sop_instance_uid)
    assert found is not None
    assert found.state is CANCELED
    assert items(site) == []
    site.ledger.readings.reopen(uid)
    (again,) = items(site)
    assert again.sop_instance_uid != item.sop_instance_uid


def test_who_has_claimed_a_study_may_complete_it_after_it_was_read_elsewhere(site: SampleSite) -> None:
    site.receive()
    (item,) = items(site)
    change(site, item, IN_PROGRESS)
    site.ledger.readings.close(item.study.study_instance_uid, CloseSource.PAGE, "Dr. A")
    assert change(site, item, COMPLETED) == OK
    reading = site.ledger.inspection.history(item.study.study_instance_uid).study.reading  # type: ignore[union-attr]
    assert reading is not None
    assert reading.source is CloseSource.PAGE


def test_what_is_set_or_canceled_by_others_gets_the_status_of_its_state(site: SampleSite) -> None:
    site.receive()
    (item,) = items(site)
    work, uid = site.ledger.work_items, item.sop_instance_uid
    assert work.set_performed("1.2.3", KEY, {}) == WorkItemStatus.NO_SUCH_WORK_ITEM
    assert work.set_performed(uid, KEY, {}) == WorkItemStatus.NOT_IN_PROGRESS
    assert work.request_cancel("1.2.3", {}) == WorkItemStatus.NO_SUCH_WORK_ITEM
    assert work.request_cancel(uid, {}) == WorkItemStatus.NOT_CANCELED
    change(site, item, IN_PROGRESS)
    assert work.set_performed(uid, OTHER_KEY, {}) == WorkItemStatus.WRONG_TRANSACTION_UID
    assert work.request_cancel(uid, {}) == WorkItemStatus.PERFORMER_CANNOT_BE_CONTACTED
    change(site, item, COMPLETED)
    assert work.set_performed(uid, KEY, {}) == WorkItemStatus.MAY_NO_LONGER_BE_UPDATED
    assert work.request_cancel(uid, {}) == WorkItemStatus.COMPLETED_CANNOT_BE_CANCELED
    assert change(site, item, SCHEDULED) == WorkItemStatus.ONLY_SCHEDULED_BY_CREATION


@given(now=st.sampled_from(WorkItemState), wanted=st.sampled_from(WorkItemState), is_performer=st.booleans())
def test_a_state_changes_for_its_performer_alone_and_never_back(
    now: WorkItemState, wanted: WorkItemState, is_performer: bool
) -> None:
    changes = answer_to_change(now, wanted, is_performer=is_performer) is OK
    if now is SCHEDULED:
        assert changes == (wanted is IN_PROGRESS)
    else:
        assert changes == (is_performer and now is IN_PROGRESS and wanted.is_final)
