"""Who is at a listener while others send broken messages: silent, slow, never ending, and two who keep the rules."""

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.campaigns.mutation import COMMITMENT_CONTEXTS, CONTEXTS, PROPOSED
from tests.service.dicom.raw_commitment import COMMITMENT, N_EVENT_REPORT, action_command, event_response, information
from tests.service.dicom.raw_scu import EXPLICIT, Ended, RawAssociation, association_request, data_pdu, header

#: A connection that is neither answered nor closed within this time counts as hung.
HUNG_S = 30.0
#: A sender that keeps the rules waits no longer than this while others do not, on a machine that is busy with fuzzing.
PATIENCE_S = 10.0
#: Peers of one address whose commands never end: more than there are places for them.
HOGS = 40
#: The AE title of those who keep the rules.
GOOD = "GOOD"


@dataclass(frozen=True)
class Door:
    """Where the listener is reached, and what to show it."""

    port: int
    tls_port: int
    tls: ssl.SSLContext


@dataclass
class Findings:
    """What was seen, and what is wrong."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    connections: int = 0
    secure: int = 0
    #: Answers to storage commitment that broken peers were told on their own associations.
    told: int = 0
    longest_wait_s: float = 0.0
    served: int = 0


@contextmanager
def bystanders(door: Door, findings: Findings) -> Iterator[None]:
    """Keep silent and slow peers at the door, and two senders who must not suffer from them, until the block ends."""
    stop = threading.Event()
    peers = [
        threading.Thread(target=work, args=(door.port, stop), daemon=True)
        for work in [_be_silent] * 4 + [_be_slow] * 4 + [_never_end] * HOGS
    ]
    # Of those who keep the rules, one comes over TLS.
    senders = [
        threading.Thread(target=_keep_the_rules, args=(number, door, secure, stop, findings), daemon=True)
        for number, secure in enumerate((False, True))
    ]
    for thread in (*peers, *senders):
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in (*peers, *senders):
            thread.join()


def _again_and_again(stop: threading.Event, visit: Callable[[], None], pause_s: float = 0.0) -> None:
    while not stop.wait(pause_s):
        with suppress(Ended, OSError):
            visit()


def _be_silent(port: int, stop: threading.Event) -> None:
    """Connect, or associate, and say nothing."""

    def visit() -> None:
        with RawAssociation(port, calling="SILENT") as association:
            association.begin()
            association.connection.settimeout(0.5)
            while not stop.is_set():
                with suppress(TimeoutError):
                    association.receive()

    _again_and_again(stop, visit)


def _be_slow(port: int, stop: threading.Event) -> None:
    """Send an association request byte by byte."""

    request = association_request(PROPOSED, calling="SLOW")

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            for at in range(len(request) - 1):
                if stop.wait(0.2):
                    return
                connection.sendall(request[at : at + 1])

    _again_and_again(stop, visit)


def _never_end(port: int, stop: threading.Event) -> None:
    """Begin a command, and feed it with fragments of no bytes, again and again from an address of its own."""

    def visit() -> None:
        with RawAssociation(port, calling="HOG", source="127.0.0.2") as association:
            while not stop.wait(0.5):
                association.connection.sendall(data_pdu(CONTEXTS[EXPLICIT], 0x01, b""))

    _again_and_again(stop, visit, pause_s=1.0)


def _keep_the_rules(series: int, door: Door, secure: bool, stop: threading.Event, findings: Findings) -> None:
    """Store an object each second over an association of its own, and ask whether it is held."""
    port, tls, name = (door.tls_port, door.tls, "over TLS") if secure else (door.port, None, "in the plain")
    number = 0
    while not stop.wait(0.5):
        number += 1
        uid, started = f"2.25.77{series}{number:08}", time.monotonic()
        try:
            with RawAssociation(
                port, PROPOSED, calling=GOOD, timeout_s=HUNG_S, tls=tls, roles=(COMMITMENT,)
            ) as association:
                status = association.store(header(uid), sop_instance_uid=uid, context_id=CONTEXTS[EXPLICIT]).status
                waited_s = time.monotonic() - started
                committed = _ask(association, uid)
        except (Ended, OSError) as error:
            findings.wrong.append(f"who keeps the rules {name} was kept out ({type(error).__name__}: {error})")
            continue
        findings.served += 1
        findings.longest_wait_s = max(findings.longest_wait_s, waited_s)
        if status != 0 or waited_s > PATIENCE_S:
            findings.wrong.append(f"who keeps the rules {name} got 0x{status:04X} after {waited_s:.1f} s")
        if committed != (0x0000, 1):
            findings.wrong.append(f"who keeps the rules {name} was told {committed} of what it had stored")


def _ask(association: RawAssociation, uid: str) -> tuple[int | None, int | None]:
    """Ask whether an instance is held; return the status, and the Event Type ID of the answer (1: all are held)."""
    context_id = COMMITMENT_CONTEXTS[EXPLICIT]
    association.request(action_command(7), b"".join(information(f"{uid}.9", [uid])), context_id)
    status = association.message().number(0x0900)
    if status != 0x0000:
        return status, None
    told = association.message()
    assert told.number(0x0100) == N_EVENT_REPORT
    association.request(event_response(told.number(0x0110) or 0, 0x0000), None, context_id)
    association.release()
    return status, told.number(0x1002)
