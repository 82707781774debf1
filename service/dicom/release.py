"""The end of an association, also while the peer has a request of its own on it or reads nothing."""

import socket
import struct
import time
from contextlib import suppress
from typing import Any, cast

from pynetdicom import evt
from pynetdicom.association import Association

#: pynetdicom's reactor looks once a millisecond whether it is to pause.
_PAUSE_S = 1.0
#: How long a peer has to take an A-ABORT and to hang up before the connection is cut.
_ABORT_S = 0.5


def release(association: Association) -> None:
    """Release an association (PS3.8 section 7.2) that we opened and that is still established.

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


def cut(event: evt.Event) -> None:
    """Cut the connection of an aborted association whose peer does not take the A-ABORT, or does not hang up.

    A handler for ``evt.EVT_ABORTED``. The thread that owns the socket may be within a send to a peer that has stopped
    reading, or within a PDU that the peer has not finished; it then never sees the A-ABORT in its queue or the end of
    its timer, and pynetdicom waits for that thread without end.
    """
    upper_layer = event.assoc.dul
    deadline = time.monotonic() + _ABORT_S
    while upper_layer.is_alive() and upper_layer.state_machine.current_state != "Sta1":
        if time.monotonic() > deadline:
            shut(event.assoc)
            return
        time.sleep(0.001)


def shut(association: Association) -> None:
    """Shut an association's connection without a word, whatever the thread that owns its socket is at."""
    with suppress(OSError, AttributeError, TypeError):  # that thread may be closing it just now
        # Not a TLS socket's own `shutdown`: that thread would go on, read cipher text and send in the clear.
        socket.socket.shutdown(cast(Any, association.dul.socket).socket, socket.SHUT_RDWR)


def discard_unsent(association: Association) -> None:
    """Have the kernel throw away what a peer has not taken yet, as soon as the connection is closed.

    Left to itself, it would go on to send that for a quarter of an hour: behind a network that was away for a while, an
    object would arrive long after it was given up, and maybe after its second copy.
    """
    with suppress(OSError, AttributeError, TypeError):  # closed by now
        connection = cast(Any, association.dul.socket).socket
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
