"""The lease: how a worker takes rows of a queue, keeps them, and gives them back.

Every queue of the ledger stands on it: images to analyse, reports to build, the outbox, messages, and what peers ask of
us. A queue says which of its rows wait, in which order they are taken and when one is due; all else is the same.

On PostgreSQL a transaction that locks several rows takes an instance before its deliveries and before its study, and an
earlier version after a later one: two that took them the other way round would wait for each other (ADR 0022).
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.ledger.message_records import MessageRecord
from service.ledger.record_base import LeasedRecord
from service.ledger.records import CommitmentRequestRecord, DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.ledger.study_documents import OF_STUDY
from service.ledger.work_item_records import WorkItemEventRecord
from service.process.clock import recent_leap
from service.vocabulary.errors import LeaseLost
from service.vocabulary.states import DeliveryState, State

#: How a row that a worker takes or changes is locked. PostgreSQL's FOR UPDATE would also stop whoever writes a row that
#: refers to it, such as a line of its history, and two who do both would wait for each other.
LOCK: Any = {"key_share": True}

#: The order in which studies are worked for. It is an expression, so that no planner walks through all studies that
#: ever were in the order of their index, to find the few that something is due of.
BY_RANK = func.coalesce(StudyRecord.reading_rank_at, StudyRecord.first_received_at)

#: States of images that wait for a worker, or that one has.
UNDER_WAY = (State.RECEIVED.value, State.CLAIMED.value)

#: Clocks of two machines differ by less.
_TOLERANCE = timedelta(minutes=1)


class Taken(Protocol):
    """What a worker is told of a row that it took."""

    @property
    def id(self) -> int:
        """The row's number."""

    @property
    def owner(self) -> str:
        """The worker's name for its leases."""


R = TypeVar("R", bound=LeasedRecord)
T = TypeVar("T", bound=Taken)


def _count_attempt(row: LeasedRecord, step: int) -> None:
    row.attempts += step


class Lease(Generic[R]):
    """The lease on the rows of one queue; its methods are called within a transaction of the caller.

    Parameters
    ----------
    record
        The table.
    due_at
        The column with the moment before which nobody takes a row.
    is_due_without
        Whether a row without such a moment is due at once; otherwise it is never due.
    count
        Counts an attempt at a row, or takes one back. It is counted before the attempt: a crash in the middle of it may
        have done what was to be done.
    lock_row
        Locks a row, and before it whatever the order of ADR 0022 wants locked first.
    """

    def __init__(
        self,
        record: type[R],
        due_at: InstrumentedAttribute[datetime | None],
        *,
        is_due_without: bool = False,
        count: Callable[[R, int], None] = _count_attempt,
        lock_row: Callable[[Session, int], R | None] | None = None,
    ) -> None:
        self._record = record
        self._due_at = due_at
        self._is_due_without = is_due_without
        self._count = count
        self._lock_row = lock_row or (lambda session, number: session.get(record, number, with_for_update=LOCK))

    def is_free(self, now: datetime) -> ColumnElement[bool]:
        """Return the condition on rows that no worker holds, or whose lease is over."""
        # A clock that was set forward ends no lease: whoever holds it is as alive as before.
        return or_(self._record.lease_until.is_(None), self._record.lease_until < now - recent_leap())

    def due(self, waiting: Select[R], now: datetime) -> Select[R]:
        """Return the rows among those that wait which somebody may take now."""
        is_due: ColumnElement[bool] = self._due_at <= now
        if self._is_due_without:
            is_due = or_(self._due_at.is_(None), is_due)
        return waiting.where(is_due, self.is_free(now))

    def any_due(self, session: Session, waiting: Select[R], now: datetime) -> bool:
        """Return whether somebody could take a row; a look that takes no lock."""
        found = self.due(waiting.with_only_columns(self._record.id), now).limit(1)
        return session.execute(found).first() is not None

    def claim(
        self,
        session: Session,
        waiting: Select[R],
        order: Sequence[Any],
        limit: int,
        *,
        owner: str,
        now: datetime,
        lease: timedelta,
    ) -> Sequence[R]:
        """Take due rows; those that another worker is just taking are left to it."""
        rows = self.due(waiting, now).order_by(*order).limit(limit)
        taken = session.scalars(rows.with_for_update(skip_locked=True, of=self._record, **LOCK)).all()
        for row in taken:
            self.take(row, owner, now, lease)
        return taken

    def take(self, row: R, owner: str, now: datetime, lease: timedelta) -> None:
        """Take a row that is locked and free."""
        row.lease_owner, row.lease_until, row.timed_at = owner, now + lease, now
        self._count(row, 1)

    def renew(self, session: Session, taken: Sequence[T], now: datetime, lease: timedelta) -> list[T]:
        """Begin the leases of what one worker took anew; return what it still holds.

        It is one statement, so that nobody takes a row between the look and the change.
        """
        row = self._record
        still_held = (row.id.in_([item.id for item in taken]), row.lease_owner.in_({item.owner for item in taken}))
        renewed = update(row).where(*still_held).values(lease_until=now + lease, timed_at=now)
        held = set(session.scalars(renewed.returning(row.id)))
        return [item for item in taken if item.id in held]

    def held(self, session: Session, taken: Taken, states: Collection[str]) -> R:
        """Return a row that its worker still holds, locked for this transaction.

        Raises
        ------
        LeaseLost
            When another worker has it by now, or its state has moved on.
        """
        row = self._lock_row(session, taken.id)
        if row is None or not self.is_held(row, taken, states):
            raise LeaseLost
        return row

    @staticmethod
    def is_held(row: LeasedRecord, taken: Taken, states: Collection[str]) -> bool:
        """Return whether a row that is locked is still its worker's."""
        return row.lease_owner == taken.owner and row.state in states

    def end(self, row: R) -> None:
        """Let a row go."""
        row.lease_owner = row.lease_until = None

    def put_off(self, row: R, until: datetime, now: datetime) -> None:
        """Let a row go until a moment."""
        self.end(row)
        row.timed_at = now
        setattr(row, self._due_at.key, until)

    def settle(self, row: R) -> None:
        """Let a row go for good."""
        self.end(row)
        setattr(row, self._due_at.key, None)

    def give_back(self, row: R) -> None:
        """Let a row go untried: taking it was no attempt."""
        self.end(row)
        self._count(row, -1)

    def ahead(self, rows: Select[R], now: datetime) -> Select[R]:
        """Return the rows among these whose lease or pause was set by a clock that is ahead of this one."""
        row = self._record
        return rows.where(row.timed_at > now + _TOLERANCE, or_(self._due_at > now, row.lease_until > now))

    def rewind(self, row: R, now: datetime) -> None:
        """Cap a row's lease and pause against their own length."""
        since, due_at = row.timed_at or now, getattr(row, self._due_at.key)
        if due_at is not None and due_at > now:
            setattr(row, self._due_at.key, now + max(timedelta(0), due_at - since))
        if row.lease_until is not None:
            row.lease_until = now + max(timedelta(0), row.lease_until - since)
        row.timed_at = now


def is_under_way() -> ColumnElement[bool]:
    """Return the condition on images that wait for a worker or that one has, in the very words of their index."""
    states: BindParameter[str] = bindparam("under_way", UNDER_WAY, expanding=True, literal_execute=True)
    return InstanceRecord.state.in_(states)


def lock_images(session: Session, deliveries: Collection[int]) -> None:
    """Lock the images that objects in the outbox tell of: one for each, and all of a study for a document about it.

    The newest comes first, whoever locks several: so none of them waits for another in a circle.
    """
    told_of = (
        select(InstanceRecord.id, InstanceRecord.study_id, OF_STUDY)
        .join(ReportRecord, ReportRecord.instance_id == InstanceRecord.id)
        .join(DeliveryRecord)
        .where(DeliveryRecord.id.in_(deliveries))
    )
    found = session.execute(told_of).all()
    studies = {study for _, study, is_of_study in found if is_of_study}
    _lock_images(session, or_(InstanceRecord.id.in_([row[0] for row in found]), InstanceRecord.study_id.in_(studies)))


def lock_study_images(session: Session, image: int) -> None:
    """Lock all images of an image's study, for whoever writes about a document that tells of them; the newest first.

    A version that takes another's place may have come to another study: the images of both are locked.
    """
    uid = select(InstanceRecord.sop_instance_uid).where(InstanceRecord.id == image).scalar_subquery()
    studies = select(InstanceRecord.study_id).where(InstanceRecord.sop_instance_uid == uid)
    _lock_images(session, InstanceRecord.study_id.in_(studies))


def _lock_images(session: Session, which: ColumnElement[bool]) -> None:
    images = select(InstanceRecord.id).where(which).order_by(InstanceRecord.id.desc())
    session.execute(images.with_for_update(**LOCK)).all()


def lock_delivery(session: Session, number: int) -> DeliveryRecord | None:
    """Return a row of the outbox, the images that it tells of and itself locked.

    The images come first, as they do for a version that supersedes one: so neither waits for the other, and each sees
    what the other made of the row.
    """
    lock_images(session, [number])
    return session.get(DeliveryRecord, number, with_for_update=LOCK)


def _count_delivery(row: DeliveryRecord, step: int) -> None:
    """Count an attempt to send an object, or a question whether it is held."""
    if row.state in (DeliveryState.SENT, DeliveryState.CONFIRMED):
        row.questions = max(0, (row.questions or 0) + step)
    else:  # one that was withdrawn meanwhile is given back unsent
        row.attempts += step


#: On images: of a worker that analyses one, and of one that builds its reports.
IMAGES = Lease(InstanceRecord, InstanceRecord.not_before, is_due_without=True)
#: On rows of the outbox.
OBJECTS = Lease(
    DeliveryRecord,
    DeliveryRecord.next_attempt_at,
    count=_count_delivery,
    lock_row=lock_delivery,
)
#: On messages.
MESSAGES = Lease(MessageRecord, MessageRecord.next_attempt_at)
#: On events of work items.
WORK_ITEM_EVENTS = Lease(WorkItemEventRecord, WorkItemEventRecord.next_attempt_at)
#: On what peers ask of us.
REQUESTS = Lease(CommitmentRequestRecord, CommitmentRequestRecord.next_attempt_at)
