"""What a sender's pieces cost, however small it makes them."""

from time import process_time
from typing import Any

from service.hl7.encoding import block
from service.hl7.mllp import MllpPeer


class _Drip:
    """A connection on which each look finds one byte more."""

    def __init__(self, content: bytes) -> None:
        self._left = iter(content)

    def settimeout(self, _seconds: float) -> None:
        """Wait for nothing."""

    def recv(self, _most: int) -> bytes:
        return bytes([byte]) if (byte := next(self._left, None)) is not None else b""


def test_a_message_that_comes_byte_by_byte_is_whole_and_costs_what_its_bytes_cost() -> None:
    content = b"MSH|^~\\&|" + b"x" * 150_000
    drip: Any = _Drip(block(content))
    peer = MllpPeer(drip, maximum_bytes=len(content), message_timeout=60, idle_timeout=60, is_stopping=lambda: False)
    began = process_time()
    found = peer.next_block()
    assert found is not None
    assert (found.content, found.is_cut) == (content, False)
    assert process_time() - began < 2
