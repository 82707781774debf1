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

from service.dicom.scu import DestinationAssociation
from service.settings import DestinationSettings
from service.vocabulary.errors import TransientDeliveryFailure
from tests.certificates import Authority
from tests.invariants import Invariant
from tests.phantoms import chest, instance_file
from tests.relay import Relay
from tests.servers import wait_until

RESPONSE_TIMEOUT = 0.5
OURS, THEIRS = 0, 1

#: Far more than two sockets' buffers hold.
LARGE = 2000


class Stalling(Relay):
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
        self._limits = (ours, theirs)
        self._trickle_s = trickle_s
        #: Bytes that went each way, counted before they do.
        self.passed = [0, 0]
        # Small, so that what is not read stands in our way soon.
        super().__init__(("127.0.0.1", target), receive_buffer=8192)

    def _to_server(self, near: socket.socket, far: socket.socket) -> None:
        self._pass(near, far, OURS)

    def _to_client(self, far: socket.socket, near: socket.socket) -> None:
        self._pass(far, near, THEIRS)

    def _pass(self, source: socket.socket, sink: socket.socket, way: int) -> None:
        limit = self._limits[way]
        with suppress(OSError):
            while limit is None or limit > 0:
                data = source.recv(4096 if limit is None else min(4096, limit))
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                self.passed[way] += len(data)
                sink.sendall(data)
                limit = None if limit is None else limit - len(data)
            while self._trickle_s is not None and (data := source.recv(1)):
                sink.sendall(data)
                time.sleep(self._trickle_s)


def settings(port: int, tls: dict[str, str] | None = None, connect_timeout: float = 10.0) -> DestinationSettings:
    return DestinationSettings(
        name="pacs",
        ae_title="PACS",
        host="127.0.0.1",
        port=port,
        tls=tls,
        connect_timeout=connect_timeout,
        response_timeout=RESPONSE_TIMEOUT,
    )


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
) -> Iterator[Callable[..., tuple[Stalling, DestinationAssociation]]]:
    """A relay to dcmtk's storescp, plain or over TLS, and an association with it through the relay."""
    with ExitStack() as stack:

        def make(
            is_tls: bool = False, connect_timeout: float = 10.0, **limits: Any
        ) -> tuple[Stalling, DestinationAssociation]:
            tls, options = None, ["+xa", "--fork"]
            if is_tls:
                authority = Authority(tmp_path)
                there = authority.issue("pacs")
                tls = {"ca": str(authority.ca)} | authority.issue("auscult").settings()
                options += ["+tls", str(there.key), str(there.certificate), "+cf", str(authority.ca)]
            relay = Stalling(storescp(*options).port, **limits)
            stack.callback(relay.close)
            return relay, DestinationAssociation(settings(relay.port, tls, connect_timeout), "AUSCULT")

        yield make


def _fails_in_time_twice(relay: Stalling, destination: DestinationAssociation, said: str) -> None:
    sent = instance_file(chest(rows=LARGE, columns=LARGE, sop_class="SC"))
    for _ in range(2):
        begun = time.monotonic()
        with pytest.raises(TransientDeliveryFailure, match=said):
            destination.store(sent)
        destination.close()
        assert time.monotonic() - begun < 9
        wait_until(lambda: not ours_alive(), "the association's threads have ended", 5)
    assert relay.connections == 2


@pytest.mark.proves(Invariant.SLOW_DESTINATION_COSTS_ITS_TIMEOUT)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("trickle_s", [None, 0.05], ids=["reads no more", "reads a byte now and then"])
def test_a_destination_that_stops_reading_is_a_failure_in_time_and_leaves_no_thread(
    through: Callable[..., tuple[Stalling, DestinationAssociation]], trickle_s: float | None, is_tls: bool
) -> None:
    relay, destination = through(is_tls, ours=100_000, trickle_s=trickle_s)
    _fails_in_time_twice(relay, destination, "did not answer in time")
    assert relay.passed[OURS] >= 2 * 100_000, "it stopped within the object"


@pytest.mark.proves(Invariant.SLOW_DESTINATION_COSTS_ITS_TIMEOUT)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
def test_a_destination_that_stops_within_an_answer_is_a_failure_in_time_and_leaves_no_thread(
    through: Callable[..., tuple[Stalling, DestinationAssociation]], is_tls: bool
) -> None:
    relay, destination = through(is_tls)
    destination.accepts(SecondaryCaptureImageStorage)
    granted = relay.passed[THEIRS]
    destination.close()
    # Well within each message: signatures make one handshake some bytes longer than another.
    cases = (
        (granted - 60, 2.0, "stopped within its answer|does not answer"),
        (granted + 40, 10.0, "did not answer in time"),
    )
    for theirs, connect_timeout, said in cases:
        relay, destination = through(is_tls, connect_timeout, theirs=theirs)
        _fails_in_time_twice(relay, destination, said)


@pytest.mark.proves(Invariant.SLOW_DESTINATION_COSTS_ITS_TIMEOUT)
def test_a_peer_that_begins_a_message_instead_of_hanging_up_on_an_abort_holds_nobody(
    storescp: Callable[..., Any],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            near, _ = server.accept()
            with near, socket.create_connection(("127.0.0.1", storescp("+xa").port)) as far:
                far.sendall(near.recv(65536))
                near.sendall(far.recv(65536))  # the association is granted
                while not near.recv(65536).startswith(b"\x07"):  # until the A-ABORT
                    pass
                near.sendall(b"\x04")
                ended.wait(30)

        ended = threading.Event()
        serving = threading.Thread(target=serve)
        serving.start()
        destination = DestinationAssociation(settings(server.getsockname()[1]), "AUSCULT")
        try:
            begun = time.monotonic()
            with pytest.raises(TransientDeliveryFailure, match="did not answer in time"):
                destination.echo()
            assert time.monotonic() - begun < 5
            wait_until(lambda: not ours_alive(), "the association's threads have ended", 5)
        finally:
            ended.set()
            serving.join(10)


def test_a_kept_association_is_still_there_after_a_silence_longer_than_its_answers_may_take(
    through: Callable[..., tuple[Stalling, DestinationAssociation]],
) -> None:
    relay, destination = through()
    destination.echo()
    time.sleep(3 * RESPONSE_TIMEOUT)
    assert destination.store(instance_file(chest(rows=300, columns=200, sop_class="SC"))) == 0x0000
    destination.close()
    assert relay.connections == 1
