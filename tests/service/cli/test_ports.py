"""A port that cannot be had: `up` says so with what to do, and ends."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.cli.supervisor import Supervisor
from service.process.ports import cannot_listen, require_free
from service.vocabulary.errors import PortTaken, SettingsInvalid
from tests.forked import Forked
from tests.servers import free_port, wait_until
from tests.service.listening import prepare


@contextmanager
def taken() -> Iterator[tuple[int, socket.socket]]:
    """Give a port that another program has, and its socket."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield holder.getsockname()[1], holder


@dataclass(frozen=True)
class Up:
    """`auscult up`, and what it has written."""

    folder: Path
    process: Forked

    @property
    def said(self) -> str:
        return (self.folder / "output").read_text()

    @property
    def told(self) -> str:
        return (self.folder / "errors").read_text()


@contextmanager
def up(folder: Path, **variables: str) -> Iterator[Up]:
    """Run `auscult up` until the block ends; its ledger and all that it writes are in a folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
    own |= {"AUSCULT_LISTENER__PORT": str(free_port()), "AUSCULT_WEB__PORT": str(free_port()), **variables}
    own["AUSCULT_DATA_DIR"] = str(folder / "data")
    made = Up(folder, Forked(["up"], own, folder / "output", folder / "errors"))
    try:
        yield made
    finally:
        made.process.send_signal(signal.SIGTERM)
        made.process.wait(40)


def test_up_says_that_a_port_is_taken_and_ends(tmp_path: Path) -> None:
    with taken() as (port, _), up(tmp_path, AUSCULT_LISTENER__PORT=str(port)) as ended:
        assert ended.process.wait(60) == os.EX_CONFIG
    assert f"listener.port = {port}: cannot listen on 127.0.0.1 (Address already in use); end the program" in ended.told
    assert "listening" not in ended.said
    assert "started again" not in ended.told


def test_up_waits_for_a_port_of_an_auscult_that_is_ending(tmp_path: Path) -> None:
    with taken() as (port, ending), up(tmp_path, AUSCULT_LISTENER__PORT=str(port)) as waiting:
        warned = f"listener.port = {port} on 127.0.0.1 is taken; waiting"
        wait_until(lambda: (tmp_path / "errors").exists() and warned in waiting.told, "it waits", 60)
        assert waiting.process.poll() is None
        ending.close()
        wait_until(lambda: "listening for DICOM as AUSCULT" in waiting.said, "it listens", 60)


def test_an_address_of_another_machine_ends_up_at_once(tmp_path: Path) -> None:
    with up(tmp_path, AUSCULT_LISTENER__HOST="192.0.2.1") as ended:
        assert ended.process.wait(60) == os.EX_CONFIG
    assert "the address is not of this machine" in ended.told


def test_a_part_that_cannot_start_as_things_are_ends_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with taken() as (port, _):
        prepare(tmp_path / "data")
        variables = {"AUSCULT_WEB__PORT": str(port), "AUSCULT_DATA_DIR": str(tmp_path / "data")}
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
