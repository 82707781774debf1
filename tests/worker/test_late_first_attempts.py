"""A first attempt that is late, and reports that an archive loses: dcmtk and Orthanc hold what the ledger says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from service.ledger import Ledger
from service.vocabulary.states import DeliveryState, State
from tests import servers
from tests.fakes import TurnedClock
from tests.phantoms import chest
from tests.relay import Relay
from tests.servers import free_port
from tests.worker.conftest import Gateway, destination
from worker.courier import Courier

RESPONSE_TIMEOUT_S = 1.5


class Delaying(Relay):
    """Keeps back what the first connection sends once it has sent so many bytes, and passes it on so much later."""

    def __init__(self, target: tuple[str, int], after_bytes: int, late_s: float) -> None:
        self._after, self._late_s = after_bytes, late_s
        self.is_over = threading.Event()
        super().__init__(target)

    def _to_server(self, near: socket.socket, far: socket.socket) -> None:
        is_first, is_late, passed = self.connections == 1, False, 0
        with suppress(OSError):
            while data := _received(near):
                if is_first and not is_late and passed > self._after:
                    is_late = True
                    time.sleep(self._late_s)
                passed += len(data)
                far.sendall(data)
        if is_first:
            self.is_over.set()
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)

    def _to_client(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := _received(far):
                near.sendall(data)


def _received(source: socket.socket) -> bytes:
    with suppress(ConnectionResetError):
        return source.recv(1 << 20)
    return b""


class Running(TurnedClock):
    """A clock that goes, and can be turned on."""

    def __call__(self) -> datetime:
        return datetime.now(UTC) + (self.now - TurnedClock.now)


def in_real_time(made: Gateway, *look_again: timedelta) -> Gateway:
    """Let a gateway's clock go."""
    made.clock = Running()
    made.ledger = Ledger(made.ledger.engine, made.settings.worklist.reading_order, made.clock, look_again)
    return made


def step_until(made: Gateway, courier: Courier, states: set[str], timeout_s: float = 30.0) -> None:
    """Let a courier work until all rows are in one of these states."""
    deadline = time.monotonic() + timeout_s
    while {row.state for row in made.deliveries} != states:
        assert time.monotonic() < deadline, [(row.state, row.detail) for row in made.deliveries]
        courier.step()
        time.sleep(0.1)


def test_a_first_attempt_that_arrives_late_meets_no_second_one(
    gateway: Any, storescp: Callable[..., servers.StoreScp]
) -> None:
    """The retry comes when the first attempt is over, and what the ledger calls sent lies in dcmtk's folder."""
    archive = storescp("--fork")
    relay = Delaying(("127.0.0.1", archive.port), after_bytes=600, late_s=RESPONSE_TIMEOUT_S + 0.5)
    made: Gateway = gateway(
        destination(
            relay.port,
            ae_title=archive.ae_title,
            reports=["text_sr"],
            confirm="none",
            response_timeout=RESPONSE_TIMEOUT_S,
        ),
        delivery={"first_retry": 0.1},
    )
    in_real_time(made)
    made.receive(chest())
    assert (made.infer(), made.build()) == (1, 1)
    courier, at_the_end_of_the_first = made.courier(), list[int]()

    def count() -> None:
        assert relay.is_over.wait(30)
        at_the_end_of_the_first.append(relay.connections)

    waiting = threading.Thread(target=count)
    waiting.start()
    step_until(made, courier, {DeliveryState.SENT})
    courier.close()
    waiting.join()
    relay.close()
    assert at_the_end_of_the_first == [1]
    (held,) = archive.received()
    assert made.reports[0].sop_instance_uid in held.name


def test_a_report_that_orthanc_loses_is_sent_again_when_it_is_looked_for(
    gateway: Any, orthanc: Callable[..., servers.Orthanc]
) -> None:
    archive = orthanc(modalities={"auscult": ("AUSCULT", free_port())})
    made: Gateway = gateway(destination(archive.dicom_port, ae_title="ORTHANC", reports=["text_sr"]))
    in_real_time(made, timedelta(hours=1))
    made.receive(chest())
    assert (made.infer(), made.build()) == (1, 1)
    courier = made.courier()
    step_until(made, courier, {DeliveryState.CONFIRMED})
    (identifier,) = archive.find()
    archive.rest(f"instances/{identifier}", method="DELETE")
    made.clock.turn(hours=1)
    for _ in range(8):
        courier.step()
        made.clock.turn(seconds=61)
    step_until(made, courier, {DeliveryState.CONFIRMED})
    courier.close()
    assert archive.count_instances() == 1
    assert made.events.count("missing") == 1
    assert made.instances[0].state == State.DELIVERED
