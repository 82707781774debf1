"""Destinations that take a connection and then stop: a delivery worker must be told in time, and keep nothing of it."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import SecondaryCaptureImageStorage
from pynetdicom.dul import DULServiceProvider

from service.core.errors import TransientDeliveryFailure
from service.core.settings import DestinationSettings
from service.dicom.scu import DestinationAssociation
from tests.certificates import Authority
from tests.phantoms import chest
from tests.servers import wait_until

RESPONSE_TIMEOUT = 0.5

#: Far more than two sockets' buffers hold.
LARGE = 2000


class Relay:
    """Stands between us and a PACS, and after so many bytes passes nothing on, or one byte now and then.

    Parameters
    ----------
    ours, theirs
        How many bytes of ours the PACS gets, and how many of its we get, on each connection; None is all.
    trickle_s
        Seconds between bytes after that; None is no byte.
    """

    def __init__(
        self, target: int, ours: int | None = None, theirs: int | None = None, trickle_s: float | None = None
    ) -> None:
        self._target = target
        self._limits = (ours, theirs)
        self._trickle_s = trickle_s
        self._server = socket.create_server(("127.0.0.1", 0))
        # Small, so that what is not read stands in our way soon.
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.port: int = self._server.getsockname()[1]
        self.connections = 0
        #: Bytes that we got from the PACS.
        self.received = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self.connections += 1
                self._open += [near, far]
                for way in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pass, args=way, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, is_theirs: bool) -> None:
        limit = self._limits[is_theirs]
        with suppress(OSError):
            while limit is None or limit > 0:
                data = source.recv(4096 if limit is None else min(4096, limit))
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)
                self.received += len(data) if is_theirs else 0
                limit = None if limit is None else limit - len(data)
            while self._trickle_s is not None and (data := source.recv(1)):
                sink.sendall(data)
                time.sleep(self._trickle_s)

    def close(self) -> None:
        for each in (self._server, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def ours_alive() -> list[threading.Thread]:
    """Return the threads of associations that this side has opened."""
    return [
        thread
        for thread in threading.enumerate()
        if isinstance(thread, DULServiceProvider) and thread.assoc.is_requestor
    ]


@pytest.fixture
def through(
    storescp: Callable[..., Any], tmp_path: Path
) -> Iterator[Callable[..., tuple[Relay, DestinationAssociation]]]:
    """A relay to dcmtk's storescp, plain or over TLS, and an association with it through the relay."""
    with ExitStack() as stack:

        def make(is_tls: bool = False, **limits: Any) -> tuple[Relay, DestinationAssociation]:
            tls, options = None, ["+xa", "--fork"]
            if is_tls:
                authority = Authority(tmp_path)
                there = authority.issue("pacs")
                tls = {"ca": str(authority.ca)} | authority.issue("auscult").settings()
                options += ["+tls", str(there.key), str(there.certificate), "+cf", str(authority.ca)]
            relay = Relay(storescp(*options).port, **limits)
            stack.callback(relay.close)
            return relay, DestinationAssociation(
                DestinationSettings(
                    name="pacs",
                    ae_title="PACS",
                    host="127.0.0.1",
                    port=relay.port,
                    tls=tls,
                    connect_timeout=RESPONSE_TIMEOUT,
                    response_timeout=RESPONSE_TIMEOUT,
                ),
                "AUSCULT",
            )

        yield make


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"ours": 100_000}, id="stops reading"),
        pytest.param({"ours": 100_000, "trickle_s": 0.05}, id="reads a byte now and then"),
        pytest.param({"theirs": 50}, id="stops within its first answer"),
    ],
)
def test_a_destination_that_stops_is_a_failure_in_time_and_leaves_no_thread(
    through: Callable[..., tuple[Relay, DestinationAssociation]], limits: dict[str, Any], is_tls: bool
) -> None:
    relay, destination = through(is_tls, **limits)
    sent = chest(rows=LARGE, columns=LARGE, sop_class="SC")
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(TransientDeliveryFailure):
            destination.store(sent)
        destination.close()
        assert time.monotonic() - begun < 5
        wait_until(lambda: not ours_alive(), "the association's threads have ended", 5)
    assert relay.connections == 2


def test_a_destination_that_stops_within_an_answer_is_a_failure_in_time(
    through: Callable[..., tuple[Relay, DestinationAssociation]],
) -> None:
    relay, destination = through()
    destination.accepts(SecondaryCaptureImageStorage)
    granted = relay.received
    destination.close()
    _, destination = through(theirs=granted + 8)
    begun = time.monotonic()
    with pytest.raises(TransientDeliveryFailure, match="did not answer in time"):
        destination.echo()
    destination.close()
    assert time.monotonic() - begun < 5
    wait_until(lambda: not ours_alive(), "the association's threads have ended", 5)


def test_a_kept_association_is_still_there_after_a_silence_longer_than_its_answers_may_take(
    through: Callable[..., tuple[Relay, DestinationAssociation]],
) -> None:
    relay, destination = through()
    destination.echo()
    time.sleep(3 * RESPONSE_TIMEOUT)
    assert destination.store(chest(rows=300, columns=200, sop_class="SC")) == 0x0000
    destination.close()
    assert relay.connections == 1
