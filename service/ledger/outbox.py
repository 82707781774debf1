"""The outbox: one row for each object and destination, until the destination says that it holds the object."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Engine, Select, bindparam, select
from sqlalchemy.orm import contains_eager

from service.ledger.database import reading, told, writing
from service.ledger.deliveries import (
    ASKED,
    HOLDABLE,
    SentObject,
    confirm,
    give_up,
    miss,
    note,
    still_held,
    stop_asking,
    take,
    try_again,
)
from service.ledger.due_deliveries import DueDelivery, due_deliveries
from service.ledger.keys import Holds, assumed, name_objects
from service.ledger.leases import BY_RANK, OBJECTS
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.ledger.reports import NewReport, variant_of
from service.ledger.rows import free_since
from service.ledger.settling import settle
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind
from service.vocabulary.figures import CONFIRMED, DEAD, MISSING, SENT, TO_CONFIRMED, UNCONFIRMABLE, Tally
from service.vocabulary.states import CALLED_OFF, DeliveryState

#: States of rows that somebody may take: to send the object, or to ask whether it is held.
OPEN = (DeliveryState.PENDING, *ASKED)


class Outbox:
    """Claims deliveries and confirmations of one destination, and keeps what became of them."""

    def __init__(self, engine: Engine, clock: Clock, tally: Tally, look_again: Sequence[timedelta] = ()) -> None:
        self._look_again = look_again
        self._engine = engine
        self._clock = clock
        self._tally = tally

    def any_due(self, destination: str | None = None) -> bool:
        """Return whether an object waits to be sent to a destination, or any, or confirmed; it takes no lock."""
        with reading(self._engine) as session:
            return any(OBJECTS.any_due(session, _waiting_in(state, destination), self._clock()) for state in OPEN)

    def free_since(self, row: DueDelivery) -> datetime:
        """Return from when on an object could be sent: its study may have been on hold."""
        with reading(self._engine) as session:
            return free_since(session, row.instance_id, row.created_at)

    def next_due(self, destination: str, states: Sequence[DeliveryState] = OPEN) -> datetime | None:
        """Return when a destination's next row is due, at the earliest; a look that takes no lock."""
        with reading(self._engine) as session:
            moments = [session.scalars(_next(state, destination)).first() for state in states]
            return min((moment for moment in moments if moment is not None), default=None)

    def claim(
        self, owner: str, destination: str, state: DeliveryState, limit: int, lease: timedelta
    ) -> list[DueDelivery]:
        """Take due rows of a destination, the most urgent first: PENDING to send, SENT or CONFIRMED to ask for.

        Nothing of a study on hold is sent; what was sent before may still be confirmed.
        """
        now = self._clock()
        waiting = _waiting_in(state, destination)
        with reading(self._engine) as session:
            if not OBJECTS.any_due(session, waiting, now):
                return []
        with writing(self._engine) as session:
            order = (BY_RANK, DeliveryRecord.id)
            whole = waiting.join(ReportRecord).join(InstanceRecord).join(StudyRecord).options(*_WHOLE)
            rows = OBJECTS.claim(session, whole, order, limit, owner=owner, now=now, lease=lease)
            return due_deliveries(session, rows, owner)

    def renew(self, deliveries: Sequence[DueDelivery], lease: timedelta) -> list[DueDelivery]:
        """Begin leases anew, for a row's turn may come late in its batch; return the rows that are still held."""
        with writing(self._engine) as session:
            return OBJECTS.renew(session, deliveries, self._clock(), lease)

    def is_called_off(self, delivery: DueDelivery) -> bool:
        """Return whether, since a delivery was claimed, its study was put on hold or its report superseded."""
        # Asked before each object: no session, and a statement that is made once.
        with told(self._engine.url), self._engine.connect() as connection:
            return connection.execute(_WANTED, {"number": delivery.id}).first() is None

    def save_sent(self, sent: Sequence[SentObject]) -> tuple[DueDelivery, ...]:
        """Record that the destination took objects about one image, in one commit; return what others hold by now."""
        now = self._clock()
        with writing(self._engine) as session:
            # Called off while it was under way: that it was sent is a fact all the same.
            states = [DeliveryState.PENDING, *CALLED_OFF]
            rows = still_held(session, [item.delivery for item in sent], states)
            saved = [item for item in sent if item.delivery.id in rows]
            for item in saved:
                take(session, rows[item.delivery.id], item, now)
            settle(session, rows.values(), now)
        for item in saved:
            self._tally.count(SENT, item.delivery.destination)
            if item.unconfirmable is not None:
                self._tally.count(UNCONFIRMABLE, item.delivery.destination)
        return tuple(item.delivery for item in sent if item not in saved)

    def save_confirmed(self, deliveries: Sequence[DueDelivery]) -> tuple[DueDelivery, ...]:
        """Record that the destination says it holds objects about one image, for the first time or still.

        It is one commit; what others hold by now is returned.
        """
        now = self._clock()
        with writing(self._engine) as session:
            rows = still_held(session, deliveries, ASKED)
            words = [confirm(session, row, now, "C-FIND", self._look_again) for row in rows.values()]
            settle(session, rows.values(), now)
        for word in filter(None, words):
            self._tally.count(CONFIRMED, word.destination)
            self._tally.turn(TO_CONFIRMED, word.waited, word.source, now)
        return tuple(delivery for delivery in deliveries if delivery.id not in rows)

    def save_retry(self, delivery: DueDelivery, retry_at: datetime, status: int | None, detail: str) -> None:
        """Put off a row that could not be sent, or not be confirmed, to a later moment.

        The history tells it once for each reason: a destination may be away, or not say, for days.
        """
        now = self._clock()
        with writing(self._engine) as session:
            row = OBJECTS.held(session, delivery, HOLDABLE)
            try_again(session, row, now, retry_at, status, detail)

    def save_unconfirmable(self, delivery: DueDelivery, detail: str) -> None:
        """Stop asking for an object: its destination took it, and cannot say, or does not, whether it holds it."""
        now = self._clock()
        with writing(self._engine) as session:
            row = OBJECTS.held(session, delivery, ASKED)
            is_first, destination = stop_asking(session, row, now, detail), row.destination
            settle(session, [row], now)
        if is_first:
            self._tally.count(UNCONFIRMABLE, destination)

    def save_missing(self, delivery: DueDelivery, retry_at: datetime) -> None:
        """Send again what a destination took and does not hold: the same bytes under the same UID."""
        with writing(self._engine) as session:
            row = OBJECTS.held(session, delivery, ASKED)
            now = self._clock()
            miss(session, row, now, retry_at)
            settle(session, [row], now)
        self._tally.count(MISSING, row.destination)

    def save_dead(self, delivery: DueDelivery, status: int | None, detail: str) -> None:
        """Give a row up; the instance fails once nothing else of it is under way."""
        now = self._clock()
        with writing(self._engine) as session:
            row = OBJECTS.held(session, delivery, HOLDABLE)
            is_dead, destination = give_up(session, row, now, status, detail), row.destination
            settle(session, [row], now)
        if is_dead:
            self._tally.count(DEAD, destination)

    def release(self, delivery: DueDelivery) -> None:
        """Give a row back untried."""
        with writing(self._engine) as session:
            OBJECTS.give_back(OBJECTS.held(session, delivery, list(DeliveryState)))

    def replace(self, delivery: DueDelivery, variant: NewReport, holds: Holds = assumed) -> None:
        """Let a row carry another SOP class of its report, for a destination that does not accept the first."""
        now = self._clock()
        with writing(self._engine) as session:
            name_objects(session, [variant.object_key], holds)
            row = OBJECTS.held(session, delivery, [DeliveryState.PENDING])
            row.report = variant_of(session, row.report, variant, now)
            OBJECTS.put_off(row, now, now)
            note(session, row, now, EventKind.REPLACED, EventDetail.OTHER_CLASS)


#: What a courier is told of a row, read with it.
_WHOLE = (
    contains_eager(DeliveryRecord.report)
    .contains_eager(ReportRecord.instance)
    .load_only(InstanceRecord.study_id)
    .contains_eager(InstanceRecord.study)
    .load_only(StudyRecord.study_instance_uid),
)

#: The reports of studies on hold: a few, so they are looked up, and no look at the outbox joins what it does not need.
_HELD = (
    select(ReportRecord.id)
    .join(InstanceRecord)
    .where(InstanceRecord.study_id.in_(select(StudyRecord.id).where(StudyRecord.held_reason.is_not(None))))
)

#: A row whose object is still to be sent.
_WANTED = (
    select(DeliveryRecord.id)
    .join(ReportRecord)
    .join(InstanceRecord)
    .join(StudyRecord)
    .where(
        DeliveryRecord.id == bindparam("number"),
        DeliveryRecord.state == DeliveryState.PENDING.value,
        StudyRecord.held_reason.is_(None),
    )
)


@cache  # made once: a courier asks for it several times a second
def _waiting_in(state: DeliveryState, destination: str | None) -> Select[DeliveryRecord]:
    """Return the rows that wait to be sent, or confirmed; of a study on hold nothing is to be sent."""
    rows = select(DeliveryRecord).where(DeliveryRecord.state == state.value)
    if state is DeliveryState.PENDING:
        rows = rows.where(DeliveryRecord.report_id.not_in(_HELD))
    return rows if destination is None else rows.where(DeliveryRecord.destination == destination)


@cache
def _next(state: DeliveryState, destination: str) -> Select[datetime | None]:
    return (
        _waiting_in(state, destination)
        .with_only_columns(DeliveryRecord.next_attempt_at)
        .where(DeliveryRecord.next_attempt_at.is_not(None), DeliveryRecord.lease_until.is_(None))
        .order_by(DeliveryRecord.next_attempt_at)
        .limit(1)
    )
