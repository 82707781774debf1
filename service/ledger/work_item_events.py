"""Events of work items: each becomes a row for whoever subscribed to it, in the transaction of the event itself.

A study whose reading becomes a work item of its own accord, or stops being one, is told of alike: it arrived, changed,
was read elsewhere, or is to be read again. Its row is locked by the caller, so that two never make one work item twice.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.ledger.records import StudyRecord
from service.ledger.work_item_records import WorkItemEventRecord, WorkItemRecord, WorkItemSubscriptionRecord
from service.vocabulary.states import DeliveryState
from service.vocabulary.uids import derive_uid
from service.vocabulary.work_items import WorkItemEvent, WorkItemState

#: Whether anybody is told of any work item.
ANY_SUBSCRIPTION = select(WorkItemSubscriptionRecord.id).limit(1)


def latest(session: Session, study: StudyRecord) -> WorkItemRecord | None:
    """Return a study's latest work item, if it ever had one."""
    item = WorkItemRecord
    return session.scalars(
        select(item).where(item.study_id == study.id).order_by(item.number.desc()).limit(1)
    ).one_or_none()


def open_item(session: Session, study: StudyRecord, at: datetime) -> WorkItemRecord:
    """Return the work item of an open study that has not ended: a further one where the one before has."""
    before = latest(session, study)
    if before is not None and not WorkItemState(before.state).is_final:
        return before
    number = 1 if before is None else before.number + 1
    made = WorkItemRecord(
        study_id=study.id,
        number=number,
        sop_instance_uid=derive_uid("work item", study.study_instance_uid, str(number)),
        state=WorkItemState.SCHEDULED.value,
        created_at=at,
    )
    session.add(made)
    session.flush()
    return made


def end(session: Session, item: WorkItemRecord, state: WorkItemState, at: datetime) -> None:
    """End a work item."""
    item.state, item.ended_at, item.claimed_until = state.value, at, None
    note(session, item, WorkItemEvent.STATE, at)


def note(
    session: Session, item: WorkItemRecord, event: WorkItemEvent, at: datetime, said: Mapping[str, Any] | None = None
) -> int:
    """Write an event for each AE title that subscribed to a work item; return how many there are."""
    subscription = WorkItemSubscriptionRecord
    wanted = or_(subscription.work_item_id == item.id, subscription.work_item_id.is_(None))
    titles = session.scalars(select(subscription.ae_title).where(wanted).distinct()).all()
    note_to(session, titles, item, event, at, said)
    return len(titles)


def note_to(
    session: Session,
    titles: Iterable[str],
    item: WorkItemRecord,
    event: WorkItemEvent,
    at: datetime,
    said: Mapping[str, Any] | None = None,
) -> None:
    """Write an event for each of some AE titles."""
    session.add_all(
        WorkItemEventRecord(
            ae_title=title,
            work_item_id=item.id,
            event=int(event),
            step_state=item.state,
            said=dict(said) if said is not None else None,
            state=DeliveryState.PENDING.value,
            occurred_at=at,
            next_attempt_at=at,
        )
        for title in titles
    )


def note_study(session: Session, study: StudyRecord, at: datetime) -> None:
    """Tell of a study that changed; its work item, if nobody has claimed it, ends where the study was read."""
    if study.closed_at is not None:
        item = latest(session, study)
        if item is not None and item.state == WorkItemState.SCHEDULED.value:
            end(session, item, WorkItemState.CANCELED, at)
        return
    if session.scalars(ANY_SUBSCRIPTION).first() is not None:
        note(session, open_item(session, study, at), WorkItemEvent.STATE, at)
