"""The order of reading, with a bound on overtaking.

A study is read by its rank: its arrival minus a boost that its priority earns. A boost is at most B, so a study that
arrived more than B after another can never stand before it: nothing starves, whatever arrives.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from service.vocabulary.states import Priority


@dataclass(frozen=True)
class ReadingOrder:
    """The boost that each priority earns."""

    urgent_boost: timedelta = timedelta(hours=1)
    stat_boost: timedelta = timedelta(hours=4)

    def rank(self, arrived_at: datetime, priority: Priority) -> datetime:
        """Return the moment that a study is sorted by; the earliest is read first."""
        boosts = {Priority.ROUTINE: timedelta(0), Priority.URGENT: self.urgent_boost, Priority.STAT: self.stat_boost}
        return arrived_at - boosts[priority]

    def overtakable_until(self, rank: datetime) -> datetime:
        """Return the moment from which on no study can arrive that is read before one of this rank."""
        return rank + self.stat_boost
