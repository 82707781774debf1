"""Messages: one row for each event and destination, until the destination says that it took the message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, Select, exists, or_, select
from sqlalchemy.orm import Session, aliased

from service.ledger.database import reading, writing
from service.ledger.leases import BY_RANK, MESSAGES
from service.ledger.message_records import MessageRecord
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.rows import free_since, record
from service.ledger.views import InstanceView, instance_view
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind, MessageEvent, PrioritySource, Supersession
from service.vocabulary.figures import MESSAGES_DEAD, MESSAGES_TAKEN, Tally
from service.vocabulary.states import DeliveryState, Priority

#: States of a row that a worker may still hold: it is withdrawn while it is under way.
_HOLDABLE = (DeliveryState.PENDING, DeliveryState.WITHDRAWN)


@dataclass(frozen=True)
class DueMessage:
    """One event that is to be told to one destination, under a lease.

    Attributes
    ----------
    message_id
        The same at every attempt.
    instance
        The version of an image that the event is of, or through which it came about.
    priority, priority_source
        The study's, as the event left it.
    supersession
        Why the version was superseded, where that is the event.
    attempts
        How often it was tried to tell it, this time included.
    """

    id: int
    owner: str
    message_id: str
    event: MessageEvent
    study_instance_uid: str
    instance: InstanceView
    priority: Priority
    priority_source: PrioritySource
    supersession: Supersession | None
    occurred_at: datetime
    created_at: datetime
    attempts: int


class Messages:
    """Claims messages to one destination, and keeps what became of them."""

    def __init__(self, engine: Engine, clock: Clock, tally: Tally) -> None:
        self._engine = engine
        self._clock = clock
        self._tally = tally

    def any_due(self, destination: str) -> bool:
        """Return whether a message to a destination is due and nobody has it; it takes no lock."""
        now = self._clock()
        with reading(self._engine) as session:
            return MESSAGES.any_due(session, _waiting(destination, now), now)

    def next_due(self, destination: str) -> datetime | None:
        """Return when a destination's next message is due, at the earliest; a look that takes no lock."""
        with reading(self._engine) as session:
            waiting = _waiting(destination, self._clock()).where(MessageRecord.lease_until.is_(None))
            due_at = MessageRecord.next_attempt_at
            return session.scalars(waiting.with_only_columns(due_at).order_by(due_at).limit(1)).first()

    def claim(self, owner: str, destination: str, limit: int, lease: timedelta) -> list[DueMessage]:
        """Take messages to a destination that are due, the most urgent study first.

        Of one study a message waits until the ones before it are settled; of a study on hold nothing is told.
        """
        if not self.any_due(destination):
            return []
        now = self._clock()
        with writing(self._engine) as session:
            order = (BY_RANK, MessageRecord.id)
            waiting = _waiting(destination, now)
            rows = MESSAGES.claim(session, waiting, order, limit, owner=owner, now=now, lease=lease)
            return [_due_message(row, owner) for row in rows]

    def renew(self, messages: Sequence[DueMessage], lease: timedelta) -> list[DueMessage]:
        """Begin leases anew, for a message's turn may come late in its batch; return what is still held."""
        with writing(self._engine) as session:
            return MESSAGES.renew(session, messages, self._clock(), lease)

    def is_called_off(self, message: DueMessage) -> bool:
        """Return whether, since a message was claimed, its study was put on hold or it was withdrawn."""
        with reading(self._engine) as session:
            wanted = (
                select(MessageRecord.id)
                .join(StudyRecord, StudyRecord.id == MessageRecord.study_id)
                .where(
                    MessageRecord.id == message.id,
                    MessageRecord.state == DeliveryState.PENDING.value,
                    StudyRecord.held_reason.is_(None),
                )
            )
            return session.scalars(wanted).first() is None

    def release(self, message: DueMessage) -> None:
        """Give a message back untried."""
        with writing(self._engine) as session:
            MESSAGES.give_back(MESSAGES.held(session, message, list(DeliveryState)))

    def free_since(self, message: DueMessage) -> datetime:
        """Return from when on a message could be told: its study may have been on hold."""
        with reading(self._engine) as session:
            return free_since(session, message.instance.id, message.created_at)

    def save_taken(self, message: DueMessage, detail: str) -> None:
        """Record that the destination took the message, and in which words it said so."""
        now = self._clock()
        with writing(self._engine) as session:
            # Withdrawn while it was under way: that it was taken is a fact all the same.
            row = MESSAGES.held(session, message, _HOLDABLE)
            settle(session, row, DeliveryState.CONFIRMED, now, EventKind.CONFIRMED, detail)
            row.confirmed_at = now
            destination = row.destination
        self._tally.count(MESSAGES_TAKEN, destination)

    def save_nothing_to_tell(self, message: DueMessage) -> None:
        """Settle a message that says nothing to this destination."""
        with writing(self._engine) as session:
            row = MESSAGES.held(session, message, _HOLDABLE)
            row.state, row.detail = DeliveryState.WITHDRAWN.value, "nothing to tell"
            MESSAGES.settle(row)

    def save_retry(self, message: DueMessage, retry_at: datetime, detail: str) -> None:
        """Put a message off that could not be told; the history tells it once for each reason."""
        now = self._clock()
        with writing(self._engine) as session:
            row = MESSAGES.held(session, message, _HOLDABLE)
            if row.detail != detail:
                _note(session, row, now, EventKind.PUT_OFF, detail)
            row.detail = detail
            if row.state == DeliveryState.WITHDRAWN.value:
                MESSAGES.settle(row)
            else:
                MESSAGES.put_off(row, retry_at, now)

    def save_dead(self, message: DueMessage, detail: str) -> None:
        """Give a message up; `auscult retry` starts it again."""
        with writing(self._engine) as session:
            row = MESSAGES.held(session, message, _HOLDABLE)
            if row.state == DeliveryState.WITHDRAWN.value:  # a retry would tell what does not hold any more
                MESSAGES.settle(row)
                return
            settle(session, row, DeliveryState.DEAD, self._clock(), EventKind.DEAD, detail)
            destination = row.destination
        self._tally.count(MESSAGES_DEAD, destination)


def settle(
    session: Session, row: MessageRecord, state: DeliveryState, at: datetime, event: EventKind, detail: str
) -> None:
    """Settle a message, with a line in the history of its image."""
    row.state, row.detail = state.value, detail
    MESSAGES.settle(row)
    _note(session, row, at, event, detail)


def _note(session: Session, row: MessageRecord, at: datetime, event: EventKind, detail: str) -> None:
    """Write a line of the history of the image that a message is about."""
    facts = EventDetail.MESSAGE.of(message=row.event, destination=row.destination, error=detail)
    record(session, row.instance, at, event, facts)


def _waiting(destination: str, now: datetime) -> Select[MessageRecord]:
    """Return the messages to a destination that wait to be told, of each study the first."""
    earlier = aliased(MessageRecord)
    is_earlier_open = exists(
        select(earlier.id).where(
            earlier.study_id == MessageRecord.study_id,
            earlier.destination == MessageRecord.destination,
            earlier.id < MessageRecord.id,
            # One that was withdrawn may still be under way.
            or_(earlier.state == DeliveryState.PENDING.value, earlier.lease_until > now),
        )
    )
    return (
        select(MessageRecord)
        .join(StudyRecord, StudyRecord.id == MessageRecord.study_id)
        .where(
            MessageRecord.destination == destination,
            MessageRecord.state == DeliveryState.PENDING.value,
            MessageRecord.next_attempt_at.is_not(None),
            StudyRecord.held_reason.is_(None),
            ~is_earlier_open,
            ~_is_to_be_taken_back_elsewhere(),
        )
    )


def _is_to_be_taken_back_elsewhere() -> ColumnElement[bool]:
    """Return whether an image's result is still to be taken back under another study, whose UID was corrected.

    A study on hold is not waited for: nothing is told of it, however long that takes.
    """
    earlier, image, study = aliased(MessageRecord), aliased(InstanceRecord), aliased(StudyRecord)
    own = aliased(InstanceRecord)
    return exists(
        select(earlier.id)
        .join(image, image.id == earlier.instance_id)
        .join(study, study.id == earlier.study_id)
        .join(own, own.sop_instance_uid == image.sop_instance_uid)
        .where(
            own.id == MessageRecord.instance_id,
            earlier.event == MessageEvent.RESULT_SUPERSEDED.value,
            earlier.state == DeliveryState.PENDING.value,
            earlier.destination == MessageRecord.destination,
            earlier.study_id != MessageRecord.study_id,
            earlier.id < MessageRecord.id,
            study.held_reason.is_(None),
        )
    )


def _due_message(row: MessageRecord, owner: str) -> DueMessage:
    return DueMessage(
        id=row.id,
        owner=owner,
        message_id=row.message_id,
        event=MessageEvent(row.event),
        study_instance_uid=row.instance.study.study_instance_uid,
        instance=instance_view(row.instance),
        priority=Priority(row.priority),
        priority_source=PrioritySource(row.priority_source),
        supersession=Supersession(row.supersession) if row.supersession else None,
        occurred_at=row.occurred_at,
        created_at=row.created_at,
        attempts=row.attempts,
    )
