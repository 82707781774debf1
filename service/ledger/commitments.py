"""Commitment: what we ask a destination to commit to, and what it answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.ledger.database import writing
from service.ledger.deliveries import ASKED, FirstWord, confirm, note
from service.ledger.due_deliveries import DueDelivery
from service.ledger.leases import OBJECTS, lock_delivery, lock_images
from service.ledger.records import CommitmentItemRecord, CommitmentRecord, DeliveryRecord
from service.ledger.settling import settle
from service.process.clock import Clock
from service.vocabulary.commitment import FINAL_REASONS
from service.vocabulary.errors import LeaseLost
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind
from service.vocabulary.figures import CONFIRMED, TO_CONFIRMED, Tally
from service.vocabulary.states import DeliveryState


@dataclass(frozen=True)
class Answered:
    """What became of an answer: how many objects it confirmed, and how many the destination does not commit to."""

    confirmed: int
    failed: int


class Commitments:
    """Opens transactions of storage commitment, and takes their answers from whatever association they come on."""

    def __init__(self, engine: Engine, clock: Clock, tally: Tally, look_again: Sequence[timedelta] = ()) -> None:
        self._look_again = look_again
        self._engine = engine
        self._clock = clock
        self._tally = tally

    def open(
        self, transaction_uid: str, destination: str, deliveries: Sequence[DueDelivery], ask_again_at: datetime
    ) -> list[DueDelivery]:
        """Record a transaction before it is asked for; the answer may come before the request's response.

        The rows' leases end: whoever gets the answer settles them. Without one they are due again at `ask_again_at`.

        Returns
        -------
        list of DueDelivery
            The rows that the transaction is about: a late answer to an earlier one may have settled the others.
        """
        now = self._clock()
        asked = []
        with writing(self._engine) as session:
            commitment = CommitmentRecord(transaction_uid=transaction_uid, destination=destination, requested_at=now)
            # In one order everywhere, so that nobody waits for another in a circle.
            for delivery in sorted(deliveries, key=lambda delivery: delivery.id):
                try:
                    row = OBJECTS.held(session, delivery, ASKED)
                except LeaseLost:
                    continue
                OBJECTS.put_off(row, ask_again_at, now)
                row.detail = "the destination was asked to commit to it and has not answered yet"
                commitment.items.append(CommitmentItemRecord(delivery_id=row.id))
                note(session, row, now, EventKind.COMMITMENT_REQUESTED, EventDetail.ASKED)
                asked.append(delivery)
            if asked:
                session.add(commitment)
        return asked

    def postpone(self, transaction_uid: str, retry_at: datetime, detail: str) -> None:
        """Record that a destination did not take a request: its rows are due again at `retry_at`."""
        now = self._clock()
        with writing(self._engine) as session:
            items = _items(session, transaction_uid)
            lock_images(session, [item.delivery_id for item in items])
            for item in items:
                row = lock_delivery(session, item.delivery_id)
                # The response may have been lost, and the answer have come all the same.
                if row is not None and _is_awaited(row):
                    row.next_attempt_at, row.timed_at, row.detail = retry_at, now, detail
                    note(session, row, now, EventKind.PUT_OFF, EventDetail.NOT_SENT, error=detail)

    def answer(
        self, transaction_uid: str, held: Collection[str], failed: Mapping[str, int], answered_by: str
    ) -> Answered | None:
        """Take an answer: what is held is confirmed; what is not, for a final reason, becomes due at once.

        An answer that comes late, or twice, changes nothing that a later one settled.

        Parameters
        ----------
        held
            SOP Instance UIDs that the destination commits to.
        failed
            The Failure Reason (0008,1197) of the others.

        Returns
        -------
        Answered or None
            None when no transaction of ours has this UID.
        """
        now = self._clock()
        words: list[FirstWord | None] = []
        with writing(self._engine) as session:
            commitment = session.scalars(
                select(CommitmentRecord).where(CommitmentRecord.transaction_uid == transaction_uid).with_for_update()
            ).one_or_none()
            if commitment is None:
                return None
            commitment.answered_at, commitment.answered_by = now, answered_by
            confirmed = failures = 0
            items = _items(session, transaction_uid)
            lock_images(session, [item.delivery_id for item in items])
            for item in items:
                row = lock_delivery(session, item.delivery_id)
                if row is None:
                    continue
                uid = row.report.sop_instance_uid
                if uid in failed:
                    failures += 1
                    item.failure_reason = failed[uid]
                    if _is_awaited(row) and _is_latest(session, item):
                        if failed[uid] in FINAL_REASONS:
                            row.next_attempt_at = now
                        row.detail = f"the destination does not commit to it: reason 0x{failed[uid]:04X}"
                        note(
                            session,
                            row,
                            now,
                            EventKind.NOT_COMMITTED,
                            EventDetail.NOT_COMMITTED,
                            failure=f"0x{failed[uid]:04X}",
                        )
                elif uid in held:
                    confirmed += 1
                    if _is_awaited(row) or row.state == DeliveryState.UNCONFIRMABLE.value:
                        words.append(confirm(session, row, now, "storage commitment", self._look_again))
                        settle(session, [row], now)
        for word in filter(None, words):
            self._tally.count(CONFIRMED, word.destination)
            self._tally.turn(TO_CONFIRMED, word.waited, word.source, now)
        return Answered(confirmed, failures)


def _items(session: Session, transaction_uid: str) -> Sequence[CommitmentItemRecord]:
    return session.scalars(
        select(CommitmentItemRecord)
        .join(CommitmentRecord)
        .where(CommitmentRecord.transaction_uid == transaction_uid)
        .order_by(CommitmentItemRecord.delivery_id)
    ).all()


def _is_awaited(row: DeliveryRecord) -> bool:
    """Return whether the destination was asked for an object and has not said yet."""
    return row.state == DeliveryState.SENT.value or (row.state == DeliveryState.CONFIRMED.value and bool(row.questions))


def _is_latest(session: Session, item: CommitmentItemRecord) -> bool:
    """Return whether no later transaction asks for the same object."""
    later = select(CommitmentItemRecord.id).where(
        CommitmentItemRecord.delivery_id == item.delivery_id, CommitmentItemRecord.id > item.id
    )
    return session.scalars(later.limit(1)).first() is None
