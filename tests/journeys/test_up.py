"""`auscult up`: one command, killed and stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.vocabulary.states import State
from tests.journeys.gateway import EVERYTHING, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.servers import wait_until


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_supervisor_takes_its_children_along_and_a_new_one_carries_on(tmp_path: Path) -> None:
    with CountingPacs() as pacs, gateway(tmp_path, [destination(pacs.port)], parts=EVERYTHING) as running:
        children = running.children()
        assert set(children) == {"listen", "work infer", "work deliver", "web", "sweep"}
        sources = [chest(500 + number) for number in range(6)]
        for source in sources:
            assert running.send(source) == 0x0000
        running.kill("up")
        wait_until(lambda: not any(is_running(pid) for pid in children.values()), "the children end", 40)
        assert is_free(running.port)
        running.start("up")
        running.wait_until_listening()
        last = chest(510)
        assert running.send(last) == 0x0000
        running.wait_until_settled()
        for source in (*sources, last):
            assert running.version(source).state == State.DELIVERED
            assert len(pacs.of(source)) == 3
            assert all(len(set(pacs.digests[str(report.SOPInstanceUID)])) == 1 for report in pacs.of(source))
        # A child that dies is started again ...
        listener = running.children()["listen"]
        os.kill(listener, signal.SIGKILL)
        wait_until(lambda: running.children().get("listen", listener) != listener, "another listener", 20)
        running.wait_until_listening()
        # ... and neither a probe of the port nor a peer that says nothing keeps anything from ending in time.
        socket.create_connection(("127.0.0.1", running.port)).close()
        with socket.create_connection(("127.0.0.1", running.port)):
            begun = time.monotonic()
            assert running.stop("up") == 0
            assert time.monotonic() - begun < 9
        assert is_free(running.port)


def test_auscult_up_serves_as_the_first_process_of_a_container(tmp_path: Path, program: Callable[[str], str]) -> None:
    unshare = [program("unshare"), "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], capture_output=True, timeout=30, check=False).returncode != 0:
        pytest.skip("this account may not make a process namespace")
    with gateway(tmp_path, parts=()) as idle:
        idle.start("up", wrapper=unshare)
        idle.wait_until_listening()
        assert idle.send(chest(520)) == 0x0000
        wait_until(lambda: idle.version(chest(520)).state == State.REPORTED, "the image is reported", 60)
        assert "is started again" not in idle.output()
        idle.kill("up")
