"""Requests that no browser sends: each is answered, none with a status of ours, before a login and behind it."""

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.security.passwords import write
from service.settings import WebSettings
from tests.fakes import cheap_user
from tests.service.sample_site import SampleSite
from tests.service.web.test_server import serving

_LOGIN = b"Basic " + base64.b64encode(b"reader:a long enough password")
_VALUES = (
    b"",
    b"\xff\xfe",
    b"Basic",
    b"Basic \xff\xfe",
    b"Basic \xc3\xa9",
    b"Basic ====",
    b"Basic YQ",
    b"Basic /w==",  # no UTF-8
    b"Basic " + base64.b64encode(b"\xff:\xff"),
    b"Basic " + base64.b64encode(b"no colon"),
    b"Basic " + base64.b64encode(b":"),
    b"Basic " + base64.b64encode(b"a\0b:c\0d"),
    b"Basic " + base64.b64encode("né:ü".encode()),
    b"Bearer \xe2\x82\xac",
    b"bytes=\xff-",
    b"bytes=9-1,-,abc",
    b"Thu, 99 Foo 0000 99:99:99 GMT",
    b'"\xff", W/"\xfe',
    b"-1",
    b"99999999999999999999",
    b"chunked, \xff",
    b"127.0.0.1:\xff",
    b"[::1",
    b"x" * 8000,
)
_NAMES = (
    b"Authorization",
    b"Host",
    b"Range",
    b"If-Modified-Since",
    b"If-None-Match",
    b"If-Range",
    b"Cookie",
    b"Accept",
    b"Accept-Encoding",
    b"Content-Length",
    b"Content-Type",
    b"Transfer-Encoding",
    b"Expect",
    b"Upgrade",
    b"X-Forwarded-For",
    b"X-\xff",
)
_TARGETS = (
    b"/studies/%00",
    b"/studies/%ff%fe",
    b"/instances/..%2f..%2fetc.png",
    b"/?page=%ff",
    b"/?page=99999999999999999999999",
    b"/?page=\xff",
    b"/api/worklist?limit=-1",
    b"/api/worklist?limit=%D9%A1",  # a digit, of another script
    b"/api/worklist?limit=1e3&offset=",
    b"/static/%00",
    b"/static/\xff",
    b"/static/" + b"a" * 5000,
    b"//",
    b"*",
    b"http://elsewhere/",
    b"/healthz/%2e%2e",
)


@pytest.fixture(scope="module", params=["before a login", "behind the login"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, bytes]]:
    """Give the port of a page with a login, and the header of one who has logged in, or of nobody."""
    folder: Path = tmp_path_factory.mktemp("page")
    site = SampleSite(folder / "data")
    write(folder / "users", {"reader": cheap_user("a long enough password")})
    web = WebSettings(port=0, users=folder / "users")
    site.settings = site.settings.model_copy(update={"web": web})
    with serving(site) as address:
        login = b"" if request.param == "before a login" else b"Authorization: " + _LOGIN + b"\r\n"
        yield int(address.rstrip("/").rpartition(":")[2]), login
    site.close()


def _status(port: int, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 "), answer[:80]
    return int(answer[9:12])


@pytest.mark.parametrize("name", _NAMES, ids=lambda name: name.decode("latin-1"))
def test_no_header_brings_the_page_to_a_fault_of_its_own(page: tuple[int, bytes], name: bytes) -> None:
    port, login = page
    # Only a file has what a range or a condition is about.
    target = b"/static/auscult.css" if name == b"Range" or name.startswith(b"If-") else b"/"
    for value in _VALUES:
        host = b"" if name == b"Host" else b"Host: 127.0.0.1\r\n"
        kept = b"" if name == b"Authorization" else login
        head = b"GET " + target + b" HTTP/1.1\r\n" + host + kept + name + b": " + value
        assert _status(port, head + b"\r\nConnection: close\r\n\r\n") < 500, value


@pytest.mark.parametrize("target", _TARGETS, ids=lambda target: target[:30].decode("latin-1"))
def test_no_address_brings_the_page_to_a_fault_of_its_own(page: tuple[int, bytes], target: bytes) -> None:
    port, login = page
    for method in (b"GET", b"POST", b"G\xffT"):
        head = method + b" " + target + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + login
        status = _status(port, head + b"Connection: close\r\n\r\n")
        assert status < 500, (method, target)
