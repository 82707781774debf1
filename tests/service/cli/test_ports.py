"""A port that cannot be had: `up` says so with what to do, and ends."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.cli.supervisor import Supervisor
from service.process import ports
from service.process.ports import cannot_listen, require_free
from service.vocabulary.errors import PortTaken, SettingsInvalid
from tests.servers import free_port


@contextmanager
def taken() -> Iterator[tuple[int, socket.socket]]:
    """Give a port that another program has, and its socket."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1], holder


@contextmanager
def up(folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run `auscult up` in a folder, until the block ends."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
    own |= {"AUSCULT_LISTENER__PORT": str(free_port()), "AUSCULT_WEB__PORT": str(free_port()), **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "up"],
        cwd=folder,
        env={**own, "AUSCULT_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(Path(ports.__file__).parents[2])},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=40)


def test_up_says_that_a_port_is_taken_and_ends(tmp_path: Path) -> None:
    with taken() as (port, _), up(tmp_path, AUSCULT_LISTENER__PORT=str(port)) as process:
        out, told = process.communicate(timeout=60)
    assert process.returncode == os.EX_CONFIG
    assert f"listener.port = {port}: cannot listen on 127.0.0.1 (Address already in use); end the program" in told
    assert "listening" not in out
    assert "started again" not in told


def test_up_waits_for_a_port_of_an_auscult_that_is_ending(tmp_path: Path) -> None:
    with taken() as (port, ending), up(tmp_path, AUSCULT_LISTENER__PORT=str(port)) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        assert f"listener.port = {port} on 127.0.0.1 is taken; waiting" in process.stderr.readline()
        assert process.poll() is None
        ending.close()
        assert "listening for DICOM as AUSCULT" in process.stdout.readline()


def test_an_address_of_another_machine_ends_up_at_once(tmp_path: Path) -> None:
    with up(tmp_path, AUSCULT_LISTENER__HOST="192.0.2.1") as process:
        _, told = process.communicate(timeout=60)
    assert process.returncode == os.EX_CONFIG
    assert "the address is not of this machine" in told


def test_a_part_that_cannot_start_as_things_are_ends_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with taken() as (port, _):
        variables = {"AUSCULT_WEB__PORT": str(port), "AUSCULT_DATA_DIR": str(tmp_path / "data")}
        subprocess.run(
            [sys.executable, "-m", "service.cli", "db", "upgrade"], env={**os.environ, **variables}, check=True
        )
        supervisor = Supervisor([("web",), ("sweep",)], {**os.environ, **variables})
        with pytest.raises(SettingsInvalid, match="`auscult web` cannot start"):
            supervisor.run(threading.Event())
    assert f"web.port = {port}: cannot listen" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("host", "said"),
    [("no.such.host.invalid", "no address has this name"), ("192.0.2.1", "the address is not of this machine")],
)
def test_each_reason_has_its_remedy(host: str, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        require_free("listener.port", host, free_port())


def test_a_port_of_the_system_is_named_as_such() -> None:
    told = cannot_listen("listener.port", "0.0.0.0", 104, PermissionError(13, "Permission denied"))
    assert not isinstance(told, PortTaken)
    assert "a port below 1024 is the system's" in str(told)
