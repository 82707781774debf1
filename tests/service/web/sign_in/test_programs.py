"""Tokens of programs, and what a proxy's headers are worth."""

from datetime import timedelta

import httpx
import pytest
from pydantic import ValidationError

from service.settings import ProxySettings, WebSettings
from service.vocabulary.roles import Role
from tests.service.sample_site import SampleSite
from tests.service.web.sign_in.test_sessions import browsing
from tests.service.web.test_server import serving


def test_a_token_lets_a_program_do_what_its_role_may_without_a_form(site: SampleSite) -> None:
    uid = site.receive().StudyInstanceUID
    token = site.ledger.api_tokens.create("ris", frozenset({Role.READER}), "root", timedelta(days=1))
    with browsing(site) as client:
        bearer = {"authorization": f"Bearer {token}"}
        changed = client.get(f"/studies/{uid}", headers=bearer).text.partition('name="changed" value="')[2]
        fields = {"changed": changed.partition('"')[0]}
        assert client.get("/api/status", headers=bearer).status_code == 200
        assert client.post(f"/studies/{uid}/close", data=fields, headers=bearer).status_code == 303
        assert client.post(f"/studies/{uid}/close", data=fields).headers["location"] == "/sign-in?back=/"
        refused = client.get("/", headers={"authorization": "Bearer auscult_no"})
        assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Bearer")
        (one,) = site.ledger.api_tokens.all()
        site.ledger.api_tokens.revoke(one.number)
        assert client.get("/api/status", headers=bearer).status_code == 401
    history = site.ledger.inspection.history(uid)
    assert history is not None
    assert "ris (token 1)" in str(history)


def _proxied(site: SampleSite, addresses: str, headers: list[tuple[str, str]]) -> httpx.Response:
    (site.folder / "proxy").write_text("what only the proxy knows\n")
    web = WebSettings.model_validate(
        {
            "port": 0,
            "proxy": {"addresses": [addresses], "secret_file": site.folder / "proxy"},
            "groups": {"reader": ["Ward"], "administrator": ["PACS-Admins"]},
        }
    )
    site.settings = site.settings.model_copy(update={"web": web})
    with serving(site) as address:
        return httpx.get(address, headers=[(name.encode(), value.encode()) for name, value in headers])


_SECRET = ("x-auscult-proxy", "what only the proxy knows")
_ANNA, _GROUPS = ("x-remote-user", "Anna Müller"), ("x-remote-groups", "Ward, Others")


def test_the_proxy_names_a_person_and_the_groups_decide(site: SampleSite) -> None:
    answered = _proxied(site, "127.0.0.1/32", [_SECRET, _ANNA, _GROUPS])
    assert answered.status_code == 200
    assert "signed in as Anna Müller" in answered.text
    assert "Sign out" not in answered.text, "the proxy signs people out"
    assert _proxied(site, "127.0.0.1/32", [_SECRET, _ANNA]).status_code == 403, "in no group, without any role"


@pytest.mark.parametrize(
    ("addresses", "headers"),
    [
        ("10.0.0.5/32", [_SECRET, _ANNA, _GROUPS]),
        ("127.0.0.1/32", [_ANNA, _GROUPS]),
        ("127.0.0.1/32", [("x-auscult-proxy", "a guess"), _ANNA, _GROUPS]),
        ("127.0.0.1/32", [_SECRET, _SECRET, _ANNA, _GROUPS]),
        ("127.0.0.1/32", [_SECRET, _ANNA, ("x-remote-user", "root"), _GROUPS]),
        ("127.0.0.1/32", [_SECRET, _ANNA, _GROUPS, ("x-remote-groups", "PACS-Admins")]),
        ("127.0.0.1/32", [_SECRET, ("x-remote-user", ""), _GROUPS]),
        ("127.0.0.1/32", [_SECRET, _GROUPS]),
        ("127.0.0.1/32", [_SECRET, _ANNA, ("x-forwarded-for", "10.0.0.5")][1:]),
    ],
)
def test_a_header_that_the_proxy_did_not_write_makes_nobody(
    site: SampleSite, addresses: str, headers: list[tuple[str, str]]
) -> None:
    assert _proxied(site, addresses, headers).status_code == 401


def test_a_proxy_on_loopback_needs_a_secret() -> None:
    with pytest.raises(ValidationError, match=r"set web\.proxy\.secret_file"):
        ProxySettings.model_validate({"addresses": ["127.0.0.0/8"]})
