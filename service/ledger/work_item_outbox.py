"""Who is told of work items, and what is on its way to them: a row for each event, gone once it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Select, delete, exists, or_, select
from sqlalchemy.orm import Session, aliased

from service.ledger.database import reading, writing
from service.ledger.leases import WORK_ITEM_EVENTS
from service.ledger.work_item_events import note_to
from service.ledger.work_item_records import WorkItemEventRecord, WorkItemRecord, WorkItemSubscriptionRecord
from service.process.clock import Clock
from service.vocabulary.states import DeliveryState
from service.vocabulary.work_items import WorkItemEvent, WorkItemState, WorkItemStatus

#: For how long an event waits for its subscriber, at most.
_KEPT_FOR = timedelta(days=7)
_PENDING = (DeliveryState.PENDING,)


@dataclass(frozen=True)
class DueWorkItemEvent:
    """One event that is to be told to one subscriber, under a lease.

    Attributes
    ----------
    matching
        What the work item must match to be told of, one of these; empty where it is told in any case. In the DICOM JSON
        model, as is what the event says beyond the state.
    """

    id: int
    owner: str
    sop_instance_uid: str
    event: WorkItemEvent
    state: WorkItemState
    said: Mapping[str, Any]
    matching: tuple[Mapping[str, Any], ...]
    occurred_at: datetime
    attempts: int


class WorkItemOutbox:
    """Keeps who subscribed, and brings each its events in their order."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def subscribe(self, ae_title: str, uid: str | None, matching: Mapping[str, Any] | None = None) -> WorkItemStatus:
        """Tell an AE title of a work item from now on, its state first; None is every one, or each that matches."""
        now, subscription = self._clock(), WorkItemSubscriptionRecord
        with writing(self._engine) as session:
            item = _item(session, uid)
            if uid is not None and item is None:
                return WorkItemStatus.NO_SUCH_WORK_ITEM
            number = item.id if item is not None else None
            same = (subscription.ae_title == ae_title, subscription.work_item_id.is_not_distinct_from(number))
            session.execute(delete(subscription).where(*same))
            kept = dict(matching) if matching is not None else None
            session.add(subscription(ae_title=ae_title, work_item_id=number, matching=kept, created_at=now))
            if item is not None:
                note_to(session, [ae_title], item, WorkItemEvent.STATE, now)
        return WorkItemStatus.SUCCESS

    def unsubscribe(self, ae_title: str, uid: str | None, *, keeps_single: bool = False) -> WorkItemStatus:
        """Tell an AE title no more of a work item, or of any; `keeps_single` leaves those that it named."""
        subscription = WorkItemSubscriptionRecord
        with writing(self._engine) as session:
            item = _item(session, uid)
            if uid is not None and item is None:
                return WorkItemStatus.NO_SUCH_WORK_ITEM
            ended = delete(subscription).where(subscription.ae_title == ae_title)
            if item is not None:
                ended = ended.where(subscription.work_item_id == item.id)
            elif keeps_single:
                ended = ended.where(subscription.work_item_id.is_(None))
            session.execute(ended)
            if not keeps_single:  # who suspends goes on with the work items that there are
                _drop_unwanted(session, ae_title)
        return WorkItemStatus.SUCCESS

    def any_due(self, ae_title: str) -> bool:
        """Return whether an event is due and nobody has it; a look that takes no lock."""
        now = self._clock()
        with reading(self._engine) as session:
            return WORK_ITEM_EVENTS.any_due(session, _waiting(ae_title), now)

    def claim(self, owner: str, ae_title: str, limit: int, lease: timedelta) -> list[DueWorkItemEvent]:
        """Take events to a subscriber that are due; of one work item each waits until the one before is told."""
        if not self.any_due(ae_title):
            return []
        now = self._clock()
        with writing(self._engine) as session:
            order = (WorkItemEventRecord.id,)
            rows = WORK_ITEM_EVENTS.claim(session, _waiting(ae_title), order, limit, owner=owner, now=now, lease=lease)
            return [_due(session, row, owner) for row in rows]

    def renew(self, events: Sequence[DueWorkItemEvent], lease: timedelta) -> list[DueWorkItemEvent]:
        """Begin leases anew; return what is still held."""
        with writing(self._engine) as session:
            return WORK_ITEM_EVENTS.renew(session, events, self._clock(), lease)

    def release(self, event: DueWorkItemEvent) -> None:
        """Give an event back untried."""
        with writing(self._engine) as session:
            WORK_ITEM_EVENTS.give_back(WORK_ITEM_EVENTS.held(session, event, _PENDING))

    def settle(self, event: DueWorkItemEvent) -> None:
        """Be done with an event: it was told, says nothing to its subscriber, or was given up."""
        with writing(self._engine) as session:
            session.delete(WORK_ITEM_EVENTS.held(session, event, _PENDING))

    def save_retry(self, event: DueWorkItemEvent, retry_at: datetime, detail: str) -> None:
        """Put an event off that could not be told."""
        with writing(self._engine) as session:
            row = WORK_ITEM_EVENTS.held(session, event, _PENDING)
            row.detail = detail
            WORK_ITEM_EVENTS.put_off(row, retry_at, self._clock())

    def forget(self) -> None:
        """Remove what nobody brings away any more, for its subscriber has left the settings."""
        with reading(self._engine) as session:
            old = WorkItemEventRecord.occurred_at < self._clock() - _KEPT_FOR
            if session.scalars(select(WorkItemEventRecord.id).where(old).limit(1)).first() is None:
                return
        with writing(self._engine) as session:
            session.execute(delete(WorkItemEventRecord).where(old))


def _drop_unwanted(session: Session, ae_title: str) -> None:
    """Take back the events to an AE title that it has no subscription for any more; one that is being told is told.

    References
    ----------
    PS3.4 section CC.2.3.3 (Unsubscribe)
    """
    subscription, event = WorkItemSubscriptionRecord, WorkItemEventRecord
    wanted = or_(subscription.work_item_id == event.work_item_id, subscription.work_item_id.is_(None))
    is_wanted = exists(select(subscription.id).where(subscription.ae_title == ae_title, wanted))
    session.execute(delete(event).where(event.ae_title == ae_title, event.lease_owner.is_(None), ~is_wanted))


def _item(session: Session, uid: str | None) -> WorkItemRecord | None:
    if uid is None:
        return None
    return session.scalars(select(WorkItemRecord).where(WorkItemRecord.sop_instance_uid == uid)).one_or_none()


def _waiting(ae_title: str) -> Select[WorkItemEventRecord]:
    row, earlier = WorkItemEventRecord, aliased(WorkItemEventRecord)
    is_first = ~exists(
        select(earlier.id).where(
            earlier.ae_title == row.ae_title, earlier.work_item_id == row.work_item_id, earlier.id < row.id
        )
    )
    return select(row).where(row.ae_title == ae_title, row.next_attempt_at.is_not(None), is_first)


def _due(session: Session, row: WorkItemEventRecord, owner: str) -> DueWorkItemEvent:
    subscription = WorkItemSubscriptionRecord
    wanted = or_(subscription.work_item_id == row.work_item_id, subscription.work_item_id.is_(None))
    matching = session.scalars(select(subscription.matching).where(subscription.ae_title == row.ae_title, wanted)).all()
    filters = tuple(one for one in matching if one is not None)
    return DueWorkItemEvent(
        id=row.id,
        owner=owner,
        sop_instance_uid=row.work_item.sop_instance_uid,
        event=WorkItemEvent(row.event),
        state=WorkItemState(row.step_state),
        said=row.said or {},
        matching=filters if len(filters) == len(matching) else (),
        occurred_at=row.occurred_at,
        attempts=row.attempts,
    )
