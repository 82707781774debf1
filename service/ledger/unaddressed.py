"""Messages for receivers that the settings do not name any more: they wait for a while, and are dropped."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Engine, Select, select

from service.ledger.database import writing
from service.ledger.leases import LOCK, MESSAGES
from service.ledger.message_records import MessageRecord
from service.ledger.messages import settle
from service.ledger.records import StudyRecord
from service.ledger.rows import free_since
from service.process.clock import Clock
from service.vocabulary.facts import EventKind
from service.vocabulary.states import DeliveryState

#: What the history says of each.
_NO_RECEIVER = "the settings name no such receiver any more"
#: Most messages that are dropped in one transaction.
_AT_ONCE = 500


class Unaddressed:
    """Drops messages that nobody is there for."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def drop(self, receivers: Collection[str], older_than: timedelta) -> int:
        """Take the messages out that have waited for so long; a receiver that comes back before that is told them.

        Parameters
        ----------
        receivers
            The names of those that the settings name.

        Returns
        -------
        int
            How many were dropped; the history of the image says so of each.
        """
        now = self._clock()
        since = now - older_than
        with writing(self._engine) as session:
            rows = session.scalars(_waiting(receivers, since, now)).all()
            old = [row for row in rows if free_since(session, row.instance_id, row.created_at) < since]
            for row in old:
                settle(session, row, DeliveryState.WITHDRAWN, now, EventKind.DEAD, _NO_RECEIVER)
            return len(old)


def _waiting(receivers: Collection[str], since: datetime, now: datetime) -> Select[MessageRecord]:
    """Return messages from before a moment for receivers that are none of these; they are locked."""
    return (
        select(MessageRecord)
        .join(StudyRecord, StudyRecord.id == MessageRecord.study_id)
        .where(
            MessageRecord.state == DeliveryState.PENDING.value,
            MessageRecord.next_attempt_at.is_not(None),
            MessageRecord.destination.not_in(list(receivers)),
            MessageRecord.created_at < since,
            MESSAGES.is_free(now),
            StudyRecord.held_reason.is_(None),
        )
        # As the index of what is open has them: in the order of their numbers all that ever was would be looked at.
        .order_by(MessageRecord.destination, MessageRecord.next_attempt_at)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True, of=MessageRecord, **LOCK)
    )
