"""What the ledger does about clocks that are set: pauses, leases and claims keep their length, and somebody is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, select

from service.ledger.counts import ClockStepRecord
from service.ledger.database import reading, writing
from service.ledger.leases import IMAGES, LOCK, MESSAGES, OBJECTS, REQUESTS, WORK_ITEM_EVENTS, Lease, is_under_way
from service.ledger.message_records import MessageRecord
from service.ledger.records import (
    CommitmentRequestRecord,
    DeliveryRecord,
    EventRecord,
    InstanceRecord,
)
from service.ledger.work_item_records import WorkItemEventRecord, WorkItemRecord
from service.process.clock import Clock, ClockStep
from service.texts import Sentence
from service.vocabulary.states import CommitmentState

#: For how long it is told that a clock was set.
_TOLD_FOR = timedelta(days=1)
#: Clocks of two machines may differ by so much.
_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True)
class ClockView:
    """What is known of the clocks of a site.

    Attributes
    ----------
    steps
        When which machine's clock was set, and by how many seconds, within the last day.
    ahead
        By how much the ledger's last entry lies in the future; None when it does not.
    """

    steps: tuple[tuple[str, ClockStep], ...]
    ahead: timedelta | None

    @property
    def is_steady(self) -> bool:
        """Whether nothing is known against the clocks."""
        return not self.steps and self.ahead is None

    @property
    def sentence(self) -> Sentence:
        """What is known, in one sentence."""
        told = [
            Sentence(
                "found.clock_forward" if step.seconds > 0 else "found.clock_back",
                host=host,
                seconds=round(abs(step.seconds)),
                moment=f"{step.at:%Y-%m-%d %H:%M:%S}",
            )
            for host, step in self.steps
        ]
        if self.ahead is not None:
            told.append(Sentence("found.clock_behind", seconds=round(self.ahead.total_seconds())))
        if not told:
            return Sentence("found.clock_steady")
        return reduce(lambda first, second: Sentence("found.both", first=first, second=second), told)

    def __str__(self) -> str:
        return str(self.sentence)


class Timekeeping:
    """Records that a clock was set, and rights what was timed by it.

    Parameters
    ----------
    claim_limit
        How long a claim of a work item stands at most, from when anything was heard of its performer.
    """

    def __init__(self, engine: Engine, clock: Clock, claim_limit: timedelta) -> None:
        self._engine = engine
        self._clock = clock
        self._claim_limit = claim_limit

    def note(self, steps: Sequence[ClockStep], host: str) -> None:
        """Record that a machine's clock was set; what waits has not waited for longer because of it."""
        # Backwards needs nothing: what waits only seems younger, and is given up later.
        forward = timedelta(seconds=max(0.0, sum(step.seconds for step in steps)))
        with writing(self._engine) as session:
            session.add_all([ClockStepRecord(at=step.at, seconds=step.seconds, host=host[:64]) for step in steps])
            if forward:
                objects = session.scalars(select(DeliveryRecord).where(DeliveryRecord.next_attempt_at.is_not(None)))
                messages = session.scalars(select(MessageRecord).where(MessageRecord.next_attempt_at.is_not(None)))
                for row in (*objects, *messages):
                    # Only the age that giving up is reckoned from.
                    row.created_at += forward
        if forward:
            self._move_claims(WorkItemRecord.claimed_until.is_not(None), forward)

    def rewind(self) -> int:
        """Cap each lease, pause and claim set in the future against its own length; return how many there were."""
        now, found = self._clock(), 0
        # A claim is as long as any other, so one that ends later than a new one would was set by a clock ahead.
        is_ahead = WorkItemRecord.claimed_until > now + self._claim_limit + _TOLERANCE
        with reading(self._engine) as session:
            has_claims = session.scalars(select(WorkItemRecord.id).where(is_ahead).limit(1)).first() is not None
            has_rows = any(session.scalars(ahead.limit(1)).first() for _, ahead in _ahead(now))
        if has_claims:
            found += self._move_claims(is_ahead, timedelta(0))
        if not has_rows:
            return found
        with writing(self._engine) as session:
            for queue, ahead in _ahead(now):
                for row in session.scalars(ahead.with_for_update(skip_locked=True, **LOCK)):
                    queue.rewind(row, now)
                    found += 1
        return found

    def _move_claims(self, which: ColumnElement[bool], by: timedelta) -> int:
        """Have claims end later, though never later than one that begins now; return how many there were."""
        # A transaction of its own, which holds work items alone: nobody waits for it in a circle.
        with writing(self._engine) as session:
            latest = self._clock() + self._claim_limit
            claimed = select(WorkItemRecord).where(which).order_by(WorkItemRecord.id)
            rows = session.scalars(claimed.with_for_update(**LOCK)).all()
            for row in rows:
                if row.claimed_until is not None:
                    row.claimed_until = min(row.claimed_until + by, latest)
            return len(rows)

    def view(self) -> ClockView:
        """Return what is known of the clocks; a look that takes no lock."""
        now = self._clock()
        with reading(self._engine) as session:
            last = session.scalars(select(EventRecord.at).order_by(EventRecord.id.desc()).limit(1)).first()
            rows = session.scalars(select(ClockStepRecord).order_by(ClockStepRecord.id.desc()).limit(10)).all()
            steps = tuple((row.host, ClockStep(row.at, row.seconds)) for row in rows if abs(now - row.at) < _TOLD_FOR)
        return ClockView(steps, last - now if last is not None and last > now + _TOLERANCE else None)


def _ahead(now: datetime) -> list[tuple[Lease[Any], Select[Any]]]:
    """Return what was timed in the future, of each queue; only what is open is looked at."""
    images, objects, messages, requests = InstanceRecord, DeliveryRecord, MessageRecord, CommitmentRequestRecord
    return [
        (IMAGES, IMAGES.ahead(select(images).where(is_under_way()), now)),
        (IMAGES, IMAGES.ahead(select(images).where(images.reports_due.is_(True)), now)),
        (OBJECTS, OBJECTS.ahead(select(objects).where(objects.next_attempt_at.is_not(None)), now)),
        (MESSAGES, MESSAGES.ahead(select(messages).where(messages.next_attempt_at.is_not(None)), now)),
        (WORK_ITEM_EVENTS, WORK_ITEM_EVENTS.ahead(select(WorkItemEventRecord), now)),
        (REQUESTS, REQUESTS.ahead(select(requests).where(requests.state == CommitmentState.WAITING.value), now)),
    ]
