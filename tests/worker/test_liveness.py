"""A worker that gets nowhere while work waits is ended; one that has nothing to do, or gets on, is not."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.process import heartbeat
from service.process.heartbeat import Heartbeat
from service.vocabulary.errors import LedgerUnavailable
from tests.invariants import Invariant
from tests.servers import wait_until
from worker.liveness import STALLED, Activity, Liveness


def ended(folder: Path, waits: Callable[[], bool], *, gets_on: bool = False, seconds: float = 1.0) -> list[int]:
    """Watch an activity for a while; return the status that its process was ended with, if it was."""
    statuses: list[int] = []
    activity = Activity("the inference", waits)
    with Liveness([activity], Heartbeat(folder, "infer"), 0.2, statuses.append):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not statuses:
            if gets_on:
                activity.progress()
            time.sleep(0.02)
    return statuses


@pytest.mark.proves(Invariant.STUCK_WORKER_ENDS)
def test_work_that_waits_without_progress_ends_the_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert ended(tmp_path, lambda: True, seconds=20) == [STALLED]
    assert "the inference got nowhere" in caplog.text


def test_a_worker_that_gets_on_or_has_nothing_to_do_goes_on(tmp_path: Path) -> None:
    assert ended(tmp_path, lambda: True, gets_on=True) == []
    assert ended(tmp_path, lambda: False) == []


def test_a_ledger_that_is_away_is_no_fault_of_the_worker(tmp_path: Path) -> None:
    def away() -> bool:
        raise LedgerUnavailable

    assert ended(tmp_path, away) == []


def test_a_worker_whose_python_stands_still_is_ended_from_outside_it(tmp_path: Path) -> None:
    """A regular expression that backtracks for ever holds Python's lock all the while."""
    script = (
        "import re, sys; from pathlib import Path; from service.process.heartbeat import Heartbeat\n"
        "from worker.liveness import Liveness, Activity\n"
        f"with Liveness([Activity('s', lambda: False)], Heartbeat(Path({str(tmp_path)!r}), 'infer'), 0.2):\n"
        "    import time; time.sleep(0.3); re.match('(a+)+$', 'a' * 64 + 'b')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert "Timeout" in ran.stderr


def test_a_heartbeat_is_fresh_while_it_beats_and_gone_when_its_process_is(tmp_path: Path) -> None:
    beating = Heartbeat(tmp_path, "listen")
    assert [age < 5 for age in heartbeat.ages(tmp_path, "listen")] == [True]
    path = tmp_path / f"listen-{os.getpid()}@{socket.gethostname()}"
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert heartbeat.ages(tmp_path, "listen")[0] > 90

    def beats_anew() -> bool:
        beating.beat()
        return heartbeat.ages(tmp_path, "listen")[0] < 5

    wait_until(beats_anew, "the next beat", 10)
    beating.stop()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    (tmp_path / f"listen-{child.pid}@{socket.gethostname()}").touch()
    assert heartbeat.ages(tmp_path, "listen") == []
    assert list(tmp_path.iterdir()) == []


def test_machines_that_share_a_folder_leave_each_others_heartbeats_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f"infer-{ended.pid}@gpu-2.example").touch()
    assert heartbeat.ages(tmp_path, "infer") == []
    assert [path.name for path in tmp_path.iterdir()] == [f"infer-{ended.pid}@gpu-2.example"]
    monkeypatch.setattr("socket.gethostname", lambda: "gpu-1.example")
    Heartbeat(tmp_path, "infer")
    assert len(heartbeat.ages(tmp_path, "infer")) == 1
