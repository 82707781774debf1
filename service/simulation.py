"""What an order of reading does to waiting times: a site's arrivals through first-come, our order and strict priority.

Readers take the study that stands first whenever one of them is free, and finish it before they take another. How long
each takes is scaled, so that the same arrivals meet any load: the share of the time for which the readers are busy.
"""

import heapq
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from service.vocabulary.facts import Discipline
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority

#: Gaps between two readings that are longer are pauses.
_PAUSE_S = 1800.0
#: Readings that are enough to draw from.
_ENOUGH = 30


@dataclass(frozen=True)
class Case:
    """A study: when it arrived, how urgent it is, and how many seconds its reading takes."""

    arrived_at: datetime
    priority: Priority
    reading_s: float


@dataclass(frozen=True)
class Waits:
    """Waiting times of one class, in seconds from arrival to the begin of reading."""

    studies: int
    mean: float
    p95: float
    longest: float


def scaled(cases: Sequence[Case], load: float, readers: int) -> list[Case]:
    """Return cases whose readings keep so many readers busy for a share of the time in which the cases arrive.

    Raises
    ------
    ValueError
        When there are fewer than two moments of arrival.
    """
    span = (max(case.arrived_at for case in cases) - min(case.arrived_at for case in cases)).total_seconds()
    if not span:
        raise ValueError("all studies arrived at the same moment")
    factor = load * span * readers / sum(case.reading_s for case in cases)
    return [replace(case, reading_s=case.reading_s * factor) for case in cases]


def begins(cases: Sequence[Case], discipline: Discipline, order: ReadingOrder, readers: int = 1) -> list[datetime]:
    """Return when the reading of each case begins, in the order of the cases."""
    if not cases:
        return []
    rank = _ranks(order)[discipline]
    coming = sorted(range(len(cases)), key=lambda number: cases[number].arrived_at, reverse=True)
    waiting: list[tuple[datetime | tuple[int, datetime], datetime, int]] = []
    now = min(case.arrived_at for case in cases)
    free = [now] * readers
    begun: dict[int, datetime] = {}
    while coming or waiting:
        # A reader who was free before has waited until now: nobody begins what had not arrived.
        now = max(now, heapq.heappop(free))
        if not waiting:
            now = max(now, cases[coming[-1]].arrived_at)
        while coming and cases[coming[-1]].arrived_at <= now:
            number = coming.pop()
            heapq.heappush(waiting, (rank(cases[number]), cases[number].arrived_at, number))
        _, _, number = heapq.heappop(waiting)
        begun[number] = now
        heapq.heappush(free, now + timedelta(seconds=cases[number].reading_s))
    return [begun[number] for number in range(len(cases))]


def _ranks(order: ReadingOrder) -> Mapping[Discipline, Callable[[Case], datetime | tuple[int, datetime]]]:
    return {
        Discipline.FIRST_COME: lambda case: case.arrived_at,
        Discipline.OURS: lambda case: order.rank(case.arrived_at, case.priority),
        Discipline.STRICT: lambda case: (-int(case.priority), case.arrived_at),
    }


def waits(cases: Sequence[Case], begun: Sequence[datetime]) -> Iterator[tuple[Priority | None, Waits]]:
    """Yield the waiting times of each class, the most urgent first, and at last those of all together."""
    seconds = [(begin - case.arrived_at).total_seconds() for case, begin in zip(cases, begun, strict=True)]
    classes = sorted({case.priority for case in cases}, reverse=True)
    for wanted in (*classes, None):
        own = sorted(wait for case, wait in zip(cases, seconds, strict=True) if wanted in (None, case.priority))
        yield wanted, Waits(len(own), sum(own) / len(own), own[min(int(0.95 * len(own)), len(own) - 1)], own[-1])


def reading_times(read_at: Sequence[datetime], count: int, seed: int = 1) -> list[float]:
    """Return plausible seconds that readings take: drawn from the gaps between readings, or exponential without many.

    Parameters
    ----------
    read_at
        When studies were read.
    """
    drawn = random.Random(seed)  # noqa: S311 - a simulation is repeatable
    moments = sorted(read_at)
    between = [(after - before).total_seconds() for before, after in pairwise(moments)]
    gaps = [gap for gap in between if 0 < gap < _PAUSE_S]
    if len(gaps) < _ENOUGH:
        return [drawn.expovariate(1.0) for _ in range(count)]
    return drawn.choices(gaps, k=count)
