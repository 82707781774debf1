"""Retention: what is settled goes by age or to make room, and what nobody names is cleared away.

Off unless a limit is set, for what is removed does not come back. The order survives a crash: the rows say "removed",
then the object is removed; whatever a crash leaves behind is found by going round the store, one part at a time.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import cycle, islice

from service.audit import AuditTrail, events
from service.ledger import Ledger
from service.ledger.retention import Marked
from service.objects import ObjectStore
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.settings import RetentionSettings

log = get_logger(__name__)

#: An object that was written since then may belong to a row that is about to be written.
SETTLING = timedelta(hours=1)
_LISTED = 500
_PARTS = tuple(f"{number:02x}" for number in range(256))
_KEY = re.compile(r"[0-9a-f]{64}")


@dataclass
class Removed:
    """What one round removed.

    Attributes
    ----------
    by_age, by_watermark, orphans
        Objects, received images and reports alike.
    bytes
        What they took on the store.
    """

    by_age: int = 0
    by_watermark: int = 0
    orphans: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        return (
            f"{self.by_age} by age, {self.by_watermark} by watermark, {self.orphans} that no row needs; "
            f"{self.bytes / 2**20:.1f} MiB"
        )


@dataclass
class RetentionRounds:
    """Removes what may go; several at once do no harm.

    Attributes
    ----------
    trail
        Where what is removed is noted, by patient.
    batch
        Images that are marked, and then removed, at a time.
    """

    settings: RetentionSettings
    ledger: Ledger
    store: ObjectStore
    trail: AuditTrail
    clock: Clock = utc_now
    batch: int = 20
    _parts: Iterator[str] = field(default_factory=lambda: cycle(_PARTS))
    _is_stuck: bool = False

    def once(self, parts: int = 1) -> Removed:
        """Go round once, and look for orphans in so many of the store's 256 parts.

        Raises
        ------
        LedgerUnavailable, StoreUnavailable
            When the ledger or the store does not answer; nothing is lost, and the next round goes on.
        """
        removed = Removed()
        self._by_age(removed)
        self._by_watermark(removed)
        for part in islice(self._parts, parts):
            self._orphans(part, removed)
        if removed.bytes:
            log.info("removed objects: %s", removed)
        return removed

    def _by_age(self, removed: Removed) -> None:
        days = self.settings.after_days
        if days is None:
            return
        while keys := self._mark(timedelta(days=days)):
            removed.by_age += self._remove(keys, removed)

    def _by_watermark(self, removed: Removed) -> None:
        """Remove the oldest, down to the low watermark, once the high one is passed."""
        high = self.settings.high_watermark
        if high is None:
            return
        used = self._used_share(removed)
        share = used()
        if share <= high:
            self._is_stuck = False
            return
        while share > self.settings.low_watermark:
            keys = self._mark(timedelta(0))
            if not keys:
                self._say_stuck(share)
                return
            removed.by_watermark += self._remove(keys, removed)
            share = used()
        self._is_stuck = False

    def _say_stuck(self, share: float) -> None:
        if not self._is_stuck:
            self._is_stuck = True
            log.warning(
                "the store is %.0f %% full, and nothing more may go: what is left is younger than an hour, or its "
                "reports have not reached every destination",
                100 * share,
            )

    def _used_share(self, removed: Removed) -> Callable[[], float]:
        """Return what tells the used share: of the quota, counted once and reckoned on, or of the disk."""
        quota = self.settings.quota_bytes
        if quota is None:
            return self.store.room.used_share
        before = removed.bytes + sum(found.size for part in _PARTS for found in self.store.stored(part))
        return lambda: (before - removed.bytes) / quota

    def _mark(self, age: timedelta) -> list[str]:
        marked = self.ledger.retention.mark(self.clock() - max(age, SETTLING), self.batch, self._tell)
        return [key for one in marked for key in one.keys]

    def _tell(self, one: Marked) -> None:
        self.trail.note(
            events.instances_deleted, "auscult sweep", self.trail.node, one.identity, sop_classes=one.sop_classes
        )

    def _remove(self, keys: Iterable[str], removed: Removed, minimum_age: float = SETTLING.total_seconds()) -> int:
        count = 0
        for key in dict.fromkeys(keys):
            freed = self.ledger.retention.remove(key, partial(self.store.remove, key, minimum_age))
            removed.bytes += freed
            count += freed > 0
        return count

    def _orphans(self, part: str, removed: Removed) -> None:
        """Remove what a crash or a failed registration left in a part of the store."""
        found = (item.key for item in self.store.stored(part) if _KEY.fullmatch(item.key))
        while keys := list(islice(found, _LISTED)):
            unneeded = self.ledger.retention.unneeded(keys)
            removed.orphans += self._remove(unneeded.removed, removed)
            removed.orphans += self._remove(unneeded.orphans, removed, self.settings.orphans_after)
