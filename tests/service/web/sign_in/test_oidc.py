"""Signing in with a provider that nobody here wrote: oidc-provider-mock."""

import base64
import hashlib
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import httpx2
import pytest

from service.settings import WebSettings
from tests.servers import free_port, listens, running
from tests.service.sample_site import SampleSite
from tests.service.web.sign_in.test_sessions import BROWSER, hidden
from tests.service.web.test_server import serving

_PEOPLE = [
    {"sub": "1", "preferred_username": "anna", "groups": ["Radiology", "Everybody"]},
    {"sub": "2", "preferred_username": "stranger", "groups": ["Everybody"]},
    {"sub": "3", "groups": ["PACS-Admins"]},
]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the issuer of a provider that runs."""
    with provider(tmp_path_factory.mktemp("provider")) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def provider(folder: Path) -> Iterator[int]:
    """Run a provider that knows three people; yield its port."""
    port = free_port()
    people = [part for person in _PEOPLE for part in ("--user-claims", json.dumps(person))]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    with running([*command, *people], folder / "log", lambda: listens(port)):
        yield port


@contextmanager
def page(site: SampleSite, issuer: str, timeout: float = 10.0) -> Iterator[httpx.Client]:
    """Serve the pages with that provider; yield a browser."""
    (site.folder / "secret").write_text("the client's secret\n")
    port = free_port()
    web = {
        "port": port,
        "groups": {"radiologist": ["Radiology"], "administrator": ["PACS-Admins"]},
        "oidc": {
            "issuer": issuer,
            "client_id": "auscult",
            "client_secret_file": site.folder / "secret",
            "redirect_uri": f"http://127.0.0.1:{port}/sign-in/oidc/answer",
            "timeout": timeout,
        },
    }
    site.settings = site.settings.model_copy(update={"web": WebSettings.model_validate(web)})
    with serving(site) as address, httpx.Client(base_url=address, timeout=20, headers=BROWSER) as client:
        yield client


def asked(client: httpx.Client, back: str = "/") -> str:
    """Begin to sign in; return the address at the provider."""
    return client.get("/sign-in/oidc", params={"back": back}).headers["location"]


def answered(url: str, **form: Any) -> str:
    """Do at the provider what a person does; return the address to which it sends the browser back."""
    return httpx.post(url, data=form).headers["location"]


def test_a_person_signs_in_there_and_has_the_role_of_the_group(site: SampleSite, issuer: str) -> None:
    uid = site.receive(patient_name="Ames^Anna").StudyInstanceUID
    with page(site, issuer) as client:
        assert "Sign in with the hospital" in client.get("/sign-in").text
        url = asked(client, f"/studies/{uid}")
        query = parse_qs(urlsplit(url).query)
        assert query["code_challenge_method"] == ["S256"]
        assert query["response_type"] == ["code"]
        done = client.get(answered(url, sub="1"))
        assert (done.status_code, done.headers["location"]) == (303, f"/studies/{uid}")
        shown = client.get(done.headers["location"])
        assert "Ames" in shown.text
        assert "signed in as anna" in shown.text
        (session,) = site.ledger.sign_ins.current()
        assert (session.name, set(session.roles)) == ("anna", {"radiologist"})
        client.post("/sign-out", data={"token": hidden(shown.text)["token"]})
        assert client.get("/").status_code == 303


def test_who_is_in_none_of_the_groups_gets_no_session_and_who_has_no_name_is_the_subject(
    site: SampleSite, issuer: str
) -> None:
    with page(site, issuer) as client:
        refused = client.get(answered(asked(client), sub="2"))
        assert refused.status_code == 403
        assert "in none of the groups" in refused.text
        assert site.ledger.sign_ins.current() == []
        assert client.get(answered(asked(client), sub="3")).status_code == 303
        assert [session.name for session in site.ledger.sign_ins.current()] == ["3"]


def test_an_answer_that_is_not_to_this_browser_s_own_question_signs_nobody_in(
    site: SampleSite, issuer: str, caplog: pytest.LogCaptureFixture
) -> None:
    with page(site, issuer) as client:
        stolen = answered(asked(client), sub="1")
        with httpx.Client(base_url=client.base_url, headers=BROWSER) as victim:
            assert victim.get(stolen).status_code == 403, "a browser that asked nothing"
            asked(victim)
            assert victim.get(stolen).status_code == 403, "a browser that asked something else"
        fresh = answered(asked(client), sub="1")
        for wrong in (fresh.replace("code=", "code=x"), fresh + "&iss=https://evil.example", stolen):
            refused = client.get(wrong)
            assert refused.status_code == 403, wrong
            assert "begin again" in refused.text
        assert client.get(answered(asked(client), action="deny")).status_code == 403
        nonce = parse_qs(urlsplit(url := asked(client)).query)["nonce"][0]
        assert client.get(answered(url.replace(nonce, "another"), sub="1")).status_code == 403
        assert site.ledger.sign_ins.current() == []
    assert "anna" not in caplog.text


def test_the_code_is_exchanged_with_the_verifier_of_its_challenge(
    site: SampleSite, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That provider takes any verifier, so what is sent to it is looked at (RFC 7636 section 4.6).
    sent, send = [], httpx2.Client.send

    def recorded(self: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        sent.append((request.url.path, bytes(request.read())))
        return send(self, request, **options)

    monkeypatch.setattr(httpx2.Client, "send", recorded)
    with page(site, issuer) as client:
        url = asked(client)
        assert client.get(answered(url, sub="1")).status_code == 303
    ((_, body),) = [one for one in sent if one[0] == "/oauth2/token"]
    verifier = parse_qs(body.decode())["code_verifier"][0]
    expected = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    assert parse_qs(urlsplit(url).query)["code_challenge"] == [expected]
    assert 43 <= len(verifier) <= 128


def test_a_provider_that_is_away_is_said_in_words(site: SampleSite) -> None:
    with page(site, f"http://127.0.0.1:{free_port()}") as client:
        away = client.get("/sign-in/oidc")
        assert away.status_code == 503
        assert "does not answer" in away.text


def test_a_provider_that_hangs_holds_up_nobody_else(site: SampleSite) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as hanging,
        page(site, f"http://127.0.0.1:{hanging.getsockname()[1]}", timeout=1.0) as client,
        ExitStack() as waiting,
    ):
        place = (client.base_url.host, client.base_url.port)
        people = [waiting.enter_context(socket.create_connection(place, timeout=15)) for _ in range(45)]
        for person in people:  # more than there are threads
            person.sendall(b"GET /sign-in/oidc HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.get("/healthz", timeout=3).status_code == 200
        assert {person.recv(12) for person in people} == {b"HTTP/1.1 503"}
