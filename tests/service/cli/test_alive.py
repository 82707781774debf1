"""`auscult alive`: the health check of each part, by its progress."""

import os
import socket
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.cli.alive import alive
from service.process.heartbeat import Heartbeat
from service.vocabulary.errors import AuscultError
from tests.servers import free_port


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUSCULT_LIVENESS__FOLDER", str(tmp_path / "alive"))
    monkeypatch.setenv("AUSCULT_WEB__PORT", str(free_port()))


def said(part: str) -> str:
    """Return what is wrong with a part; empty when nothing is."""
    result = CliRunner().invoke(alive, [part])
    return str(result.exception) if isinstance(result.exception, AuscultError) else ""


@pytest.mark.parametrize("part", ["listen", "infer", "deliver", "sweep"])
def test_a_part_is_alive_while_its_heartbeat_is_fresh(tmp_path: Path, part: str) -> None:
    assert "does not run here" in said(part)
    heartbeat = Heartbeat(tmp_path / "alive", part)
    assert said(part) == ""
    long_ago = time.time() - 120
    os.utime(tmp_path / "alive" / f"{part}-{os.getpid()}@{socket.gethostname()}", (long_ago, long_ago))
    assert "has not got on for 120 s" in said(part)
    heartbeat.stop()


def test_the_page_is_alive_when_it_answers() -> None:
    assert "does not answer" in said("web")
