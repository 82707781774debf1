"""What devices write into association requests, and what keeps an association open for ever."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial

from tests.quirks import Collection, NotRight, Quirk
from tests.quirks.target import Target
from tests.service.dicom.odd_requests import ODD_REQUESTS, OddRequest, accepted_contexts, answered
from tests.service.dicom.raw_scu import CR, Ended, RawAssociation, command_set, data_pdu, header, pdu, store_command


def _asked(odd: OddRequest, target: Target) -> str:
    """Ask for an association, send an image on it where that is possible, and release it."""
    try:
        association = RawAssociation(target.port, request=odd.encoded, timeout_s=10)
    except Ended as end:
        happened = _rejection(str(end))
        if odd.rejected is None or happened != _words(odd.rejected):
            raise NotRight(happened) from None
        return happened
    with association:
        accepted = accepted_contexts(answered(association.accepted))
        if odd.rejected is not None:
            raise NotRight("accepted")
        if odd.context_id is None:
            if accepted:
                raise NotRight("a presentation context was accepted")
            association.release()
            return "accepted, its presentation contexts refused"
        if odd.context_id not in accepted:
            raise NotRight("accepted, but its presentation context was refused")
        uid = f"2.25.77{ODD_REQUESTS.index(odd):04}"
        association.request(store_command(CR, uid), header(uid), odd.context_id)
        status = association.message().number(0x0900)
        association.release()
        if status != 0x0000:
            raise NotRight(f"accepted, but C-STORE was answered with 0x{status or 0:04X}")
        return "accepted, and an image stored"


def _rejection(end: str) -> str:
    """Return the words for how an association was not established."""
    if end.startswith("PDU type 3: 00"):
        return _words(tuple(bytes.fromhex(end[14:20])))
    return "A-ABORT" if end.startswith("PDU type 7") else end


def _words(codes: tuple[int, ...]) -> str:
    return "rejected: result {}, source {}, reason {}".format(*codes)


def _right(odd: OddRequest) -> str:
    if odd.rejected is not None:
        return f"{_words(odd.rejected)}; the log names both AE titles and the remedy"
    return "accepted, and an image stored" if odd.context_id is not None else "accepted, the context refused"


_NEVER_ENDING: Mapping[str, tuple[bytes, bytes]] = {
    "a command fed with empty fragments": (b"", data_pdu(1, 0x01, b"")),
    "a data set fed with empty fragments": (data_pdu(1, 0x03, store_command(CR, "2.25.78")), data_pdu(1, 0x00, b"")),
    "a data set of another service fed with empty fragments": (
        data_pdu(1, 0x03, command_set({0x0002: CR, 0x0100: 0x0130, 0x0110: 1, 0x0800: 1})),
        data_pdu(1, 0x00, b""),
    ),
    "PDUs without a fragment": (b"", pdu(0x04, b"")),
}
#: As many as the listener of this collection serves.
_ALL = 20


def _held(first: bytes, again: bytes, target: Target) -> str:
    """Hold as many associations as one address gets; meanwhile another one sends."""
    with ExitStack() as stack:
        held = []
        for _ in range(_ALL):
            with suppress(Ended):
                hog = RawAssociation(target.port, calling="HOG", source="127.0.0.2", timeout_s=10)
                held.append(stack.enter_context(hog))
        for association in held:
            association.connection.sendall(first)
        slowest = 0.0
        for number in range(20):
            for association in held:
                with suppress(OSError):
                    association.connection.sendall(again)
            began, uid = time.monotonic(), f"2.25.79{number:04}"
            try:
                with RawAssociation(target.port, calling="MODALITY", timeout_s=10) as other:
                    status = other.store(header(uid), sop_instance_uid=uid).status
            except (Ended, OSError) as error:
                raise NotRight(f"others are kept out ({type(error).__name__})") from None
            if status != 0x0000:
                raise NotRight(f"others get 0x{status:04X}")
            slowest = max(slowest, time.monotonic() - began)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            ended = sum(_has_ended(association, again) for association in held)
            if ended == len(held):
                return f"{len(held)} of {_ALL} associations held, each ended; others served within {slowest:.1f} s"
            time.sleep(0.2)
        raise NotRight(f"{len(held) - ended} associations are still held")


def _has_ended(association: RawAssociation, again: bytes) -> bool:
    try:
        association.connection.sendall(again)
        association.connection.settimeout(0.01)
        return association.connection.recv(1) in {b"", b"\x07"}
    except TimeoutError:
        return False
    except OSError:
        return True


def _quirks() -> Iterator[Quirk]:
    for odd in ODD_REQUESTS:
        kind = f"association request: {odd.about}"
        yield Quirk(odd.name, kind, odd.source, _right(odd), partial(_asked, odd))
    for name, (first, again) in _NEVER_ENDING.items():
        right = "a message has a deadline whatever comes of it, and nobody else is kept out meanwhile"
        yield Quirk(name, "association held", "PS3.8 section 9.1.5", right, partial(_held, first, again), slow=True)


COLLECTION = Collection(
    "associations",
    tuple(_quirks()),
    settings={"listener": {"maximum_associations": _ALL, "dimse_timeout": 3.0, "network_timeout": 6.0}},
)
