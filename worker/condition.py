"""What the log is told of a peer: one line when its condition changes, not one for each object that waits."""

from service.process.log import get_logger

log = get_logger(__name__)


class Condition:
    """Whether things go well with a peer, as the log knows it; used by one thread.

    Parameters
    ----------
    name
        What the log calls it.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._trouble: str | None = None

    def bad(self, trouble: str) -> None:
        """Say what is wrong; it is written down unless it was just as wrong before."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("%s: %s; tried again with growing pauses", self._name, trouble)

    def good(self) -> None:
        """Say that something went well."""
        if self._trouble is not None:
            self._trouble = None
            log.info("%s: works again", self._name)
