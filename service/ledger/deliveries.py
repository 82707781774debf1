"""What the parts do to the rows of the outbox: claim, send, confirm."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload
from sqlalchemy.orm.attributes import set_committed_value

from service.ledger.due_deliveries import DueDelivery
from service.ledger.leases import LOCK, OBJECTS, lock_study_images
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord
from service.ledger.rows import advance, record
from service.ledger.study_documents import document_deliveries
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind
from service.vocabulary.report_kinds import STUDY_KINDS
from service.vocabulary.states import CALLED_OFF, DeliveryState, State

#: States of a row that a courier may still hold: it is called off while it is under way.
HOLDABLE = (DeliveryState.PENDING, DeliveryState.SENT, DeliveryState.CONFIRMED, *CALLED_OFF)
#: States of an image whose reports were sent, and which is analysed again all the same, on a person's word.
_AGAIN = (State.RECEIVED, State.CLAIMED, State.INFERRED)
#: Those in which a destination is asked whether it holds the object.
ASKED = (DeliveryState.SENT, DeliveryState.CONFIRMED)


@dataclass(frozen=True)
class FirstWord:
    """That a destination said for the first time that it holds an object.

    Attributes
    ----------
    waited
        How long after its image was received.
    source
        The image's calling AE title.
    """

    destination: str
    waited: timedelta
    source: str


@dataclass(frozen=True)
class SentObject:
    """An object that its destination took.

    Attributes
    ----------
    status, detail
        Of the response, and what is to be remembered of it.
    confirm_at
        When the destination is asked whether it holds the object; None when it is not asked.
    unconfirmable
        Why it cannot be asked; None where it can.
    """

    delivery: DueDelivery
    status: int
    detail: str | None = None
    confirm_at: datetime | None = None
    unconfirmable: str | None = None


def still_held(
    session: Session, deliveries: Sequence[DueDelivery], states: Collection[str]
) -> dict[int, DeliveryRecord]:
    """Return the rows about one image that their worker still holds, by number; locked, their image first (ADR 0022).

    Raises
    ------
    ValueError
        When they are about more than one image: their images would be locked in no order.
    """
    (number,) = {delivery.instance_id for delivery in deliveries}
    if any(delivery.kind in STUDY_KINDS for delivery in deliveries):
        lock_study_images(session, number)
    image = session.get_one(InstanceRecord, number, with_for_update=LOCK)
    wanted = (
        select(DeliveryRecord)
        .options(joinedload(DeliveryRecord.report, innerjoin=True))
        .where(DeliveryRecord.id.in_([delivery.id for delivery in deliveries]))
        .order_by(DeliveryRecord.id)
    )
    rows = {row.id: row for row in session.scalars(wanted.with_for_update(of=DeliveryRecord, **LOCK))}
    for row in rows.values():
        set_committed_value(row.report, "instance", image)  # it need not be read again for each
    taken = {item.id: item for item in deliveries}
    return {number: row for number, row in rows.items() if OBJECTS.is_held(row, taken[number], states)}


def take(session: Session, row: DeliveryRecord, sent: SentObject, at: datetime) -> None:
    """Record that a destination took an object."""
    row.state = DeliveryState.SENT.value
    row.status, row.detail, row.sent_at = sent.status, sent.detail, at
    row.questions = row.confirmations = 0
    note(session, row, at, EventKind.SENT, EventDetail.SENT, status=f"0x{sent.status:04X}")
    if sent.unconfirmable is not None:
        stop_asking(session, row, at, sent.unconfirmable)
    elif sent.confirm_at is None:
        OBJECTS.settle(row)
    else:
        OBJECTS.put_off(row, sent.confirm_at, at)


def try_again(
    session: Session, row: DeliveryRecord, at: datetime, retry_at: datetime, status: int | None, detail: str
) -> None:
    """Put off an object that could not be sent, or not be confirmed; one that was called off meanwhile is let go."""
    if row.state in CALLED_OFF:
        OBJECTS.settle(row)
        return
    if row.detail != detail:
        note(session, row, at, EventKind.PUT_OFF, EventDetail.NOT_SENT, error=detail)
    if row.state == DeliveryState.PENDING.value:
        row.status = status
    row.detail = detail
    OBJECTS.put_off(row, retry_at, at)


def give_up(session: Session, row: DeliveryRecord, at: datetime, status: int | None, detail: str) -> bool:
    """Give an object up, and return whether a person is called for it.

    For one that was called off meanwhile none is: `auscult retry` would send what does not hold any more.
    """
    OBJECTS.settle(row)
    if row.state in CALLED_OFF:
        return False
    row.state, row.status, row.detail = DeliveryState.DEAD.value, status, detail
    note(session, row, at, EventKind.DEAD, EventDetail.NOT_SENT, error=detail)
    return True


def stop_asking(session: Session, row: DeliveryRecord, at: datetime, detail: str) -> bool:
    """Record that a destination cannot say, or does not, whether it holds an object; return whether it never said."""
    is_first = row.state == DeliveryState.SENT.value
    if is_first:
        row.state = DeliveryState.UNCONFIRMABLE.value
    row.detail = detail
    OBJECTS.settle(row)
    note(session, row, at, EventKind.NOT_CONFIRMABLE, EventDetail.NOT_CONFIRMABLE, error=detail)
    return is_first


def note(
    session: Session, row: DeliveryRecord, at: datetime, event: EventKind, detail: EventDetail, **values: str
) -> None:
    """Write a line of the history of the image that a row's report is about: which report, where, and `values`."""
    facts = detail.of(report=row.report.kind, destination=row.destination, **values)
    record(session, row.report.instance, at, event, facts)


def confirm(
    session: Session, row: DeliveryRecord, at: datetime, by: str, look_again: Sequence[timedelta]
) -> FirstWord | None:
    """Record that a destination says it holds an object, and by which service it said so.

    Parameters
    ----------
    look_again
        How long after the first time it is asked again: it may lose what it took.

    Returns
    -------
    FirstWord or None
        None when it had said so before.
    """
    is_first = row.state != DeliveryState.CONFIRMED.value
    if is_first:
        row.state, row.confirmed_at, row.confirmations = DeliveryState.CONFIRMED.value, at, 0
    row.detail, row.questions, row.confirmations = None, 0, (row.confirmations or 0) + 1
    if row.confirmations <= len(look_again):
        OBJECTS.put_off(row, max(at, (row.confirmed_at or at) + look_again[row.confirmations - 1]), at)
    else:
        OBJECTS.settle(row)
    event = EventKind.CONFIRMED if is_first else EventKind.STILL_HELD
    note(session, row, at, event, EventDetail.CONFIRMED, service=by)
    if not is_first:
        return None
    image = row.report.instance
    return FirstWord(row.destination, at - image.received_at, image.calling_ae_title)


def miss(session: Session, row: DeliveryRecord, at: datetime, retry_at: datetime) -> None:
    """Send again what a destination took and does not hold.

    A report whose place another has taken is not: it would arrive after the one that supersedes it.
    """
    instance = row.report.instance
    # Its instance is locked, so that a version that supersedes it sees the row before or after this change.
    if instance.state == State.SUPERSEDED.value or _is_replaced(session, row):
        row.state = DeliveryState.WITHDRAWN.value
        OBJECTS.settle(row)
        note(session, row, at, EventKind.MISSING, EventDetail.MISSING_SUPERSEDED)
        return
    row.state, row.detail = DeliveryState.PENDING.value, "the destination does not hold it; sent again"
    OBJECTS.put_off(row, retry_at, at)
    note(session, row, at, EventKind.MISSING, EventDetail.MISSING)
    if instance.state == State.DELIVERED.value:
        lost = EventDetail.LOST.of(destination=row.destination)
        advance(session, instance, State.REPORTED, at, EventKind.REDELIVERY, lost)


def _is_replaced(session: Session, row: DeliveryRecord) -> bool:
    """Return whether another report has taken a report's place at its destination, or is about to."""
    report, image = row.report, row.report.instance
    if report.kind in STUDY_KINDS:
        later = document_deliveries(image.study_id)
    elif image.state in _AGAIN:
        return True
    else:
        of_image = (ReportRecord.instance_id == image.id, ReportRecord.kind == report.kind)
        later = select(DeliveryRecord).join(ReportRecord).where(*of_image)
    later = later.where(DeliveryRecord.destination == row.destination, DeliveryRecord.id > row.id)
    return session.scalars(later.limit(1)).first() is not None
