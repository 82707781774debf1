"""What strangers leave undone at the page's door keeps nobody out, with few file handles too."""

import os
import resource
import signal
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path

import pytest

from service.security.passwords import write
from tests.certificates import Authority
from tests.fakes import cheap_user
from tests.forked import Forked
from tests.servers import free_port, wait_until
from tests.service.listening import prepare

#: A process that serves the page has some twenty files open before anybody comes.
_FEW_HANDLES = 128
#: Seconds; a site's are 10 and 30.
_HEADER, _BODY = 3.0, 3.0
_HALF = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
_UNFINISHED = (_HALF, b"", b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n1")


@dataclass
class Page:
    """`auscult web` in a process of its own."""

    port: int
    log: Path
    tls: ssl.SSLContext | None = None

    def answers(self, path: str = "healthz") -> int:
        """Return the status of a whole request."""
        scheme = "http" if self.tls is None else "https"
        with urllib.request.urlopen(f"{scheme}://127.0.0.1:{self.port}/{path}", timeout=10, context=self.tls) as answer:
            return int(answer.status)

    def connect(self) -> socket.socket:
        """Return a plain connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def warnings(self) -> list[str]:
        """Return what the log warns of."""
        return [line for line in self.log.read_text().splitlines() if "WARNING" in line or "ERROR" in line]


@contextmanager
def page(folder: Path, **variables: str) -> Iterator[Page]:
    """Run `auscult web` with few file handles, until the block ends."""
    port = free_port()
    prepare(folder / "data")
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
    own |= {
        "AUSCULT_DATA_DIR": str(folder / "data"),
        "AUSCULT_WEB__PORT": str(port),
        "AUSCULT_WEB__HEADER_TIMEOUT": str(_HEADER),
        "AUSCULT_WEB__BODY_TIMEOUT": str(_BODY),
        **variables,
    }
    log = folder / "web.log"
    limits = (resource.RLIMIT_NOFILE, (_FEW_HANDLES, _FEW_HANDLES))
    process = Forked(["web"], own, log, before=partial(resource.setrlimit, *limits))
    found = Page(port, log)
    try:
        wait_until(lambda: log.exists() and "the worklist is at" in log.read_text(), "the page serves", 60)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def _is_closed(connection: socket.socket) -> bool:
    """Wait for the end; an answer may come before it."""
    try:
        while connection.recv(65536):
            pass
        return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def _require_handles(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        pytest.skip(f"this account may open {hard} files, and the test {number}")
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))


def test_many_unfinished_requests_of_each_kind_keep_nobody_out_and_are_closed(tmp_path: Path) -> None:
    _require_handles(1024)
    with page(tmp_path) as served, ExitStack() as held:
        begun = time.monotonic()
        unfinished = [held.enter_context(served.connect()) for _ in range(450)]
        for connection, said in zip(unfinished, cycle(_UNFINISHED), strict=False):
            try:
                connection.sendall(said)
            except ConnectionError:
                continue  # it has made room already
        for path in ("healthz", "", "metrics"):
            assert served.answers(path) == 200
        assert all(map(_is_closed, unfinished))
        assert time.monotonic() - begun < 3 * (_HEADER + _BODY)
        assert served.answers() == 200
        assert 1 <= len(served.warnings()) <= 4, served.warnings()


def test_a_request_that_drips_is_closed_when_its_time_is_over(tmp_path: Path) -> None:
    with page(tmp_path) as served, served.connect() as header, served.connect() as body:
        header.sendall(_HALF)
        body.sendall(b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n")
        begun, closed = time.monotonic(), 0
        while closed < 2 and time.monotonic() - begun < 20:
            closed = 0
            for connection in (header, body):
                try:
                    connection.sendall(b"a")
                except ConnectionError:
                    closed += 1
            time.sleep(0.2)
        assert closed == 2
        assert min(_HEADER, _BODY) * 0.9 < time.monotonic() - begun < 20
        assert any("web.header_timeout" in line for line in served.warnings())


def test_connections_that_make_no_handshake_keep_nobody_out_of_the_encrypted_page(tmp_path: Path) -> None:
    _require_handles(1024)
    authority = Authority(tmp_path)
    issued = authority.issue("page", "localhost").settings()
    write(tmp_path / "users", {"reader": cheap_user("a long enough password")})
    variables = {
        "AUSCULT_WEB__TLS__CERTIFICATE": str(issued["certificate"]),
        "AUSCULT_WEB__TLS__KEY": str(issued["key"]),
        "AUSCULT_WEB__USERS": str(tmp_path / "users"),
    }
    with page(tmp_path, **variables) as served, ExitStack() as held:
        served.tls = ssl.create_default_context(cafile=str(authority.ca))
        silent = [held.enter_context(served.connect()) for _ in range(300)]
        assert served.answers() == 200
        assert all(map(_is_closed, silent))
        assert served.answers() == 200


def test_a_connection_that_asks_again_and_again_is_kept(tmp_path: Path) -> None:
    with page(tmp_path) as served, closing(HTTPConnection("127.0.0.1", served.port, timeout=10)) as kept:
        for _ in range(5):
            kept.request("GET", "/healthz")
            answer = kept.getresponse()
            assert (answer.status, answer.read()) == (200, b'{"status":"ok"}')
            assert kept.sock is not None  # nobody has closed it
            time.sleep(1.0)
        assert served.warnings() == []
