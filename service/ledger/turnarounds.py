"""How long things took, by source and by hour: what the page, a monitor and the alarms say of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import Engine, delete, func, select

from service.ledger.counts import TurnaroundRecord
from service.ledger.database import reading, writing
from service.process.clock import Clock
from service.vocabulary.turnaround import hour_of, quantile

_Key = TypeVar("_Key", str, datetime)


@dataclass(frozen=True)
class Turnaround:
    """How long the waits of one kind took.

    Attributes
    ----------
    figure
        The name of the figure, as in `service.vocabulary.figures`.
    count
        How many waits ended.
    median, p95
        What half of them, and 95 % of them, did not exceed; within 5 % of the wait.
    """

    figure: str
    count: int
    median: timedelta
    p95: timedelta


@dataclass(frozen=True)
class Late:
    """That 95 % of the waits of one source, in this hour and the one before, took longer than their target."""

    source: str
    turnaround: Turnaround
    target: timedelta


class Turnarounds:
    """Looks at the waits that ended, and forgets old ones."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def by_source(self, span: timedelta) -> dict[str, dict[str, Turnaround]]:
        """Return the turnarounds of the last hours by source, in alphabetical order, and by figure."""
        row = TurnaroundRecord
        asked = select(row.source, row.figure, row.bucket, func.sum(row.count)).where(row.hour > self._before(span))
        grouped = asked.group_by(row.source, row.figure, row.bucket).order_by(row.source)
        with reading(self._engine) as session:
            return _together((key, figure, bucket, count) for key, figure, bucket, count in session.execute(grouped))

    def by_hour(self, span: timedelta, source: str | None = None) -> dict[datetime, dict[str, Turnaround]]:
        """Return the turnarounds of the last hours, the newest hour first, of one source or of all, and by figure."""
        row = TurnaroundRecord
        asked = select(row.hour, row.figure, row.bucket, func.sum(row.count)).where(row.hour > self._before(span))
        if source is not None:
            asked = asked.where(row.source == source)
        grouped = asked.group_by(row.hour, row.figure, row.bucket).order_by(row.hour.desc())
        with reading(self._engine) as session:
            return _together((key, figure, bucket, count) for key, figure, bucket, count in session.execute(grouped))

    def late(self, targets: Mapping[str, timedelta], least: int) -> list[Late]:
        """Return who waits for longer than the targets allow.

        Parameters
        ----------
        targets
            What 95 % of the waits may take, by the name of the figure.
        least
            Of fewer waits in the two hours nothing is said.
        """
        return [
            Late(source, turnaround, targets[figure])
            for source, found in self.by_source(timedelta(hours=2)).items()
            for figure, turnaround in found.items()
            if figure in targets and turnaround.count >= least and turnaround.p95 > targets[figure]
        ]

    def forget(self, older_than: timedelta) -> None:
        """Remove the hours that ended longer ago; a look that takes no lock where there are none."""
        is_old = TurnaroundRecord.hour < self._clock() - older_than
        with reading(self._engine) as session:
            if session.scalars(select(TurnaroundRecord.hour).where(is_old).limit(1)).first() is None:
                return
        with writing(self._engine) as session:
            session.execute(delete(TurnaroundRecord).where(is_old))

    def _before(self, span: timedelta) -> datetime:
        """Return the last hour that does not count; the running hour is the last that does."""
        return hour_of(self._clock()) - span


def _together(rows: Iterable[tuple[_Key, str, int, int]]) -> dict[_Key, dict[str, Turnaround]]:
    """Return the turnarounds of rows (key, figure, bucket, count), the keys in the order in which they come."""
    buckets: dict[_Key, defaultdict[str, Counter[int]]] = {}
    for key, figure, bucket, count in rows:
        buckets.setdefault(key, defaultdict(Counter))[figure][bucket] += int(count)
    return {key: {figure: _of(figure, counts) for figure, counts in found.items()} for key, found in buckets.items()}


def _of(figure: str, counts: Counter[int]) -> Turnaround:
    return Turnaround(figure, counts.total(), quantile(counts, 0.5), quantile(counts, 0.95))
