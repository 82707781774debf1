"""What a worker does while the object store is away or full: it tries a few images now and then, not the whole backlog.

Each try writes to the ledger, which may be on the very disk that is full; and with thousands of images that wait, each
tried every few seconds for a night, that alone would fill it.
"""

from datetime import datetime, timedelta

from service.process.clock import Clock

_LENGTH = timedelta(seconds=15)


class Lull:
    """The time in which nothing is claimed because the store was away for a whole batch.

    A batch of which one image at least went well is no reason for one: a single file that the disk cannot read must not
    keep the others waiting.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: datetime | None = None

    def is_on(self) -> bool:
        """Return whether nothing is to be claimed."""
        return self._until is not None and self._clock() < self._until

    def begin(self) -> None:
        """Claim nothing for a while."""
        self._until = self._clock() + _LENGTH

    def retry_at(self) -> datetime:
        """Return when an image is due again whose bytes were away: after others have had their turn."""
        return self._clock() + 2 * _LENGTH
