"""`auscult listen` with several processes on one port: one that dies is replaced, one signal ends all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from sqlalchemy import func, select

from service.ledger.database import connect, reading
from service.ledger.records import EventRecord, InstanceRecord
from service.settings import load
from service.vocabulary.facts import EventKind
from tests import ledgers, servers
from tests.service.dicom.raw_scu import RawAssociation, header


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


def _require_one_ledger_behind_both(port: int, folder: Path) -> None:
    """Store over eight associations at once, which the kernel spreads: one object that all have, and each one's own."""

    def store(number: int) -> list[int]:
        with RawAssociation(port, calling=f"S{number}") as peer:
            uids = ("2.25.71", f"2.25.{720 + number}")
            return [peer.store(header(uid), sop_instance_uid=uid).status for uid in uids]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(store, range(8))) == [[0, 0]] * 8
    engine = connect(load(data_dir=folder).database_url)
    with reading(engine) as session:
        versions = session.execute(select(InstanceRecord.sop_instance_uid, InstanceRecord.version)).all()
        again = select(func.count()).where(EventRecord.event == EventKind.RECEIVED_AGAIN.value)
        assert session.scalars(again).one() == 7
    engine.dispose()
    own = [f"2.25.{720 + number} 1" for number in range(8)]
    assert sorted(f"{uid} {version}" for uid, version in versions) == ["2.25.71 1", *own]


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
    _require_one_ledger_behind_both(port, tmp_path)
    everyone = children(listener.pid)
    listener.send_signal(signal.SIGTERM)
    assert listener.wait(timeout=30) == 0
    assert not [pid for pid in everyone if Path(f"/proc/{pid}").exists()]
