"""`auscult listen` with several processes on one port: one that dies is replaced, one signal ends all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from service.settings import load
from tests import ledgers, servers


@pytest.fixture
def port() -> int:
    return servers.free_port()


@pytest.fixture
def listener(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Run two listener processes on one port."""
    settings = tmp_path / "auscult.toml"
    settings.write_text(f'data_dir = "{tmp_path}"\n[listener]\nport = {port}\nprocesses = 2\n', encoding="utf-8")
    monkeypatch.setenv("AUSCULT_CONFIG", str(settings))
    left = half_received(tmp_path)
    left.parent.mkdir(parents=True)
    left.write_bytes(b"of a listener that crashed")
    os.utime(left, (0, 0))
    ledgers.prepare(load().database_url)
    with servers.running(
        [sys.executable, "-m", "service.cli", "listen"], tmp_path / "log", lambda: echoes(port)
    ) as process:
        yield process


def half_received(folder: Path) -> Path:
    return folder / "objects" / "incoming" / "77-abc"


def echoes(port: int) -> bool:
    """Tell whether a C-ECHO succeeds."""
    ae = AE()
    ae.add_requested_context(Verification)
    try:
        association = ae.associate("127.0.0.1", port, ae_title="AUSCULT")
    except OSError:
        return False
    if not association.is_established:
        return False
    status: int | None = association.send_c_echo().get("Status")
    association.release()
    return status == 0x0000


def children(parent: int) -> list[int]:
    """Return the listener processes that a supervisor started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"spawn_main" in command and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_a_listener_process_that_is_killed_is_replaced_while_the_other_serves_and_one_signal_ends_all(
    listener: subprocess.Popen[bytes], port: int, tmp_path: Path
) -> None:
    servers.wait_until(lambda: len(children(listener.pid)) == 2, "two processes listen")
    servers.wait_until(lambda: not half_received(tmp_path).exists(), "what another had half received is removed")
    killed = children(listener.pid)[0]
    os.kill(killed, signal.SIGKILL)
    servers.wait_until(lambda: echoes(port), "the other process serves")
    servers.wait_until(
        lambda: len(children(listener.pid)) == 2 and killed not in children(listener.pid), "another takes its place"
    )
    everyone = children(listener.pid)
    listener.send_signal(signal.SIGTERM)
    assert listener.wait(timeout=30) == 0
    assert not [pid for pid in everyone if Path(f"/proc/{pid}").exists()]
