"""Figures: adds what a process has counted to the sums of the whole site."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Engine, Insert, select
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.counts import FigureRecord, TurnaroundRecord
from service.ledger.database import reading, writing
from service.ledger.flushing import flushed
from service.vocabulary.errors import Unavailable
from service.vocabulary.figures import FigureKey, Tally
from service.vocabulary.turnaround import TurnaroundKey

_INSERT: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Figures:
    """The sums, and this process's own tally."""

    def __init__(self, engine: Engine, tally: Tally) -> None:
        self._engine = engine
        self.tally = tally

    def flush(self) -> None:
        """Bring the tally to the ledger.

        Raises
        ------
        LedgerUnavailable
            When the database cannot take it; the counts are kept for the next time.
        """
        counts, turnarounds = self.tally.take(), self.tally.take_turnarounds()
        if not counts and not turnarounds:
            return
        try:
            with writing(self._engine) as session:
                if counts:
                    session.execute(self._summed(counts))
                if turnarounds:
                    session.execute(self._added(turnarounds))
        except Unavailable:
            self.tally.add(counts)
            self.tally.add_turnarounds(turnarounds)
            raise

    def _summed(self, counts: dict[FigureKey, float]) -> Insert:
        # In one order for all processes, so that no two wait for each other.
        rows = [{"name": name, "label": label, "value": counts[name, label]} for name, label in sorted(counts)]
        statement = _INSERT[self._engine.dialect.name](FigureRecord).values(rows)
        summed: Insert = statement.on_conflict_do_update(
            index_elements=[FigureRecord.name, FigureRecord.label],
            set_={"value": FigureRecord.value + statement.excluded.value},
        )
        return summed

    def _added(self, turnarounds: Counter[TurnaroundKey]) -> Insert:
        row = TurnaroundRecord
        rows = [
            {"figure": figure, "hour": hour, "source": source, "bucket": bucket, "count": turnarounds[key]}
            for key in sorted(turnarounds)
            for figure, hour, source, bucket in (key,)
        ]
        statement = _INSERT[self._engine.dialect.name](row).values(rows)
        added: Insert = statement.on_conflict_do_update(
            index_elements=[row.hour, row.figure, row.source, row.bucket],
            set_={"count": row.count + statement.excluded.count},
        )
        return added

    def totals(self) -> dict[FigureKey, float]:
        """Return the sums of all processes."""
        with reading(self._engine) as session:
            return {(row.name, row.label): row.value for row in session.scalars(select(FigureRecord))}

    def kept(self) -> AbstractContextManager[None]:
        """Bring the tally to the ledger every few seconds, and at the end."""
        return flushed(self.flush, "figures")
