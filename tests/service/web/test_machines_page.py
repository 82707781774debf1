"""The page of the machines, and putting one in shadow from it."""

import httpx
import pytest

from service.drift.watch import Watch
from service.settings import DriftSettings
from service.vocabulary.acquisition import Acquisition, Machine
from service.vocabulary.shadow import ShadowSource
from tests.service.audit.alerts import alerts
from tests.service.sample_site import SampleSite
from tests.service.web.page import Element, parse

ROOM = Acquisition(Machine("Agfa", "DX-D <300>", "ROOM1", "A5041"), "PA", 110.0)


@pytest.fixture
def drifting(site: SampleSite) -> SampleSite:
    """Give a site of which one machine calls every image positive since its reference."""
    site.settings = site.settings.model_copy(
        update={"drift": DriftSettings(reference_images=50, images_between_false_alarms=100)}
    )
    for number in range(75):
        site.receive(acquisition=ROOM, rows=8, columns=8)
        site.infer(0.95 if number >= 50 else 0.1 + 0.001 * number)
    Watch(site.settings.drift, site.ledger.drift).once()
    return site


@pytest.fixture
def known(site: SampleSite) -> SampleSite:
    """Give a site that knows one machine."""
    site.receive(acquisition=ROOM, rows=8, columns=8)
    return site


def page(client: httpx.Client, path: str = "/machines") -> Element:
    """Return a page."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    return parse(response.text)


def test_without_a_machine_the_page_says_so(client: httpx.Client) -> None:
    assert "No image has named a machine yet" in page(client).text


def test_a_machine_in_alarm_is_shown_with_its_figures_and_charts(drifting: SampleSite, client: httpx.Client) -> None:
    shown = page(client)
    assert "Agfa DX-D <300> ROOM1" in shown.text
    assert (
        "View PA, 100 kV and more, chest-resnet50 1.0.0: 25 images compared with its own first images (50)"
        in shown.text
    )
    charts = shown.all("ul", "charts")[0].all("li")
    assert "more positive results" in charts[0].text
    assert "alarm since" in charts[0].text
    assert len(charts) == 5  # no distance was measured
    assert "ROOM1, view PA, 100 kV and more, chest-resnet50 1.0.0: more positive results" in page(client, "/").text
    (machine,) = client.get("/api/machines").json()["machines"]
    assert machine["watched"][0]["latest"]["positive"] == 1.0
    assert 'auscult_drift_alarms{characteristic="more_positive"} 1.0' in client.get("/metrics").text


def test_only_an_administrator_puts_a_machine_in_shadow(known: SampleSite, client: httpx.Client) -> None:
    assert page(client).all("form") == []
    token = page(client, "/").all("input")[-1].attributes.get("value")
    answer = client.post("/machines/1/shadow", data={"token": token, "back": "/machines"})
    assert answer.status_code == 403
    assert known.ledger.shadow.standing() == []


@pytest.fixture
def administrator(known: SampleSite, request: pytest.FixtureRequest) -> httpx.Client:
    """Give a client of a page whose people are administrators without a login."""
    web = known.settings.web.model_copy(update={"roles_without_login": ("administrator",)})
    known.settings = known.settings.model_copy(update={"web": web})
    client: httpx.Client = request.getfixturevalue("client")
    return client


def test_an_administrator_puts_a_machine_in_shadow_by_a_form_of_ours(
    known: SampleSite, administrator: httpx.Client
) -> None:
    (form,) = page(administrator).all("form")
    fields = {item.attributes["name"]: item.attributes["value"] for item in form.all("input")}
    assert administrator.post(form.attributes["action"], data={**fields, "token": "x"}).status_code == 403
    assert administrator.post("/machines/7/shadow", data=fields).status_code == 404
    assert administrator.post("/machines/x/shadow", data=fields).status_code == 404
    answer = administrator.post(form.attributes["action"], data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/machines")
    assert [view.source for view in known.ledger.shadow.standing()] == [ShadowSource(machine_id=1)]
    assert administrator.post(form.attributes["action"], data=fields).status_code == 303, "again, which changes nothing"
    assert administrator.post("/machines/0000000000017/shadow", data=fields).status_code == 404, "it is not machine 1"
    assert alerts(known.settings) == [("110131", "#1 was put in shadow")]
    assert "in shadow" in page(administrator).text
