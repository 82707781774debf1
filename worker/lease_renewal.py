"""Keeps the leases of a worker alive while it is alive."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from service.ledger import ClaimedInstance
from service.process.log import get_logger
from service.vocabulary.errors import Unavailable

log = get_logger(__name__)


class LeaseRenewal:
    """Renews the leases of the claims it was told of, from a thread of its own.

    Parameters
    ----------
    renew
        Renews some claims' leases.
    interval
        Well below a lease, so that a slow batch does not lose its images to another worker.
    """

    def __init__(self, renew: Callable[[Sequence[ClaimedInstance]], object], interval: timedelta) -> None:
        self._renew = renew
        self._interval = interval.total_seconds()
        self._claims: dict[int, ClaimedInstance] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def add(self, claims: Sequence[ClaimedInstance]) -> None:
        """Keep the leases of these claims alive."""
        with self._lock:
            self._claims.update({claim.id: claim for claim in claims})

    def remove(self, claim: ClaimedInstance) -> None:
        """Let a claim's lease go."""
        with self._lock:
            self._claims.pop(claim.id, None)

    def clear(self) -> None:
        """Let the leases of all claims go."""
        with self._lock:
            self._claims.clear()

    def is_busy(self) -> bool:
        """Return whether a lease is being kept alive."""
        return bool(self._claims)

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.wait(self._interval):
            with self._lock:
                claims = list(self._claims.values())
            # Without the lock: a ledger that answers slowly must not hold up whoever adds or removes a claim.
            if claims:
                try:
                    self._renew(claims)
                except Unavailable:
                    continue  # the next beat may come through before the lease ends
                except Exception as error:  # noqa: BLE001 - nobody would notice that this thread ended
                    log.error("the leases could not be renewed (%s)", type(error).__name__)
