"""The blocks of a connection: each between its marks, whole within its time, and never larger than is taken.

References
----------
HL7 Version 2.5.1, Transport Specification: MLLP, Release 1
"""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.hl7.encoding import BLOCK_END, BLOCK_START, block

_PIECE = 65536
#: A mark alone may stand in a text, where it does not belong.
_BEGINNING = BLOCK_START + b"MSH"
#: Bytes outside of a block, after which whoever sends them speaks no MLLP.
_MOST_BETWEEN = 1024
#: Of a block that is too large, what is kept: enough to say which message is refused.
_HEAD = 4096
#: Seconds between two looks whether the listener stops.
_LOOK_S = 0.5


@dataclass(frozen=True)
class Block:
    """What stood between the marks; `is_cut` where that was more than is taken."""

    content: bytes
    is_cut: bool = False


class NotMllp(Exception):
    """Whoever sends this speaks another protocol."""


class MllpPeer:
    """The sender's end of one connection; used by one thread.

    Parameters
    ----------
    message_timeout, idle_timeout
        Seconds in which a message must be whole, and after which a silent connection ends.
    is_stopping
        Whether the listener ends: then no further block is waited for.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        maximum_bytes: int,
        message_timeout: float,
        idle_timeout: float,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._maximum_bytes = maximum_bytes
        self._message_timeout = message_timeout
        self._idle_timeout = idle_timeout
        self._is_stopping = is_stopping
        self._rest = b""

    def next_block(self) -> Block | None:
        """Return the next block; None when the sender has ended, says nothing for too long, or the listener stops.

        Raises
        ------
        NotMllp
            When what comes is no block.
        """
        if not self._begin():
            return None
        pieces: list[bytes] = []
        head, size = b"", 0
        deadline = time.monotonic() + self._message_timeout
        piece, self._rest = self._rest, b""
        while True:
            # The carriage return behind the mark may come later, or never.
            inside, end, rest = piece.partition(BLOCK_END[:1])
            size += len(inside)
            head += inside[: _HEAD - len(head)]
            is_cut = size > self._maximum_bytes
            if is_cut:
                pieces.clear()
            else:
                pieces.append(inside)
            if end:
                self._rest = rest
                return Block(_begun_last(head), is_cut=True) if is_cut else Block(_begun_last(b"".join(pieces)))
            got = self._receive(deadline)
            if not got:
                return None
            piece = got

    def send(self, message: bytes) -> None:
        """Send an acknowledgement.

        Raises
        ------
        OSError
            When the sender does not take it in its time.
        """
        self._connection.settimeout(self._message_timeout)
        self._connection.sendall(block(message))

    def _begin(self) -> bool:
        """Read up to a block's first mark; return whether there is one."""
        deadline, passed = time.monotonic() + self._idle_timeout, 0
        while True:
            between, mark, rest = self._rest.partition(BLOCK_START)
            passed += len(between.strip())
            if passed > _MOST_BETWEEN:
                raise NotMllp
            if mark:
                self._rest = rest
                return True
            self._rest = self._receive(deadline)
            if not self._rest:
                return False

    def _receive(self, deadline: float) -> bytes:
        """Return what comes next; nothing at the sender's end, the deadline, or the listener's stop."""
        while not self._is_stopping() and (left := deadline - time.monotonic()) > 0:
            self._connection.settimeout(min(left, _LOOK_S))
            try:
                return self._connection.recv(_PIECE)
            except TimeoutError:
                continue
            except ssl.SSLError:
                return b""
        return b""


def _begun_last(content: bytes) -> bytes:
    """Return the block that a sender began last: one that it broke off before is not acknowledged, and comes again."""
    return content[content.rfind(_BEGINNING) + 1 :]
