"""Acknowledge only what is durable: proven by the order of system calls, for a kill spares the page cache."""

import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.invariants import Invariant
from tests.journeys.durability import Call, Kind, find_gaps, read_calls
from tests.servers import free_port, running, wait_until
from tests.service.dicom.raw_scu import RawAssociation, header
from tests.service.listening import prepare

IMAGES = 5
PROPER = [
    Call(Kind.FILE_FSYNC, "/o/incoming/1"),
    Call(Kind.RENAME, "/o/incoming/1 /o/ab/abcd"),
    Call(Kind.FOLDER_FSYNC, "/o/ab"),
    Call(Kind.COMMIT, "/ledger.sqlite-wal"),
    Call(Kind.RESPONSE),
]


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _trace(folder: Path, strace: str, missing: str) -> list[Call]:
    """Send images to a listener under strace that lacks a step; return the system calls that matter."""
    prepare(folder)
    port, trace = free_port(), folder / "trace"
    calls = "trace=fsync,fdatasync,rename,renameat,renameat2,sendto,sendmsg"
    listener = str(Path(__file__).with_name("faulty_listener.py"))
    environment = {"AUSCULT_DATA_DIR": str(folder), "AUSCULT_LISTENER__PORT": str(port)}
    environment |= {"AUSCULT_LISTENER__MINIMUM_FREE_BYTES": "0"}
    command = ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items())]
    # -D: the signal that stops the listener goes to it, not to strace, which would not pass it on.
    command += [strace, "-D", "-f", "--seccomp-bpf", "-y", "-e", calls, "-o", str(trace)]
    command += [sys.executable, listener, missing]
    with running(command, folder / "log", lambda: _answers(port)) as process, RawAssociation(port) as assoc:
        for number in range(IMAGES):
            uid = f"2.25.{number + 1}"
            answer = assoc.store(header(uid) + bytes(100_000), sop_instance_uid=uid)
            assert answer.status == 0x0000, answer.comment
        assoc.release()
    ended = re.compile(rf"^{process.pid} +\+\+\+ exited", re.MULTILINE)
    wait_until(lambda: ended.search(trace.read_text()) is not None, "strace has written all", 10)
    return read_calls(trace.read_text().splitlines())


@pytest.fixture
def strace(program: Callable[[str], str]) -> str:
    return program("strace")


@pytest.mark.proves(Invariant.DURABLE_BEFORE_ACKNOWLEDGED)
def test_bytes_name_and_row_are_durable_before_each_response(tmp_path: Path, strace: str) -> None:
    calls = _trace(tmp_path, strace, "nothing")
    assert [call.kind for call in calls].count(Kind.RESPONSE) == IMAGES
    assert find_gaps(calls) == []
    for kind in set(Kind) - {Kind.RESPONSE}:
        assert len(find_gaps([call for call in calls if call.kind is not kind])) == IMAGES


@pytest.mark.proves(Invariant.DURABLE_BEFORE_ACKNOWLEDGED)
@pytest.mark.parametrize(
    ("missing", "lacking"),
    [
        ("file fsync", Kind.FILE_FSYNC),
        ("folder fsync", Kind.FOLDER_FSYNC),
        ("commit fsync", Kind.COMMIT),
        ("waiting", Kind.COMMIT),
    ],
)
def test_a_listener_that_lacks_a_step_is_found_out(tmp_path: Path, strace: str, missing: str, lacking: Kind) -> None:
    gaps = find_gaps(_trace(tmp_path, strace, missing))
    assert len(gaps) >= IMAGES - 1
    assert all(lacking.value in gap for gap in gaps)


def test_the_proper_order_has_no_gap() -> None:
    assert find_gaps(PROPER * 3) == []


@pytest.mark.parametrize("index", range(4))
def test_each_step_that_is_left_out_is_a_gap(index: int) -> None:
    assert find_gaps(PROPER[:index] + PROPER[index + 1 :]) == [
        f"response 1: no {PROPER[index].kind.value} before it, in its place"
    ]


@pytest.mark.parametrize("index", range(4))
def test_each_two_steps_that_change_places_are_a_gap(index: int) -> None:
    swapped = [*PROPER[:index], PROPER[index + 1], PROPER[index], *PROPER[index + 2 :]]
    assert find_gaps(swapped)


def test_what_another_image_needed_does_not_count() -> None:
    strangers = [Call(call.kind, call.name.replace("/o/ab", "/o/cd")) for call in PROPER]
    assert find_gaps([PROPER[0], PROPER[1], strangers[2], *PROPER[3:]]) == [
        "response 1: no fsync of the folder before it, in its place"
    ]


def test_a_call_that_was_interrupted_by_other_threads_counts_when_it_returns() -> None:
    lines = [
        "11 fsync(7</o/incoming/1> <unfinished ...>",
        '12 sendto(5<socket:[99]>, "\\4\\0\\0\\0", 4, 0, NULL, 0) = 4',
        "11 <... fsync resumed>) = 0",
        "11 fsync(8</o/ab>) = -1 EIO (Input/output error)",
        '11 rename("/o/incoming/1", "/o/ab/abcd") = 0',
    ]
    assert [call.kind for call in read_calls(lines)] == [Kind.RESPONSE, Kind.FILE_FSYNC, Kind.RENAME]
