"""What is told to whom: each event once, in the order of a study, and nothing that no longer holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.event import listens_for

from service.ledger import DueMessage, Subscription
from service.ledger.database import reading, writing
from service.ledger.message_records import MessageRecord
from service.ledger.records import StudyRecord
from service.ledger.rows import hold, let_go
from service.vocabulary.errors import LeaseLost
from service.vocabulary.facts import CloseSource, Hold, MessageEvent, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.states import DeliveryState, Priority
from service.wording import detail_in_words
from tests.invariants import Invariant
from tests.service.sample_site import ENGLISH, LEASE, SampleSite

ALL = Subscription("ris", frozenset(MessageEvent))


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Callable[..., SampleSite]]:
    """Give ``sites(*subscriptions, url=None)``."""
    opened: list[SampleSite] = []

    def make(*subscriptions: Subscription, url: str | None = None) -> SampleSite:
        opened.append(SampleSite(tmp_path, url, subscriptions=subscriptions))
        return opened[-1]

    yield make
    for site in opened:
        site.close()


def rows(site: SampleSite) -> list[MessageRecord]:
    with reading(site.engine) as session:
        return list(session.scalars(select(MessageRecord).order_by(MessageRecord.id)))


def events(site: SampleSite) -> list[tuple[str, str]]:
    return [(row.event, row.state) for row in rows(site)]


def claim(site: SampleSite, owner: str = "messenger", destination: str = "ris") -> list[DueMessage]:
    return site.ledger.messages.claim(owner, destination, 10, LEASE)


def take_all(site: SampleSite) -> list[MessageEvent]:
    """Tell everything that is due, and return what it was, in its order."""
    told = []
    while due := claim(site):
        for message in due:
            site.ledger.messages.save_taken(message, "taken")
            told.append(message.event)
    return told


def again(site: SampleSite, first: Any, **changes: Any) -> None:
    """Receive another version of an image."""
    site.receive(study_instance_uid=str(first.StudyInstanceUID), sop_instance_uid=str(first.SOPInstanceUID), **changes)


def test_a_result_and_the_priority_that_it_raises_are_told_in_this_order(sites: Any) -> None:
    site = sites(ALL)
    image = site.receive()
    site.infer(0.9)
    (first,) = claim(site)
    assert (first.event, first.study_instance_uid) == (MessageEvent.RESULT, image.StudyInstanceUID)
    assert (first.priority, first.priority_source) == (Priority.URGENT, PrioritySource.PREDICTION)
    assert first.instance.result is not None
    assert first.instance.result.outcome is Outcome.POSITIVE
    assert claim(site, "another") == []  # the second waits for the first
    site.ledger.messages.save_taken(first, "AA")
    assert take_all(site) == [MessageEvent.PRIORITY_RAISED]


def test_each_event_is_told_to_those_who_want_it(sites: Any) -> None:
    site = sites(
        Subscription("ris", frozenset({MessageEvent.RESULT})),
        Subscription("archive", frozenset({MessageEvent.REPORTS_BUILT})),
        Subscription("pager", frozenset({MessageEvent.PRIORITY_RAISED})),
    )
    site.receive(order=Priority.STAT, source=PrioritySource.AE_TITLE)
    site.infer(0.9)
    site.report("pacs")
    told = [(row.destination, row.event, row.priority_source) for row in rows(site)]
    assert told == [
        ("pager", "priority_raised", "AE title map"),
        ("ris", "result", "AE title map"),
        ("archive", "reports_built", "AE title map"),
    ]
    assert len({row.message_id for row in rows(site)}) == 3


@pytest.mark.parametrize(("wanted", "told"), [("none", 0), ("chest_only", 1), ("all", 2)])
def test_a_receiver_chooses_of_which_images_that_are_not_analysed_it_is_told(
    sites: Any, wanted: Any, told: int
) -> None:
    site = sites(Subscription("ris", frozenset(MessageEvent), wanted))
    for is_chest in (True, False):
        site.receive()
        site.exclude(Reason.LATERAL_VIEW, is_chest=is_chest)
    assert len(rows(site)) == told


def test_an_analysis_that_is_given_up_is_told(sites: Any) -> None:
    site = sites(ALL)
    site.receive()
    site.fail("the pixel data cannot be decoded")
    (due,) = claim(site)
    assert (due.event, due.instance.reason) == (MessageEvent.RESULT, "analysis_failed")


def test_a_result_that_was_told_is_taken_back_before_the_next_is_told(sites: Any) -> None:
    site = sites(ALL)
    first = site.receive()
    site.infer(0.1)
    assert take_all(site) == [MessageEvent.RESULT]
    again(site, first, patient_id="P-2")
    site.infer(0.2, superseding=Supersession.IDENTITY_CORRECTED)
    (back,) = claim(site)
    assert (back.event, back.supersession) == (MessageEvent.RESULT_SUPERSEDED, Supersession.IDENTITY_CORRECTED)
    assert (back.instance.version, back.instance.identity.patient_id) == (1, str(first.PatientID))
    site.ledger.messages.save_taken(back, "AA")
    (now,) = claim(site)
    assert (now.event, now.instance.version, now.instance.identity.patient_id) == (MessageEvent.RESULT, 2, "P-2")


def test_a_result_that_was_never_told_is_withdrawn_and_needs_no_taking_back(sites: Any) -> None:
    site = sites(ALL)
    first = site.receive()
    site.infer(0.1)
    again(site, first, patient_id="P-2")
    site.infer(0.2, superseding=Supersession.IDENTITY_CORRECTED)
    assert events(site) == [("result", "withdrawn"), ("result", "pending")]
    assert [message.instance.version for message in claim(site)] == [2]


@pytest.mark.proves(Invariant.EVENTS_ARE_TOLD_IN_ORDER)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_result_under_way_when_it_is_superseded_is_taken_back_and_what_follows_waits_for_it(
    sites: Any, database: str, request: pytest.FixtureRequest
) -> None:
    site = sites(ALL, url=request.getfixturevalue("postgres_url") if database == "postgresql" else None)
    first = site.receive()
    site.infer(0.1)
    (under_way,) = claim(site)
    again(site, first, patient_id="P-2")
    site.infer(0.2, superseding=Supersession.IDENTITY_CORRECTED)
    assert events(site) == [("result", "withdrawn"), ("result_superseded", "pending"), ("result", "pending")]
    assert claim(site, "another") == []
    assert site.ledger.messages.is_called_off(under_way)
    site.ledger.messages.save_taken(under_way, "AA")  # that it was taken is a fact all the same
    assert take_all(site) == [MessageEvent.RESULT_SUPERSEDED, MessageEvent.RESULT]


def test_a_message_that_is_put_off_holds_back_its_own_study_alone(sites: Any) -> None:
    site = sites(ALL)
    for _ in range(2):
        site.receive()
        site.infer(0.9)
    first, second = claim(site)
    site.ledger.messages.save_retry(first, site.now + timedelta(minutes=5), "no answer")
    site.ledger.messages.save_taken(second, "AA")
    assert take_all(site) == [MessageEvent.PRIORITY_RAISED]
    assert site.ledger.messages.next_due("ris") == site.now + timedelta(minutes=5)
    assert not site.ledger.messages.any_due("ris")
    site.now += timedelta(minutes=6)
    (due,) = claim(site)
    assert (due.message_id, due.attempts) == (first.message_id, 2)


def test_nothing_of_a_study_on_hold_is_told(sites: Any) -> None:
    site = sites(ALL)
    site.receive()
    site.infer(0.9)
    (under_way,) = claim(site)
    with writing(site.engine) as session:
        hold(session.scalars(select(StudyRecord)).one(), Hold.TWO_PATIENTS, site.now)
    assert site.ledger.messages.is_called_off(under_way)
    site.ledger.messages.release(under_way)
    assert claim(site) == []
    assert site.ledger.inspection.status().oldest_unsent_since is None
    with writing(site.engine) as session:
        let_go(session.scalars(select(StudyRecord)).one())
    (due,) = claim(site)
    assert due.attempts == 1  # to give it back was no attempt


def test_a_worker_that_lost_its_lease_changes_nothing_of_a_message(sites: Any) -> None:
    site = sites(ALL)
    site.receive()
    site.infer(0.1)
    (lost,) = claim(site)
    site.now += LEASE * 2
    (held,) = claim(site, "another")
    for change in (
        lambda: site.ledger.messages.save_taken(lost, "AA"),
        lambda: site.ledger.messages.save_retry(lost, site.now, "no answer"),
        lambda: site.ledger.messages.save_dead(lost, "refused"),
        lambda: site.ledger.messages.release(lost),
    ):
        with pytest.raises(LeaseLost):
            change()
    assert site.ledger.messages.renew([lost], LEASE) == []
    assert site.ledger.messages.renew([held], LEASE) == [held]


def test_what_was_given_up_calls_a_person_who_starts_it_again(sites: Any) -> None:
    site = sites(ALL)
    image = site.receive()
    site.infer(0.1)
    (due,) = claim(site)
    site.ledger.messages.save_dead(due, "refused")
    status = site.ledger.inspection.status()
    assert status.outbox == {"ris": {DeliveryState.DEAD: 1}}
    history = site.ledger.inspection.history(str(image.StudyInstanceUID))
    assert history is not None
    assert [(view.state, view.detail) for view in history.messages] == [(DeliveryState.DEAD, "refused")]
    assert history.study.deliveries == {"ris": {DeliveryState.DEAD: 1}}
    assert ("dead", "result to ris: refused") in [
        (event.event, detail_in_words(ENGLISH, event.facts)) for event in history.events
    ]
    site.now += timedelta(days=5)
    assert site.ledger.remedies.retry("1.2.3") == 0
    assert site.ledger.remedies.retry(str(image.StudyInstanceUID)) == 1
    (again_due,) = claim(site)
    assert (again_due.message_id, again_due.created_at, again_due.occurred_at) == (
        due.message_id,
        site.now,
        due.occurred_at,
    )


def test_a_result_that_no_longer_stands_is_not_started_again(sites: Any) -> None:
    site = sites(ALL)
    first = site.receive()
    site.infer(0.1)
    (due,) = claim(site)
    site.ledger.messages.save_dead(due, "refused")
    again(site, first, patient_id="P-2")
    site.infer(0.2, superseding=Supersession.IDENTITY_CORRECTED)
    assert site.ledger.remedies.retry() == 0
    # It may have arrived all the same; and nobody is called for what nobody can mend.
    assert events(site) == [("result", "withdrawn"), ("result_superseded", "pending"), ("result", "pending")]


def test_what_is_started_again_is_locked_image_first_as_where_one_is_superseded(sites: Any) -> None:
    site = sites(ALL)
    site.receive()
    site.infer(0.1)
    (report,) = site.ledger.reporting.claim("builder", 10, LEASE)
    site.ledger.reporting.save_failure(report, "MemoryError", site.now, 1)
    (due,) = claim(site)
    site.ledger.messages.save_dead(due, "refused")
    changed: list[str] = []

    @listens_for(site.engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE"):
            changed.append(statement.split()[1])

    assert site.ledger.remedies.retry() == 2
    assert changed == ["instances", "messages"]


def test_an_analysis_that_is_started_again_takes_back_what_says_that_it_failed(sites: Any) -> None:
    site = sites(ALL)
    site.receive()
    site.fail("out of memory")
    site.report("pacs", "archive")
    for due in site.ledger.outbox.claim("courier", "archive", DeliveryState.PENDING, 10, LEASE):
        site.ledger.outbox.save_dead(due, 0xA900, "refused")
    (under_way,) = claim(site)
    assert site.ledger.remedies.retry() == 1
    assert not site.ledger.outbox.any_due()
    site.ledger.messages.save_dead(under_way, "refused")
    assert site.ledger.remedies.retry() == 0, "nobody is called for what nobody may tell any more"
    assert claim(site) == []
    site.infer(0.95)
    site.report("pacs")
    assert [event for event in take_all(site) if event is MessageEvent.RESULT] == [MessageEvent.RESULT]
    sent = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE)
    assert {due.outcome for due in sent} == {Outcome.POSITIVE}


def test_the_reading_of_a_study_is_told_and_a_priority_that_it_kept_down_when_it_comes_back(sites: Any) -> None:
    site = sites(ALL)
    image = site.receive()
    site.infer(0.1)
    uid = str(image.StudyInstanceUID)
    site.ledger.readings.close(uid, CloseSource.COMMAND, "dr.lam")
    site.receive(study_instance_uid=uid)
    site.infer(0.9)
    assert [event for event, _ in events(site)] == ["result", "study_read", "result"]
    site.ledger.readings.reopen(uid)
    assert [event for event, _ in events(site)][3:] == ["priority_raised"]


def test_an_image_stays_while_something_of_it_is_to_be_told(sites: Any) -> None:
    site = sites(ALL)
    site.receive()
    site.infer(0.1)
    site.report("pacs")
    site.deliver("pacs")
    later = site.now + timedelta(days=30)
    assert site.ledger.retention.mark(later, 10, lambda marked: None) == []
    take_all(site)
    assert len(site.ledger.retention.mark(later, 10, lambda marked: None)) == 1


def test_a_pause_that_a_clock_ahead_of_its_time_has_set_keeps_its_length(sites: Any) -> None:
    site = sites(ALL)
    site.receive()
    site.infer(0.1)
    right = site.now
    site.now += timedelta(days=1)
    (due,) = claim(site)
    site.ledger.messages.save_retry(due, site.now + timedelta(minutes=5), "no answer")
    site.now = right
    assert site.ledger.timekeeping.rewind() == 1
    assert site.ledger.messages.next_due("ris") == right + timedelta(minutes=5)


def test_without_subscriptions_nothing_is_written(sites: Any) -> None:
    site = sites()
    site.receive()
    site.infer(0.9)
    site.report("pacs")
    assert rows(site) == []


def test_a_look_for_due_messages_stays_short_whatever_history_leaves_behind(sites: Any) -> None:
    site = sites(ALL)
    with site.engine.connect() as connection:
        plan = connection.execute(
            text(
                "EXPLAIN QUERY PLAN SELECT id FROM messages WHERE destination = 'ris' AND state = 'pending'"
                " AND next_attempt_at IS NOT NULL"
            )
        ).fetchall()
    assert "ix_messages_open" in str(plan)


def test_a_message_for_a_receiver_that_is_gone_waits_for_it_and_is_dropped_when_it_would_be_given_up(
    sites: Any,
) -> None:
    site = sites(Subscription("ris", frozenset({MessageEvent.RESULT})))
    messages, patience = site.ledger.messages, timedelta(days=3)
    unaddressed = site.ledger.unaddressed
    image = site.receive()
    site.infer(0.1)
    site.report()
    site.now += timedelta(days=2)
    assert unaddressed.drop([], patience) == 0, "it may come back"
    assert len(claim(site)) == 1
    site.now += timedelta(days=2)
    assert unaddressed.drop(["ris"], patience) == 0
    (due,) = claim(site)
    messages.release(due)
    assert unaddressed.drop(["another"], patience) == 1
    assert events(site) == [("result", DeliveryState.WITHDRAWN)]
    assert site.ledger.inspection.status().oldest_unsent_since is None
    history = site.ledger.inspection.history(str(image.StudyInstanceUID))
    said = detail_in_words(ENGLISH, history.events[-1].facts) or ""
    assert "the settings name no such receiver any more" in said


def test_what_a_courier_that_died_had_in_hand_is_dropped_too_when_its_receiver_is_gone(sites: Any) -> None:
    site = sites(Subscription("ris", frozenset({MessageEvent.RESULT})))
    site.receive()
    site.infer(0.1)
    site.report()
    assert len(claim(site)) == 1
    assert site.ledger.unaddressed.drop([], timedelta(0)) == 0, "it may be under way"
    site.now += timedelta(days=3)
    assert site.ledger.unaddressed.drop([], timedelta(days=2)) == 1
    assert events(site) == [("result", DeliveryState.WITHDRAWN)]


def test_what_waited_for_a_person_is_as_old_as_its_release(sites: Any) -> None:
    site = sites(ALL)
    image = site.receive()
    site.infer(0.1)
    site.report("pacs")
    with writing(site.engine) as session:
        hold(session.scalars(select(StudyRecord)).one(), Hold.TWO_PATIENTS, site.now)
    written = site.now
    site.now += timedelta(days=9)
    site.ledger.remedies.release(str(image.StudyInstanceUID))
    (due,) = claim(site)
    assert (due.created_at, site.ledger.messages.free_since(due)) == (written, site.now)
    site.ledger.messages.release(due)
    assert site.ledger.unaddressed.drop([], timedelta(days=3)) == 0
    (report,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    assert (report.created_at, site.ledger.outbox.free_since(report)) == (written, site.now)


def test_a_priority_that_is_told_again_is_the_one_that_stands(sites: Any) -> None:
    site = sites(Subscription("ris", frozenset({MessageEvent.PRIORITY_RAISED})))
    image = site.receive()
    site.infer(0.9)
    (due,) = claim(site)
    assert due.priority is Priority.URGENT
    site.ledger.messages.save_dead(due, "refused")
    site.receive(study_instance_uid=str(image.StudyInstanceUID), order=Priority.STAT, source=PrioritySource.AE_TITLE)
    take_all(site)
    site.ledger.remedies.retry()
    (due,) = claim(site)
    assert (due.priority, due.priority_source) == (Priority.STAT, PrioritySource.AE_TITLE)
