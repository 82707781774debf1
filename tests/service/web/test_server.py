"""The server on a real socket, and the page in a real browser."""

import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from service import cli
from service.vocabulary.errors import SettingsInvalid
from service.web.server import serve
from service.worklist import rows
from tests.service.sample_site import ENGLISH, SampleSite, busy_morning
from tests.service.web.page import parse

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def serving(site: SampleSite) -> Iterator[str]:
    """Serve a site's pages on a port that the system chooses; yield the address."""
    stop, bound, addresses = threading.Event(), threading.Event(), []

    def ready(address: str) -> None:
        addresses.append(address)
        bound.set()

    thread = threading.Thread(target=serve, args=(site.settings, site.ledger), kwargs={"ready": ready, "stop": stop})
    thread.start()
    try:
        assert bound.wait(20)
        yield addresses[0]
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AUSCULT_WEB__HOST", "0.0.0.0"),
        ("auscult_web__host", "::"),
        ("AUSCULT_WEB", '{"host": "10.1.2.3", "port": 0}'),
        ("AUSCULT_WEB", '{"host": "0.0.0.0", "tls": {"certificate": "a.pem", "key": "a.key"}}'),
    ],
)
def test_no_variable_opens_the_page_beyond_this_machine_without_a_login(
    variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(variable, value)
    ran = CliRunner().invoke(cli._group, ["web"])
    assert isinstance(ran.exception, SettingsInvalid)
    assert "is beyond this machine, where the page needs TLS, a login and its own name" in str(ran.exception)


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--host=0.0.0.0"], ["0.0.0.0"]])
def test_the_command_takes_no_address(options: list[str]) -> None:
    ran = CliRunner().invoke(cli._group, ["web", *options])
    assert ran.exit_code == 2
    assert "No such option" in ran.output or "unexpected extra argument" in ran.output


def test_what_the_library_reads_from_its_own_variables_moves_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("UVICORN_HOST", "HOST"):
        monkeypatch.setenv(variable, "0.0.0.0")
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    site = SampleSite(tmp_path)
    with serving(site) as address:
        port = int(address.rstrip("/").rpartition(":")[2])
        assert address == f"http://127.0.0.1:{port}/"
        # The system refuses this where the port is taken on every address.
        socket.create_server(("127.0.0.2", port)).close()
    site.close()


def test_a_request_leaves_no_patient_and_no_path_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    site = SampleSite(tmp_path)
    dataset = site.receive(patient_name="Ames^Anna", patient_id="SECRET-1")
    with serving(site) as address:
        for path in ("", f"studies/{dataset.StudyInstanceUID}", "api/worklist?limit=3"):
            with urllib.request.urlopen(address + path, timeout=20) as response:
                assert b"Ames" in response.read()
                assert "server" not in {name.lower() for name in response.headers}
    site.close()
    logged = caplog.text + "".join(capfd.readouterr())

    assert "Ames" not in logged
    assert "SECRET-1" not in logged
    assert "limit=3" not in logged


def test_a_taken_port_is_named_with_its_remedy(tmp_path: Path) -> None:
    site = SampleSite(tmp_path)
    with serving(site) as address:
        port = int(address.rstrip("/").rpartition(":")[2])
        site.settings = site.settings.model_copy(update={"web": site.settings.web.model_copy(update={"port": port})})
        with pytest.raises(SettingsInvalid, match=rf"web\.port = {port}: cannot listen"):
            serve(site.settings, site.ledger)
    site.close()


def test_a_browser_shows_the_rows_in_reading_order(tmp_path: Path, program: Callable[[str], str]) -> None:
    site = busy_morning(tmp_path / "data")
    with serving(site) as address:
        command = [program("chromium"), *_QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        page = subprocess.run(
            [*command, "--timeout=6000", address], capture_output=True, timeout=90, check=True
        ).stdout.decode()
    listed = rows(ENGLISH, site.ledger.reading_list, site.now, 100)
    site.close()
    shown = parse(page)

    assert [row.attributes["data-uid"] for row in shown.all("tbody")[0].all("tr")] == [
        row.study_instance_uid for row in listed
    ]
