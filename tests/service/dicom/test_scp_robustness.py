import errno
import os
import resource
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event

from service.objects import LocalStore
from service.vocabulary.errors import LedgerUnavailable
from tests.invariants import Invariant
from tests.servers import wait_until
from tests.service.dicom.raw_scu import (
    CR,
    EXPLICIT,
    Ended,
    RawAssociation,
    association_request,
    data_pdu,
    header,
    pdu,
    store_command,
)
from tests.service.listening import listening

SUCCESS, OUT_OF_RESOURCES, TOO_LARGE = 0x0000, 0xA700, 0xC010
MIB = 1 << 20


def _memory_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.proves(Invariant.NO_PEER_HOLDS_UP_OTHERS)
def test_an_object_beyond_the_limit_is_refused_with_flat_memory_while_others_are_served(tmp_path: Path) -> None:
    piece, pieces = bytes(120_000), 300 * MIB // 120_000
    peaks, files = [], []
    with (
        listening(tmp_path, maximum_object_bytes=4 * MIB) as site,
        RawAssociation(site.port, calling="LARGE") as large,
        RawAssociation(site.port, calling="SMALL") as small,
    ):
        before = _memory_bytes()
        large.begin()
        large.connection.sendall(data_pdu(1, 0x00, header() + b"\xe0\x7f\x10\x00OW\0\0\0\0\0\x7f"))
        for number in range(pieces):
            large.connection.sendall(data_pdu(1, 0x00, piece))
            if number % 300 == 299:
                uid = f"2.25.{9000 + number}"
                assert small.store(header(uid), sop_instance_uid=uid).status == SUCCESS
                peaks.append(_memory_bytes())
                files.append(sum(path.stat().st_size for path in site.half_received))
        answer = large.end()
        assert (answer.status, answer.comment) == (TOO_LARGE, f"the object is larger than {4 * MIB} bytes")
        assert large.store(header()).status == SUCCESS
    assert max(peaks) - before < 32 * MIB
    assert files[1:] == [0] * (len(files) - 1), "what was refused still lies on the disk"


def test_a_pdu_that_states_four_gigabytes_ends_its_association_without_memory_being_given(tmp_path: Path) -> None:
    with listening(tmp_path) as site, RawAssociation(site.port) as other, RawAssociation(site.port) as assoc:
        before = _memory_bytes()
        assoc.connection.sendall(b"\x04\0\xff\xff\xff\xff" + bytes(100_000))
        with pytest.raises((Ended, ConnectionError)):
            assoc.response()
        assert _memory_bytes() - before < 16 * MIB
        assert other.store(header()).status == SUCCESS


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no PDU"),
        pytest.param(pdu(0x04, b"\0\0\0\1\1"), id="fragment without a control header"),
        pytest.param(pdu(0x04, b"\xff\xff\xff\xff\1\3"), id="fragment longer than its PDU"),
        pytest.param(data_pdu(1, 0x00, b"data"), id="data without a command"),
        pytest.param(data_pdu(1, 0x03, b"\0\0\0\1\xff\xff\xff\xff"), id="command that lies about a length"),
        pytest.param(data_pdu(1, 0x03, b""), id="empty command"),
        pytest.param(data_pdu(99, 0x03, store_command(CR, "2.25.1")), id="unknown presentation context"),
        pytest.param(data_pdu(1, 0x03, store_command(CR, "2.25.1")) * 2, id="command within a data set"),
        pytest.param(b"".join(data_pdu(1, 0x01, bytes(16000)) for _ in range(6)), id="endless command"),
        pytest.param(association_request([(1, CR, (EXPLICIT,))]), id="second association request"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_cut_off_and_nobody_else_suffers(tmp_path: Path, message: bytes) -> None:
    with listening(tmp_path) as site, RawAssociation(site.port) as other, RawAssociation(site.port) as assoc:
        assoc.connection.sendall(message)
        with pytest.raises((Ended, ConnectionError)):
            assoc.response()
        assert other.store(header()).status == SUCCESS
        wait_until(lambda: site.half_received == [], "half-received files are removed", 5)


def test_an_object_whose_sender_vanishes_leaves_nothing_behind(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        with RawAssociation(site.port) as assoc:
            assoc.begin()
            assoc.connection.sendall(data_pdu(1, 0x00, header()))
            wait_until(lambda: len(site.half_received) == 1, "the object arrives", 5)
        wait_until(lambda: site.half_received == [], "the file is removed", 5)
        assert site.instances == []


class _FullDisk:
    """Stands for a file on a disk that is full after so many bytes."""

    def __init__(self, file: object, room: int) -> None:
        self._file, self._room = file, room

    def write(self, piece: bytes) -> int:
        self._room -= len(piece)
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(piece)  # type: ignore[attr-defined,no-any-return]

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


def test_a_disk_that_fills_up_in_the_middle_is_out_of_resources_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = LocalStore.begin

    def begin_on_a_full_disk(store: LocalStore) -> object:
        incoming = begin(store)
        incoming._file = _FullDisk(incoming._file, 100_000)  # type: ignore[assignment]
        return incoming

    data = header() + b"\xe0\x7f\x10\x00OW\0\0\x40\x0d\3\0" + bytes(200_000)
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        with monkeypatch.context() as patch:
            patch.setattr(LocalStore, "begin", begin_on_a_full_disk)
            answer = assoc.store(data)
            assert answer.status == OUT_OF_RESOURCES
            assert "No space left on device" in answer.comment
            assert site.half_received == []
        assert assoc.store(data).status == SUCCESS


def test_free_space_below_the_watermark_is_out_of_resources(tmp_path: Path) -> None:
    with listening(tmp_path, minimum_free_bytes=1 << 60) as site, RawAssociation(site.port) as assoc:
        answer = assoc.store(header())
        assert (answer.status, answer.comment) == (
            OUT_OF_RESOURCES,
            "The disk's free space is below the reserve.",
        )
        assert site.instances == []


def test_a_locked_database_is_out_of_resources_and_recovers(tmp_path: Path) -> None:
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        event.listen(site.engine, "connect", lambda raw, _: raw.execute("PRAGMA busy_timeout=50").close())
        site.engine.dispose()
        locker = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        try:
            answer = assoc.store(header())
        finally:
            locker.execute("ROLLBACK")
            locker.close()
        assert answer.status == OUT_OF_RESOURCES
        assert answer.comment == "The database cannot be reached or written.", "no path of ours is told to a peer"
        assert assoc.store(header()).status == SUCCESS
        assert len(site.instances) == 1


@pytest.mark.parametrize("error", [LedgerUnavailable(), RuntimeError("SECRET-NAME"), MemoryError()])
def test_whatever_goes_wrong_here_is_answered_so_that_the_sender_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(_: object) -> None:
        raise error

    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        with monkeypatch.context() as patch:
            patch.setattr(site.intake._admission, "register", fail)
            answer = assoc.store(header())
        assert answer.status == OUT_OF_RESOURCES
        assert "SECRET" not in answer.comment
        assert assoc.store(header()).status == SUCCESS


def test_the_same_instance_over_four_associations_at_once_is_registered_once(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)

    def deliver(port: int, name: str) -> int:
        with RawAssociation(port, calling=name) as assoc:
            assoc.begin()
            assoc.connection.sendall(data_pdu(1, 0x00, header() + bytes(50_000)))
            barrier.wait(20)
            return assoc.end().status

    with listening(tmp_path) as site, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            names = ("ONE", "TWO", "THREE", "FOUR")
            assert list(pool.map(deliver, [site.port] * 4, names)) == [SUCCESS] * 4
        assert len(site.instances) == 1
        assert sorted(site.events) == ["received"] + ["received again"] * 11


@pytest.mark.proves(Invariant.NO_CONNECTION_KEEPS_OTHERS_OUT)
def test_silent_connections_keep_nobody_out_and_are_closed(tmp_path: Path) -> None:
    with listening(tmp_path, maximum_associations=2, maximum_associations_per_peer=2, acse_timeout=1.0) as site:
        silent = [socket.create_connection(("127.0.0.1", site.port), timeout=10) for _ in range(40)]
        try:
            started = time.monotonic()
            with RawAssociation(site.port) as assoc:
                assert assoc.store(header()).status == SUCCESS
            assert time.monotonic() - started < 5
            assert silent[0].recv(1) == b"", "the oldest made room"
            assert silent[-1].recv(1) == b"", "its time ran out"
        finally:
            for connection in silent:
                connection.close()


def test_a_connection_that_speaks_no_dicom_is_cut_off_at_once(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        with socket.create_connection(("127.0.0.1", site.port), timeout=10) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert browser.recv(1) == b"\x07"
        wait_until(lambda: site.listener._entity.connections == [], "its thread ends", 5)


def test_a_peer_that_stops_within_a_pdu_is_cut_off(tmp_path: Path) -> None:
    with listening(tmp_path, dimse_timeout=0.5, network_timeout=60) as site, RawAssociation(site.port) as assoc:
        assoc.begin()
        assoc.connection.sendall(data_pdu(1, 0x00, header())[:50])
        with pytest.raises((Ended, ConnectionError)):
            assoc.response()
        wait_until(lambda: site.half_received == [], "the file is removed", 5)


def test_a_peer_that_stops_between_two_fragments_is_cut_off(tmp_path: Path) -> None:
    with listening(tmp_path, dimse_timeout=0.5, network_timeout=60) as site, RawAssociation(site.port) as assoc:
        assoc.begin()
        assoc.connection.sendall(data_pdu(1, 0x00, header()))
        with pytest.raises((Ended, ConnectionError)):
            assoc.response()
        wait_until(lambda: site.half_received == [], "the file is removed", 5)


def test_an_idle_association_lives_as_long_as_the_network_timeout(tmp_path: Path) -> None:
    with listening(tmp_path, dimse_timeout=0.2, network_timeout=1.0) as site, RawAssociation(site.port) as assoc:
        time.sleep(0.6)
        assert assoc.store(header()).status == SUCCESS
        with pytest.raises((Ended, ConnectionError)):
            assoc.response()


def test_idle_associations_cost_no_processor_time(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        associations = [RawAssociation(site.port) for _ in range(10)]
        time.sleep(0.3)
        before = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(1.0)
        after = resource.getrusage(resource.RUSAGE_SELF)
        for assoc in associations:
            assoc.connection.close()
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


def test_a_stop_lets_the_object_in_flight_arrive_and_frees_the_port(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        port = site.port
        with RawAssociation(port) as busy, RawAssociation(port) as idle:
            busy.begin()
            busy.connection.sendall(data_pdu(1, 0x00, header()))
            wait_until(lambda: len(site.half_received) == 1, "the object arrives", 5)
            stopping = threading.Thread(target=site.listener.stop)
            stopping.start()
            with pytest.raises((Ended, ConnectionError)):
                idle.response()
            assert busy.end().status == SUCCESS
            stopping.join(10)
            assert not stopping.is_alive()
        with socket.socket() as successor:
            successor.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            successor.bind(("127.0.0.1", port))


def test_a_stop_does_not_wait_for_ever(tmp_path: Path) -> None:
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        assoc.begin()
        started = time.monotonic()
        site.listener.stop(grace_s=0.5)
        assert time.monotonic() - started < 5
        with pytest.raises((Ended, ConnectionError)):
            assoc.response()
