"""The figures desk: adds what a process has counted to the sums of the whole site."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from service.ledger.database import reading, writing
from service.ledger.records import FigureRecord
from service.vocabulary.errors import Unavailable
from service.vocabulary.figures import Key, Tally

_INSERT: dict[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
#: Seconds between two visits to the ledger.
_EVERY_S = 5.0


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
        counts = self.tally.take()
        if not counts:
            return
        # In one order for all processes, so that no two wait for each other.
        rows = [{"name": name, "label": label, "value": counts[name, label]} for name, label in sorted(counts)]
        statement = _INSERT[self._engine.dialect.name](FigureRecord).values(rows)
        added = statement.on_conflict_do_update(
            index_elements=[FigureRecord.name, FigureRecord.label],
            set_={"value": FigureRecord.value + statement.excluded.value},
        )
        try:
            with writing(self._engine) as session:
                session.execute(added)
        except Unavailable:
            self.tally.add(counts)
            raise

    def totals(self) -> dict[Key, float]:
        """Return the sums of all processes."""
        with reading(self._engine) as session:
            return {(row.name, row.label): row.value for row in session.scalars(select(FigureRecord))}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Bring the tally to the ledger every few seconds, and at the end."""
        ended = threading.Event()
        thread = threading.Thread(target=self._keep, args=(ended,), name="figures", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _keep(self, ended: threading.Event) -> None:
        is_last = False
        while not is_last:
            is_last = ended.wait(_EVERY_S)
            try:
                self.flush()
            except Unavailable:
                continue  # figures are worth no alarm of their own: whoever needs the ledger says that it is away
