"""Each system that we call is asked the mildest question of its protocol, and what it says is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from pydantic import TypeAdapter

from service.partners import answers
from service.settings import Settings
from service.settings.nodes import Destination
from service.settings.receivers import Receiver
from tests.fakes import scripted_pacs
from tests.servers import free_port

_PARTNER: TypeAdapter[Any] = TypeAdapter(Receiver | Destination)


@contextmanager
def http_server(status: int) -> Iterator[tuple[str, list[tuple[str, str, str | None]]]]:
    """Give the URL of a server that answers all with one status, and what it was asked, with which login."""
    asked: list[tuple[str, str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked.append((self.command, self.path, self.headers.get("Authorization")))
            self.send_response(status)
            self.end_headers()

        do_GET = do_OPTIONS = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/base", asked
    server.shutdown()
    server.server_close()
    thread.join()


def partner(tmp_path: Path, channel: str, url: str) -> Any:
    """Return what the settings have of a system over HTTP."""
    secret = tmp_path / "secret"
    secret.write_text("whsec_c2VjcmV0\n")
    login: dict[str, dict[str, Any]] = {
        "webhook": {"secret_file": secret},
        "dicomweb": {"user": "anna", "password_file": secret},
    }
    return _PARTNER.validate_python(
        {"name": "far", "channel": channel, "url": url, **login.get(channel, {"token_file": secret})}
    )


@pytest.mark.parametrize(
    ("channel", "method", "path"),
    [
        ("dicomweb", "GET", "/base/studies"),
        ("ups-rs", "GET", "/base/workitems"),
        ("fhir", "GET", "/base/metadata"),
        ("webhook", "OPTIONS", "/base"),
    ],
)
def test_over_http_the_question_changes_nothing_and_brings_no_patient(
    tmp_path: Path, channel: str, method: str, path: str
) -> None:
    with http_server(204) as (url, asked):
        is_well, said = answers(Settings(), partner(tmp_path, channel, url))
    assert is_well
    assert str(said).endswith(f"answers {method} with HTTP 204")
    ((used, target, login),) = asked
    assert (used, urlsplit(target).path) == (method, path)
    assert login == {"dicomweb": "Basic YW5uYTp3aHNlY19jMlZqY21WMA==", "webhook": None}.get(
        channel, "Bearer whsec_c2VjcmV0"
    )
    query = parse_qs(urlsplit(target).query)
    assert query.pop("limit", ["1"]) == ["1"]
    assert all(values == ["1.2.840.10008.1.1"] for values in query.values()), "a search that finds nothing"


@pytest.mark.parametrize(
    ("channel", "status", "is_well"),
    [
        ("dicomweb", 401, False),
        ("fhir", 404, False),
        ("fhir", 405, False),
        ("webhook", 405, True),
        ("webhook", 503, False),
    ],
)
def test_what_a_server_says_of_the_question_is_told(tmp_path: Path, channel: str, status: int, is_well: bool) -> None:
    with http_server(status) as (url, _):
        found, said = answers(Settings(), partner(tmp_path, channel, url))
    assert found is is_well
    assert f"HTTP {status}" in str(said)


@pytest.mark.parametrize("channel", ["dicomweb", "ups-rs", "fhir", "webhook"])
def test_a_server_that_is_away_or_a_login_that_cannot_be_read_is_told(tmp_path: Path, channel: str) -> None:
    away = partner(tmp_path, channel, f"http://127.0.0.1:{free_port()}/base")
    assert "cannot be reached" in str(answers(Settings(), away)[1])
    (tmp_path / "secret").unlink()
    is_well, said = answers(Settings(), away)
    assert not is_well
    assert "does not answer" in str(said)


def test_a_receiver_of_hl7_is_connected_to_and_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        ris = {"name": "ris", "channel": "hl7", "host": "127.0.0.1", "port": there.getsockname()[1]}
        assert answers(Settings(), _PARTNER.validate_python(ris))[0]
        connection, _ = there.accept()
        with connection:
            assert connection.recv(1) == b""


def test_a_receiver_of_hl7_over_tls_must_make_the_handshake(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as there:

        def hang_up() -> None:
            there.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        tls, port = {"ca": tmp_path / "ca.pem"}, there.getsockname()[1]
        ris = {"name": "ris", "channel": "hl7", "host": "127.0.0.1", "port": port, "tls": tls}
        is_well, said = answers(Settings(), _PARTNER.validate_python(ris))
        hanging_up.join()
    assert not is_well
    assert "handshake of TLS failed" in str(said)


def test_the_owner_of_a_worklist_over_dicom_is_asked_by_c_echo() -> None:
    with scripted_pacs() as pacs:
        owner = {"name": "ris", "channel": "ups", "ae_title": "PACS", "host": "127.0.0.1", "port": pacs.port}
        is_well, said = answers(Settings(), _PARTNER.validate_python(owner))
    assert is_well
    assert "answers C-ECHO" in str(said)
