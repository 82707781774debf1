"""Abandonment: a person gives up what has not reached a destination that the settings do not name any more.

Nothing does so by itself: that a name is gone from the settings may be an error in them, and the next start may have it
again.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select
from sqlalchemy.orm import Session

from service.ledger.database import reading, writing
from service.ledger.deliveries import note, stop_asking
from service.ledger.kept_counts import kept, outbox
from service.ledger.leases import LOCK, lock_images
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord
from service.ledger.rows import advance, by_person
from service.ledger.settling import settle
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind, Failure
from service.vocabulary.states import DeliveryState, State

#: Why a destination is not asked any more whether it holds what it took.
_NOT_NAMED = "a person has given the destination up"
#: States of rows that did not reach their destination, and of those that did and may be asked for.
_UNSENT = (DeliveryState.PENDING, DeliveryState.DEAD)
_TAKEN = (DeliveryState.SENT, DeliveryState.CONFIRMED)
#: Most rows that are given up in one transaction.
_AT_ONCE = 100


class Abandonment:
    """Counts, and gives up, what has not reached a destination."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def unsettled(self, destination: str) -> int:
        """Return how many objects are still to be sent to a destination, to be asked for there, or dead."""
        with reading(self._engine) as session:
            return _count(session, destination)

    def unnamed(self, named: Collection[str]) -> Mapping[str, int]:
        """Return the same of every destination that is none of these, where there are any."""
        with reading(self._engine) as session:
            counted = {outbox(state) for state in (*_UNSENT, *_TAKEN)}
            others = {label for name, label in kept(session) if name in counted} - set(named)
            return {name: count for name in sorted(others) if (count := _count(session, name))}

    def abandon(self, destination: str, by: str = "") -> int:
        """Give up what has not reached a destination, and ask no more for what has; return how many objects that is.

        A courier with older settings may just be sending one: that it was sent is a fact all the same.

        Parameters
        ----------
        by
            The name of the person, if it is known.
        """
        total = 0
        while numbers := self._some(destination):
            total += self._abandon(numbers, destination, by)
        return total

    def _some(self, destination: str) -> Sequence[int]:
        with reading(self._engine) as session:
            return session.scalars(select(DeliveryRecord.id).where(_is_unsettled(destination)).limit(_AT_ONCE)).all()

    def _abandon(self, numbers: Sequence[int], destination: str, by: str) -> int:
        now = self._clock()
        with writing(self._engine) as session:
            lock_images(session, numbers)
            locked = select(DeliveryRecord).where(DeliveryRecord.id.in_(numbers), _is_unsettled(destination))
            rows = session.scalars(locked.order_by(DeliveryRecord.id).with_for_update(**LOCK)).all()
            for row in rows:
                _give_up(session, row, now, by)
            for _, about in groupby(sorted(rows, key=_image), _image):
                _settle(session, list(about), now, by)
            return len(rows)


def _image(row: DeliveryRecord) -> int:
    return row.report.instance_id


def _give_up(session: Session, row: DeliveryRecord, at: datetime, by: str) -> None:
    if row.state in _TAKEN:
        stop_asking(session, row, at, _NOT_NAMED)
        return
    row.state, row.next_attempt_at = DeliveryState.ABANDONED.value, None
    if by:
        note(session, row, at, EventKind.ABANDONED, EventDetail.ABANDONED_BY, name=by)
    else:
        note(session, row, at, EventKind.ABANDONED, EventDetail.ABANDONED)


def _settle(session: Session, rows: Sequence[DeliveryRecord], at: datetime, by: str) -> None:
    """Derive the state of an image that rows were given up of, which may have failed for one of them."""
    image = rows[0].report.instance
    session.flush()
    is_failed = image.state == State.FAILED.value and image.reason == Failure.DELIVERY_FAILED.value
    if is_failed and not _has_dead(session, image):
        image.reason = None
        advance(session, image, State.REPORTED, at, EventKind.ABANDONED, by_person(by))
    settle(session, rows, at)


def _has_dead(session: Session, image: InstanceRecord) -> bool:
    dead = (ReportRecord.instance_id == image.id, DeliveryRecord.state == DeliveryState.DEAD.value)
    return session.scalars(select(DeliveryRecord.id).join(ReportRecord).where(*dead).limit(1)).first() is not None


def _count(session: Session, destination: str) -> int:
    return session.scalars(select(func.count()).select_from(DeliveryRecord).where(_is_unsettled(destination))).one()


def _is_unsettled(destination: str) -> ColumnElement[bool]:
    """Return the condition on rows of a destination that something is still to come of, or a person is called for."""
    row = DeliveryRecord
    is_asked_for = and_(row.state.in_([state.value for state in _TAKEN]), row.next_attempt_at.is_not(None))
    return and_(row.destination == destination, or_(row.state.in_([state.value for state in _UNSENT]), is_asked_for))
