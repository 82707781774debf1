"""Signing in with a name and a password: a session in the ledger, a cookie in the browser, and its end."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from lxml import etree

from service.security.passwords import write
from service.settings import WebSettings
from service.vocabulary.roles import Role
from tests.fakes import cheap_user
from tests.service.sample_site import SampleSite
from tests.service.web.page import parse
from tests.service.web.test_server import serving

PASSWORD = "a long enough password"
BROWSER = {"accept": "text/html,*/*;q=0.8", "sec-fetch-mode": "navigate"}


@contextmanager
def browsing(site: SampleSite, **more: Any) -> Iterator[httpx.Client]:
    """Serve a site's pages on loopback with a file of users; yield a browser that has not signed in."""
    users = site.folder / "users"
    write(users, {"anna": cheap_user(PASSWORD), "root": cheap_user(PASSWORD, Role.ADMINISTRATOR)})
    web = WebSettings.model_validate({"port": 0, "users": users} | more)
    site.settings = site.settings.model_copy(update={"web": web})
    with serving(site) as address, httpx.Client(base_url=address, timeout=20, headers=BROWSER) as client:
        yield client


def hidden(html: str) -> dict[str, str]:
    """Return the hidden fields of a page's forms."""
    return {
        field.attributes["name"]: field.attributes["value"]
        for field in parse(html).all("input")
        if field.attributes.get("type") == "hidden"
    }


def sign_in(client: httpx.Client, name: str = "anna", password: str = PASSWORD, back: str = "/") -> httpx.Response:
    fields = hidden(client.get("/sign-in", params={"back": back}).text)
    return client.post("/sign-in", data=fields | {"name": name, "password": password})


def test_a_browser_is_led_to_the_form_and_back_to_where_it_wanted_to(site: SampleSite) -> None:
    uid = site.receive(patient_name="Ames^Anna").StudyInstanceUID
    with browsing(site) as client:
        led = client.get(f"/studies/{uid}?x=1")
        assert (led.status_code, led.headers["location"]) == (303, f"/sign-in?back=/studies/{uid}%3Fx%3D1")
        form = client.get(led.headers["location"])
        assert "Ames" not in form.text
        done = client.post("/sign-in", data=hidden(form.text) | {"name": "anna", "password": PASSWORD})
        assert (done.status_code, done.headers["location"]) == (303, f"/studies/{uid}?x=1")
        cookie = done.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        page = client.get(done.headers["location"])
        assert "Ames" in page.text
        assert "signed in as anna" in page.text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", ""])
def test_signing_in_leads_nowhere_but_to_our_own_pages(site: SampleSite, back: str) -> None:
    with browsing(site) as client:
        assert sign_in(client, back=back).headers["location"] == "/"


def test_a_session_is_over_when_the_person_signs_out_whoever_kept_the_cookie(site: SampleSite) -> None:
    with browsing(site) as client:
        sign_in(client)
        kept = client.cookies["auscult"]
        token = hidden(client.get("/").text)["token"]
        assert client.post("/sign-out", data={"token": "0" * 64}).status_code == 403
        assert client.get("/").status_code == 200, "another site's form signs nobody out"
        assert client.post("/sign-out", data={"token": token}).headers["location"] == "/sign-in"
        client.cookies.set("auscult", kept)
        assert client.get("/").status_code == 303
    messages = [etree.fromstring(line) for line in site.settings.audit_file.read_bytes().splitlines()]
    codes = [message.find("EventIdentification/EventTypeCode") for message in messages]
    kinds = [code.get("csd-code") for code in codes if code is not None]
    assert kinds[0] == "110122"
    assert kinds[-1] == "110123"


def test_whoever_signs_in_gets_a_token_that_nobody_brought_along(site: SampleSite) -> None:
    with browsing(site) as client:
        planted = BROWSER | {"cookie": "auscult=planted-by-somebody-else"}
        fields = hidden(client.get("/sign-in").text) | {"name": "anna", "password": PASSWORD}
        given = httpx.post(f"{client.base_url}sign-in", data=fields, headers=planted)
        assert (given.status_code, given.cookies["auscult"]) != (303, "planted-by-somebody-else")
        assert httpx.get(client.base_url, headers=planted).status_code == 303
        sign_in(client)
        first = client.cookies["auscult"]
        sign_in(client)
        again = httpx.get(client.base_url, headers=BROWSER | {"cookie": f"auscult={first}"})
        assert again.status_code == 303, "signing in anew ends what was before"


def test_a_name_that_leaves_the_file_or_gets_another_password_has_no_session(site: SampleSite) -> None:
    with browsing(site) as client:
        sign_in(client)
        assert client.get("/").status_code == 200
        for users in ({"root": cheap_user(PASSWORD)}, {"anna": cheap_user("another long password")}):
            write(site.folder / "users", users)
            assert client.get("/").status_code == 303
        write(site.folder / "users", {"anna": cheap_user(PASSWORD)})
        assert client.get("/").status_code == 200
        assert site.ledger.sign_ins.end_all("anna") == 1, "as an administrator does"
        assert client.get("/").status_code == 303


def test_a_form_after_the_end_of_a_session_leads_to_where_one_signs_in(site: SampleSite) -> None:
    with browsing(site) as client:
        led = client.post("/studies/1.2/close", data={"token": "x"})
        assert (led.status_code, led.headers["location"]) == (303, "/sign-in?back=/")
        assert "www-authenticate" not in led.headers


def test_a_page_that_asks_by_itself_is_not_led_away_and_not_asked_for_a_password(site: SampleSite) -> None:
    with browsing(site) as client:
        asked = client.get("/?live=1", headers={"sec-fetch-mode": "cors", "accept": "*/*"})
        assert asked.status_code == 401
        assert "www-authenticate" not in asked.headers
        program = httpx.get(client.base_url)
        assert program.status_code == 401
        assert program.headers["www-authenticate"].startswith("Basic ")
        assert httpx.get(client.base_url, auth=("anna", PASSWORD)).status_code == 200


def test_wrong_passwords_in_the_form_are_told_slowed_down_and_never_logged(
    site: SampleSite, caplog: pytest.LogCaptureFixture
) -> None:
    with browsing(site) as client:
        answers = [sign_in(client, password=f"a guess, number {number}") for number in range(7)]
        assert [answer.status_code for answer in answers[:5]] == [401] * 5
        assert "name or password is wrong" in answers[0].text
        assert answers[-1].status_code == 429
        assert client.get("/").status_code == 303
    assert "a guess" not in caplog.text


def test_a_form_of_another_site_signs_nobody_in(site: SampleSite) -> None:
    with browsing(site) as client:
        fields = hidden(client.get("/sign-in").text) | {"name": "anna", "password": PASSWORD}
        assert client.post("/sign-in", data=fields, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        assert client.post("/sign-in", data=fields | {"token": ""}).status_code == 403


@pytest.mark.parametrize("way", ["a proxy ends TLS", "the provider leads here by https"])
def test_over_tls_the_cookie_is_of_this_host_alone(site: SampleSite, way: str) -> None:
    oidc = {
        "issuer": "https://id.hospital.example",
        "client_id": "auscult",
        "client_secret_file": site.folder / "secret",
        "redirect_uri": "https://worklist.hospital.example/sign-in/oidc/answer",
    }
    (site.folder / "secret").write_text("s\n")
    with browsing(site, **({"behind_tls": True} if "proxy" in way else {"oidc": oidc})) as client:
        cookie = sign_in(client).headers["set-cookie"]
    assert cookie.startswith("__Host-auscult=")
    assert "Secure" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
