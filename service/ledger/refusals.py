"""Refusals: who was not let in, or not with what it proposed, for a person to see which setting to change.

Strangers decide what stands here, so the table is bounded: the newest rows of each address, and the newest of all.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.counts import RefusalRecord
from service.ledger.database import reading, writing
from service.ledger.flushing import flushed
from service.process.clock import Clock
from service.vocabulary.errors import Unavailable
from service.vocabulary.figures import ASSOCIATIONS_REFUSED, CONTEXTS_REFUSED, Tally
from service.vocabulary.refusals import Refusal, RefusalReason

_INSERT: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_KEY = ("reason", "address", "calling_ae_title", "called_ae_title", "sop_class_uid")
#: Most rows of refused associations, most of them of one address, and the same of presentation contexts, of which some
#: senders propose a hundred at once; and for how long a row that is not repeated stays.
MOST_ROWS = 200
MOST_OF_AN_ADDRESS = 40
MOST_CONTEXTS = 400
MOST_CONTEXTS_OF_AN_ADDRESS = 128
_BOUNDS = {False: (MOST_ROWS, MOST_OF_AN_ADDRESS), True: (MOST_CONTEXTS, MOST_CONTEXTS_OF_AN_ADDRESS)}
_KEPT_FOR = timedelta(days=30)
#: Most distinct refusals between two visits to the ledger; others are in the figures alone.
_MOST_WAITING = 1000


@dataclass(frozen=True)
class RecordedRefusal:
    """A refusal, how often it came, and when first and last."""

    refusal: Refusal
    count: int
    first_at: datetime
    last_at: datetime


class Refusals:
    """Counts refusals in this process, and brings them to the ledger."""

    def __init__(self, engine: Engine, clock: Clock, tally: Tally) -> None:
        self._engine = engine
        self._clock = clock
        self._tally = tally
        self._lock = threading.Lock()
        self._waiting: Counter[Refusal] = Counter()

    def note(self, refusal: Refusal) -> None:
        """Count a refusal; it is in the ledger a few seconds later."""
        figure = CONTEXTS_REFUSED if refusal.reason.is_of_context else ASSOCIATIONS_REFUSED
        self._tally.count(figure, refusal.reason)
        self._add({refusal: 1})

    def flush(self) -> None:
        """Bring the counts to the ledger.

        Raises
        ------
        LedgerUnavailable
            When the database cannot take them; they are kept for the next time.
        """
        with self._lock:
            counts, self._waiting = self._waiting, Counter()
        if not counts:
            return
        now = self._clock()
        # In one order for all processes, so that no two wait for each other.
        keys = [(refusal, {name: getattr(refusal, name) for name in _KEY}) for refusal in sorted(counts)]
        rows = [key | {"count": counts[refusal], "first_at": now, "last_at": now} for refusal, key in keys]
        statement = _INSERT[self._engine.dialect.name](RefusalRecord).values(rows)
        added = statement.on_conflict_do_update(
            index_elements=_KEY,
            set_={"count": RefusalRecord.count + statement.excluded.count, "last_at": statement.excluded.last_at},
        )
        try:
            with writing(self._engine) as session:
                session.execute(added)
        except Unavailable:
            self._add(counts)
            raise
        self._forget_oldest(now)

    def kept(self) -> AbstractContextManager[None]:
        """Bring the counts to the ledger every few seconds, and at the end."""
        return flushed(self.flush, "refusals")

    def recent(self, since: datetime | None = None) -> Sequence[RecordedRefusal]:
        """Return what was refused, the latest first; `since` leaves out what has not come again from then on."""
        newest = select(RefusalRecord).order_by(RefusalRecord.last_at.desc(), RefusalRecord.id.desc())
        if since is not None:
            newest = newest.where(RefusalRecord.last_at >= since)
        with reading(self._engine) as session:
            return [_recorded(row) for row in session.scalars(newest.limit(MOST_ROWS + MOST_CONTEXTS))]

    def _add(self, counts: dict[Refusal, int]) -> None:
        with self._lock:
            for refusal, number in counts.items():
                # Whoever makes up a new AE title each second must not fill the memory.
                if refusal in self._waiting or len(self._waiting) < _MOST_WAITING:
                    self._waiting[refusal] += number

    def _forget_oldest(self, now: datetime) -> None:
        newest = select(
            RefusalRecord.id, RefusalRecord.address, RefusalRecord.sop_class_uid != "", RefusalRecord.last_at
        ).order_by(RefusalRecord.last_at.desc(), RefusalRecord.id.desc())
        with writing(self._engine) as session:
            kept, gone = Counter[tuple[bool, str]](), []
            for number, address, is_context, last_at in session.execute(newest):
                most, most_of_address = _BOUNDS[bool(is_context)]
                of_all, of_address = (bool(is_context), ""), (bool(is_context), address)
                if last_at < now - _KEPT_FOR or kept[of_all] >= most or kept[of_address] >= most_of_address:
                    gone.append(number)
                else:
                    kept.update((of_all, of_address))
            if gone:
                session.execute(delete(RefusalRecord).where(RefusalRecord.id.in_(gone)))


def _recorded(row: RefusalRecord) -> RecordedRefusal:
    refusal = Refusal(
        RefusalReason(row.reason), row.address, row.calling_ae_title, row.called_ae_title, row.sop_class_uid
    )
    return RecordedRefusal(refusal, row.count, row.first_at, row.last_at)
