"""The pages: what a reader sees, and what no page may ever do."""

import re
from datetime import timedelta
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.ledger import ArrivalKind
from service.ledger.records import InstanceRecord
from service.objects import Room
from service.vocabulary.facts import PrioritySource
from service.vocabulary.states import DeliveryState, Priority
from tests.service.sample_site import BANNER, SampleSite
from tests.service.web.page import Element, parse


def _page(client: httpx.Client, path: str = "/") -> Element:
    response = client.get(path)
    assert response.status_code == 200, response.text
    return parse(response.text)


def test_an_empty_worklist_says_what_to_do(client: httpx.Client) -> None:
    page = _page(client)

    assert "No study has arrived yet" in page.text
    assert BANNER in page.text


def test_the_rows_stand_in_reading_order_with_priority_and_its_source(site: SampleSite, client: httpx.Client) -> None:
    site.receive(patient_name="First^Come")
    site.infer(0.1)
    site.now += timedelta(minutes=20)
    site.receive(patient_name="Sus^Pected")
    site.infer(0.962)
    site.now += timedelta(minutes=20)
    site.receive(patient_name="Emer^Gency", order=Priority.STAT, source=PrioritySource.AE_TITLE)

    rows = _page(client).all("tbody")[0].all("tr")
    assert [row.all("td", "order")[0].text for row in rows] == ["1", "2", "3"]
    assert [row.all("a")[0].text for row in rows] == ["Emer, Gency", "Sus, Pected", "First, Come"]
    assert [row.all("td", "prio")[0].text for row in rows] == [
        "STAT AE title map",
        "URGENT AI result",
        "ROUTINE no order priority",
    ]
    assert rows[0].all("span", "sentence")[0].text == "waiting"
    assert rows[1].all("span", "sentence")[0].text == "PNEUMONIA SUSPECTED 96.2 %"
    assert rows[2].all("span", "sentence")[0].text.endswith("other abnormalities NOT assessed")


def test_the_table_has_a_caption_and_headings_for_those_who_do_not_see_it(
    site: SampleSite, client: httpx.Client
) -> None:
    site.receive()
    site.infer(0.962)
    page = _page(client)

    assert page.all("caption")
    assert all(heading.attributes.get("scope") == "col" for heading in page.all("thead")[0].all("th"))
    assert page.all("tbody")[0].all("th")[0].attributes["scope"] == "row"
    assert "96.2 %" in page.all("svg", "bar")[0].attributes["aria-label"]
    assert page.all("html")[0].attributes["lang"] == "en-US"


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><svg onload>', "O'Brien & <b>Sons</b>", "{{ 7 * 7 }}"]
)
def test_a_name_is_text_whatever_it_holds(site: SampleSite, client: httpx.Client, name: str) -> None:
    dataset = site.receive(patient_name=name, accession_number="<i>A</i>", patient_id="<u>1</u>")
    for path in ("/", f"/studies/{dataset.StudyInstanceUID}"):
        page = _page(client, path)
        assert name in page.text
        ours = [
            {"src": "/static/auscult.js", "defer": ""} if path == "/" else {"src": "/static/study.js", "type": "module"}
        ]
        assert [script.attributes for script in page.all("script")] == ours
        assert all(element.text.isdecimal() for element in page.all("b"))
        assert page.all("i") == page.all("u") == []
        assert not any("onload" in drawing.attributes for drawing in page.all("svg"))


@pytest.mark.parametrize("name", ["Nguyễn^Văn An", "الأحمد^ليلى", "Yamada^Tarou=山田^太郎", "Ivanov^Дмитрий"])
def test_a_name_in_any_script_is_shown_intact(site: SampleSite, client: httpx.Client, name: str) -> None:
    site.receive(patient_name=name, SpecificCharacterSet="ISO_IR 192")
    shown = _page(client).all("tbody")[0].all("a")[0].text

    assert all(part in shown for part in re.split(r"[\^=]", name))


def test_what_a_person_has_to_see_to_stands_at_the_top(site: SampleSite, client: httpx.Client) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    site.infer(0.9)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    site.fail("out of memory")
    site.receive()
    site.infer(0.9)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)

    alarms = [alarm.text for alarm in _page(client).all("p", "alarm")]
    assert len(alarms) == 3
    assert alarms[0].startswith("Study on hold: two patients under one Study Instance UID")
    assert "auscult release" in alarms[0]
    assert alarms[1].startswith("1 image could not be analysed")
    assert alarms[2].startswith("2 reports or messages could not be delivered to pacs")


def test_the_live_part_is_the_table_alone(site: SampleSite, client: httpx.Client) -> None:
    site.receive()
    part = _page(client, "/?live=1")

    assert part.all("table", "worklist")
    assert part.all("html") == []


def test_a_study_page_shows_images_probabilities_reports_and_history(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(rows=64, columns=48)
    site.infer(0.962)
    site.report("pacs")
    site.deliver("pacs")
    page = _page(client, f"/studies/{dataset.StudyInstanceUID}")

    assert [row.all("th")[0].text for row in page.all("table", "classes")[0].all("tr")] == [
        "pneumonia, any type",
        "bacterial pneumonia",
        "viral pneumonia",
        "no pneumonia pattern",
    ]
    assert "prevalence of 30 %" in page.text
    assert "positive from 62 %, negative below 30 %" in page.text
    assert "normal" not in page.text.lower().replace("abnormal", "")
    events = [row.all("th")[0].text for row in page.all("table", "history")[0].all("tbody")[0].all("tr")]
    assert events[:4] == ["received", "claimed", "inferred", "reports built"]
    for image in page.all("img"):
        response = client.get(image.attributes["src"])
        assert response.headers["content-type"] == "image/png"
        assert Image.open(BytesIO(response.content)).size == (48, 64)
    assert len(page.all("img")) == 2


def test_a_study_of_nothing_in_force_still_has_its_history(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(kind=ArrivalKind.OWN)
    page = _page(client, f"/studies/{dataset.StudyInstanceUID}")

    assert "received" in page.text


def test_a_radiograph_is_shown_as_a_viewer_would_and_never_larger_than_a_screen(
    site: SampleSite, client: httpx.Client
) -> None:
    dataset = site.receive(rows=1400, columns=700, photometric="MONOCHROME1")
    response = client.get(f"/instances/{dataset.SOPInstanceUID}.png")
    picture = np.asarray(Image.open(BytesIO(response.content)))

    assert picture.shape == (1024, 512)
    assert picture[512, 256] > picture[20, 3]  # the spine is bright and the air dark, in MONOCHROME1 too


@pytest.mark.parametrize(
    "path",
    [
        "/studies/1.2.3",
        "/studies/nonsense",
        "/instances/1.2.3.png",
        "/reports/1.2.3.png",
        "/api/studies/1.2.3",
        "/nowhere",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        f"/studies/{'1' * 65}",
    ],
)
def test_what_is_not_there_is_said_so(client: httpx.Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert "Traceback" not in response.text
    assert "content-security-policy" in response.headers


def test_pixels_that_retention_removed_are_gone(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive()
    instance = site.ledger.inspection.instance(str(dataset.SOPInstanceUID))
    assert instance is not None
    with Session(site.engine) as session, session.begin():
        row = session.get_one(InstanceRecord, instance.id)
        row.object_removed_at = site.now
    site.store.remove(instance.object_key, 0)

    picture = client.get(f"/instances/{dataset.SOPInstanceUID}.png")
    assert picture.status_code == 410
    assert "retention removed them" in picture.text
    page = client.get(f"/studies/{dataset.StudyInstanceUID}").text
    assert "removed by retention" in page
    assert f"/instances/{dataset.SOPInstanceUID}.png" not in page


def test_pixels_that_are_missing_or_damaged_are_said_so(site: SampleSite, client: httpx.Client) -> None:
    lost, damaged = site.receive(), site.receive()
    for dataset in (lost, damaged):
        instance = site.ledger.inspection.instance(str(dataset.SOPInstanceUID))
        assert instance is not None
        site.store.path(instance.object_key).write_bytes(b"rotten")
        if dataset is lost:
            site.store.path(instance.object_key).unlink()

    assert "missing from the object store" in client.get(f"/instances/{lost.SOPInstanceUID}.png").text
    assert "damaged" in client.get(f"/instances/{damaged.SOPInstanceUID}.png").text


def test_a_store_without_room_is_not_ready(
    site: SampleSite, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Room, "free_bytes", lambda _room: 0)

    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {"database": "ok", "store": "full", "audit": "ok", "clock": "ok"}


def test_pixels_that_nobody_can_decode_are_said_so(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(PixelData=None)

    assert client.get(f"/instances/{dataset.SOPInstanceUID}.png").status_code == 422


def test_no_page_with_patients_is_ever_cached_or_framed_or_scripted_from_elsewhere(
    site: SampleSite, client: httpx.Client
) -> None:
    dataset = site.receive()
    uid = dataset.StudyInstanceUID
    for path in ("/", f"/studies/{uid}", "/api/worklist", f"/instances/{dataset.SOPInstanceUID}.png", "/nowhere"):
        headers = client.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"


def test_no_page_has_a_style_or_a_handler_that_its_own_policy_forbids(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive()
    site.infer(0.9)
    for path in ("/", f"/studies/{dataset.StudyInstanceUID}"):
        html = client.get(path).text
        assert not re.search(r"<[^>]+\s(style|on\w+)=", html)
        assert "<style" not in html
        assert not re.search(r"(src|href)=\"(https?:)?//", html)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8042", "127.0.0.1.evil.example"])
def test_a_request_by_another_name_is_not_answered(client: httpx.Client, host: str) -> None:
    response = client.get("/", headers={"host": host})

    assert response.status_code == 421
    assert "worklist" not in response.text


@pytest.mark.parametrize("host", ["127.0.0.1:8042", "localhost", "LOCALHOST:1", "[::1]:8042", "[::1]"])
def test_this_machine_is_answered_by_each_of_its_names(client: httpx.Client, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


def test_an_error_shows_no_traceback_and_logs_its_type_alone(
    site: SampleSite, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("Ames^Anna")

    monkeypatch.setattr(site.ledger.reading_list, "page", broken)
    response = client.get("/")

    assert response.status_code == 500
    assert "Traceback" not in response.text
    assert "Ames" not in response.text
    assert "KeyError" in caplog.text
    assert "Ames" not in caplog.text


def test_a_database_that_is_gone_is_told_as_unavailable(site: SampleSite, client: httpx.Client) -> None:
    assert client.get("/readyz").json() == {"database": "ok", "store": "ok", "audit": "ok", "clock": "ok"}
    tables = ("studies", "counts")
    with site.engine.connect().execution_options(writes=True) as connection, connection.begin():
        for table in tables:
            connection.execute(text(f"ALTER TABLE {table} RENAME TO lost_{table}"))
    ready, page, api = client.get("/readyz"), client.get("/"), client.get("/api/worklist")
    with site.engine.connect().execution_options(writes=True) as connection, connection.begin():
        for table in tables:  # closing the site looks at them
            connection.execute(text(f"ALTER TABLE lost_{table} RENAME TO {table}"))

    assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
    assert page.status_code == api.status_code == 503
    assert "SELECT" not in page.text
    assert client.get("/healthz").status_code == 200


def test_the_api_gives_the_rows_of_the_page(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(patient_name="Nguyễn^Văn An", SpecificCharacterSet="ISO_IR 192")
    site.infer(0.962)
    listed = client.get("/api/worklist?limit=1").json()
    study = client.get(f"/api/studies/{dataset.StudyInstanceUID}").json()
    status = client.get("/api/status").json()

    assert listed["studies"] == 1
    assert listed["notice"] == BANNER
    assert listed["rows"][0]["patient_name"] == "Nguyễn, Văn An"
    assert listed["rows"][0]["answer"]["p_pneumonia"] == 0.962
    assert listed["rows"][0]["priority"] == "urgent"
    assert study["versions"][0]["result"]["checkpoint_digest"] == "ab12" * 16
    assert [event["event"] for event in study["events"]] == ["received", "claimed", "inferred"]
    assert status["states"] == {"inferred": 1}


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "limit=99999999999"])
def test_a_wrong_number_is_refused(client: httpx.Client, query: str) -> None:
    response = client.get(f"/api/worklist?{query}")

    assert response.status_code == 400
    assert "whole number" in response.json()["error"]


def test_nothing_can_be_changed_through_a_page_that_shows(client: httpx.Client) -> None:
    for path in ("/", "/api/worklist", "/studies/1.2.3", "/events"):
        assert client.post(path).status_code == 405
