"""No peer holds the listener: deadlines for each message, places for others, and one line for a flood of refusals."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dicom.acceptor.places import Places, host
from service.process import sparingly
from service.vocabulary.refusals import Refusal, RefusalReason
from tests.invariants import Invariant
from tests.servers import wait_until
from tests.service.dicom.raw_scu import CR, Ended, RawAssociation, command_set, data_pdu, header, pdu, store_command
from tests.service.listening import Site, listening

LIMIT_EXCEEDED = "00020302"
#: Each of these keeps a message open for ever where any PDU counts as progress.
NEVER_ENDING = {
    "empty command fragments": (b"", data_pdu(1, 0x01, b"")),
    "a byte of a command now and then": (data_pdu(1, 0x01, b"\0"), data_pdu(1, 0x01, b"")),
    "empty data fragments": (data_pdu(1, 0x03, store_command(CR, "2.25.1")), data_pdu(1, 0x00, b"")),
    "empty data fragments of another service": (
        data_pdu(1, 0x03, command_set({0x0002: CR, 0x0100: 0x0130, 0x0110: 1, 0x0800: 1})),
        data_pdu(1, 0x00, b""),
    ),
    "PDUs without any fragment": (b"", pdu(0x04, b"")),
}


@contextmanager
def hogs(site: Site, number: int, first: bytes, again: bytes, source: str) -> Iterator[list[RawAssociation]]:
    """Give associations of one address that begin a message and feed it until the block ends."""
    stop = threading.Event()
    with ExitStack() as stack:
        held = []
        for _ in range(number):
            with suppress(Ended):
                held.append(stack.enter_context(RawAssociation(site.port, calling="HOG", source=source)))

        def feed() -> None:
            while not stop.wait(0.1):
                for association in held:
                    with suppress(OSError):
                        association.connection.sendall(again)

        for association in held:
            association.connection.sendall(first)
        feeding = threading.Thread(target=feed)
        feeding.start()
        try:
            yield held
        finally:
            stop.set()
            feeding.join()


@pytest.mark.parametrize("name", NEVER_ENDING)
def test_a_message_that_never_ends_is_ended_whatever_comes_of_it(tmp_path: Path, name: str) -> None:
    first, again = NEVER_ENDING[name]
    with (
        listening(tmp_path, dimse_timeout=0.5, network_timeout=1.0) as site,
        hogs(site, 1, first, again, "127.0.0.2") as (hog,),
    ):
        began = time.monotonic()
        with pytest.raises((Ended, ConnectionError)):
            hog.response()
        assert time.monotonic() - began < 10
        wait_until(lambda: site.half_received == [], "the file is removed", 5)


def test_a_data_set_slower_than_the_least_rate_is_ended_and_one_that_keeps_it_is_taken(tmp_path: Path) -> None:
    with listening(tmp_path, dimse_timeout=0.6, minimum_bytes_per_second=400.0) as site:
        with RawAssociation(site.port) as slow:
            slow.begin()
            with suppress(OSError):  # 100 bytes a second
                for _ in range(100):
                    slow.connection.sendall(data_pdu(1, 0x00, bytes(10)))
                    time.sleep(0.1)
            with pytest.raises((Ended, OSError)):
                slow.end()
        with RawAssociation(site.port) as steady:
            steady.begin()
            data = header() + b"\xe0\x7f\x10\x00OW\0\0" + (2000).to_bytes(4, "little") + bytes(2000)
            for start in range(0, len(data), 100):  # about 1,000 bytes a second, for longer than dimse_timeout
                steady.connection.sendall(data_pdu(1, 0x00, data[start : start + 100]))
                time.sleep(0.1)
            assert steady.end().status == 0x0000


@pytest.mark.proves(Invariant.NO_PEER_HOLDS_UP_OTHERS)
def test_twenty_associations_with_never_ending_commands_keep_nobody_else_out(tmp_path: Path) -> None:
    first, again = NEVER_ENDING["empty command fragments"]
    with (
        listening(tmp_path, maximum_associations=20) as site,
        hogs(site, 20, first, again, "127.0.0.2") as held,
    ):
        assert len(held) == 10, "half of all places, by default"
        for number in range(20):
            uid = f"2.25.{number + 1}"
            with RawAssociation(site.port, calling=f"MODALITY{number}") as other:
                assert other.store(header(uid), sop_instance_uid=uid).status == 0x0000
                other.release()
        # The places of one AE title are bounded too, wherever it calls from.
        with pytest.raises(Ended, match=LIMIT_EXCEEDED):
            RawAssociation(site.port, calling="HOG", source="127.0.0.3")


def test_places_come_back_when_associations_end_however_they_do(tmp_path: Path) -> None:
    ends: list[Callable[[RawAssociation], None]] = [
        lambda association: association.release(),
        lambda association: association.connection.sendall(pdu(0x07, bytes(4))),
        lambda association: association.connection.sendall(pdu(0x55, b"")),
        lambda association: association.connection.close(),
    ]
    with listening(tmp_path, maximum_associations=2, maximum_associations_per_peer=1) as site:
        for end in ends * 2:
            with RawAssociation(site.port) as association:
                with pytest.raises(Ended, match=LIMIT_EXCEEDED):
                    RawAssociation(site.port, calling="OTHER")
                end(association)
                wait_until(lambda: site.listener._entity.connections == [], "its thread ends", 5)


def test_refusals_name_the_ae_titles_the_address_and_the_setting(tmp_path: Path) -> None:
    told: list[Refusal] = []
    with listening(tmp_path, allowed_ae_titles=("PACS",), maximum_associations=2) as site:
        site.listener._not_let_in = told.append
        contexts = [(1, CR, ("1.2.840.10008.1.2.1",)), (3, "1.2.840.10008.5.1.4.1.1.2", ("1.2.840.10008.1.2",))]
        contexts += [(5, CR, ("1.2.840.10008.1.2.4.100",))]
        with pytest.raises(Ended):
            RawAssociation(site.port, calling="ORTHANC")
        with pytest.raises(Ended):
            RawAssociation(site.port, calling="PACS", called="ELSE")
        with RawAssociation(site.port, contexts, calling="PACS"), pytest.raises(Ended):
            RawAssociation(site.port, calling="PACS")
        wait_until(lambda: len(told) == 5, "all are told", 5)
    assert told == [
        Refusal(RefusalReason.CALLING_AE_TITLE, "127.0.0.1", "ORTHANC", "AUSCULT"),
        Refusal(RefusalReason.CALLED_AE_TITLE, "127.0.0.1", "PACS", "ELSE"),
        Refusal(RefusalReason.SOP_CLASS, "127.0.0.1", "PACS", "AUSCULT", "1.2.840.10008.5.1.4.1.1.2"),
        Refusal(RefusalReason.TRANSFER_SYNTAX, "127.0.0.1", "PACS", "AUSCULT", CR),
        Refusal(RefusalReason.PEER_LIMIT, "127.0.0.1", "PACS", "AUSCULT"),
    ]


def test_a_flood_of_refusals_is_one_line_and_a_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparingly, "_WINDOW_S", 1.0)
    with listening(tmp_path) as site:
        for _ in range(60):
            with suppress(Ended):
                RawAssociation(site.port, called="WRONG")

        def lines() -> list[str]:
            return [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]

        def counts() -> list[int]:
            return [int(number) for number in re.findall(r"(\d+) more warnings about 127\.0\.0\.1", caplog.text)]

        assert lines()[0].startswith(
            "association of 'RAW' to 'WRONG' from 127.0.0.1 refused: listener.ae_title is 'AUSCULT'"
        )
        wait_until(lambda: len(lines()) + sum(counts()) == 60, "the others are counted", 10)
        # On a busy machine the flood lasts longer than the window, and each window has a line of its own.
        assert len(lines()) <= len(counts()) + 1


comings = st.lists(st.tuples(st.sampled_from("123"), st.sampled_from("AB"), st.booleans()))


class _Peer:
    def __init__(self, address: str, calling_ae_title: str) -> None:
        self.address = address
        self.calling_ae_title = calling_ae_title


@given(st.integers(1, 6), st.integers(1, 6), comings)
def test_places_are_never_more_than_all_or_than_a_peer_s(
    maximum: int, per_peer: int, moves: list[tuple[str, str, bool]]
) -> None:
    places, inside = Places(maximum, per_peer), list[_Peer]()
    for number, title, is_coming in moves:
        if is_coming or not inside:
            peer = _Peer(f"192.0.2.{number}", title)
            refused = places.take(peer)  # type: ignore[arg-type]
            same = [other for other in inside if other.address == peer.address]
            named = [other for other in inside if other.calling_ae_title == peer.calling_ae_title]
            is_full = len(inside) >= maximum or len(same) >= per_peer or len(named) >= per_peer
            assert (refused is not None) == is_full
            if refused is None:
                inside.append(peer)
        else:
            places.leave(inside.pop(0))  # type: ignore[arg-type]
    for peer in inside:
        places.leave(peer)  # type: ignore[arg-type]
    assert not places._of_peer
    assert not places._taken


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_host_is_its_ipv4_address_or_its_ipv6_network(address: str, expected: str) -> None:
    assert host(address) == expected
