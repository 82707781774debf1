"""The end of an association that we opened, also while the peer has a request of its own on it."""

import time

from pynetdicom.association import Association

#: pynetdicom's reactor looks once a millisecond whether it is to pause.
_PAUSE_S = 1.0


def release(association: Association) -> None:
    """Release an association (PS3.8 section 7.2) that is still established.

    pynetdicom's own release waits without end for its reactor to say that it has paused. The thread in which it serves
    a peer's N-EVENT-REPORT takes that word back when it is done, and the reactor, which has paused, says it only once.
    """
    if not association.is_established:
        return
    association._reactor_checkpoint.clear()  # noqa: SLF001 - what pynetdicom's own release does, with an end
    deadline = time.monotonic() + _PAUSE_S
    while not association._is_paused and time.monotonic() < deadline:  # noqa: SLF001 - the same
        time.sleep(0.001)
    association.acse.negotiate_release()
    association._reactor_checkpoint.set()  # noqa: SLF001 - the same
