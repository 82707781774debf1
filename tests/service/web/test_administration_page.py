"""The page of administration: everybody who reads looks, an administrator acts, and a destination is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx

from service.settings import DestinationSettings, WebSettings
from service.vocabulary.facts import Reason
from service.vocabulary.roles import Role, SignInWay
from service.vocabulary.states import DeliveryState
from tests.fakes import scripted_pacs
from tests.servers import free_port
from tests.service.audit.alerts import alerts
from tests.service.sample_site import SampleSite
from tests.service.web.page import parse
from tests.service.web.test_list_page import form_of
from tests.service.web.test_server import serving


@contextmanager
def seen(site: SampleSite, *roles: Role, port: int = 1) -> Iterator[httpx.Client]:
    """Serve a site with a destination, to somebody with some roles."""
    pacs = DestinationSettings(name="pacs", ae_title="PACS", host="127.0.0.1", port=port)
    web = WebSettings(port=0, roles_without_login=roles)
    site.settings = site.settings.model_copy(update={"web": web, "destinations": (pacs,)})
    with serving(site) as address, httpx.Client(base_url=address, timeout=20) as client:
        yield client


def test_what_is_wrong_and_what_the_system_stands_on_is_shown_to_who_reads(site: SampleSite) -> None:
    uid = site.receive(patient_name="Ames^Anna").StudyInstanceUID
    site.infer(0.97)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)
    site.receive()
    site.exclude(Reason.LATERAL_VIEW)
    with seen(site, Role.READER) as client:
        page = client.get("/administration")
        text = parse(page.text).text
        assert f'href="/studies/{uid}"' in page.text
        assert "0xA900" in text
        assert "Ames" not in text, "it names no patient"
        assert "needs the role administrator" in text
        assert "<form" not in page.text
        for path in ("echo", "retry", "revoke", "sign-out"):
            assert client.post(f"/administration/{path}", data={"name": "pacs"}).status_code == 403


def test_an_administrator_asks_a_destination_whether_it_answers(site: SampleSite) -> None:
    with scripted_pacs() as pacs, seen(site, Role.ADMINISTRATOR, port=pacs.port) as client:
        form = form_of(parse(client.get("/administration").text), "/administration/echo")
        assert "answers C-ECHO" in parse(client.post("/administration/echo", data=form).text).text
        assert client.post("/administration/echo", data={**form, "name": "another"}).status_code == 404
        assert client.post("/administration/echo", data={"name": "pacs"}).status_code == 403, "without our form"
    with seen(site, Role.ADMINISTRATOR, port=free_port()) as client:
        form = form_of(parse(client.get("/administration").text), "/administration/echo")
        answered = parse(client.post("/administration/echo", data=form).text).text
        assert "does not answer C-ECHO" in answered


def test_an_administrator_sends_again_ends_sessions_and_revokes_tokens(site: SampleSite) -> None:
    site.receive()
    site.infer(0.97)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)
    site.ledger.api_tokens.create("ris", frozenset({Role.READER}), "root", timedelta(days=1))
    site.ledger.sign_ins.begin("anna", frozenset({Role.READER}), SignInWay.OIDC)
    with seen(site, Role.ADMINISTRATOR) as client:
        for path in ("retry", "revoke", "sign-out"):
            page = parse(client.get("/administration").text)
            form = form_of(page, f"/administration/{path}")
            assert client.post(f"/administration/{path}", data=form).status_code == 303
        assert client.post("/administration/revoke", data=form | {"number": "9"}).status_code == 404
        assert client.post("/administration/revoke", data=form | {"number": "\u0661"}).status_code == 404
        assert client.post("/administration/revoke", data=form | {"number": "1" * 5000}).status_code == 404
        assert client.post("/administration/retry", data=form).status_code == 303, (
            "of nothing, which is nothing to tell"
        )
    assert alerts(site.settings) == [
        ("110132", "all that was given up was started again (2)"),
        ("110137", "token 1 was revoked"),
        ("110137", "all sessions of anna were ended (1)"),
    ]
    assert site.ledger.dead_letters.newest() == []
    assert site.ledger.sign_ins.current() == []
    assert site.ledger.api_tokens.all()[0].revoked_at is not None
