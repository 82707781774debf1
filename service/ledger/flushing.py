"""What a process has counted goes to the ledger every few seconds, and at the end."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.vocabulary.errors import Unavailable

#: Seconds between two visits to the ledger.
_EVERY_S = 5.0


@contextmanager
def flushed(flush: Callable[[], None], name: str) -> Iterator[None]:
    """Flush in a thread of its own until the block ends, and once more then."""
    ended = threading.Event()
    thread = threading.Thread(target=_keep, args=(flush, ended), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep(flush: Callable[[], None], ended: threading.Event) -> None:
    is_last = False
    while not is_last:
        is_last = ended.wait(_EVERY_S)
        try:
            flush()
        except Unavailable:
            continue  # counts are worth no alarm of their own: whoever needs the ledger says that it is away
