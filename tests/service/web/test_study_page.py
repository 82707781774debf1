"""A study's page: what it shows of images, reports and other studies, and what people do there by their roles."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from lxml import etree
from PIL import Image
from pydicom import Dataset, dcmread

from service.dicom.pixels import decode
from service.ledger import NewReport
from service.report import ReportContent
from service.vocabulary.facts import EventKind, Flag, Opinion, Reason
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.orders import HeardMessage, HeardOrder, OrderedPatient, OrderEvent
from service.vocabulary.roles import Role
from service.vocabulary.shadow import ShadowSource
from service.vocabulary.states import DeliveryState, Priority
from tests.service.sample_site import LEASE, SampleSite
from tests.service.web.page import Element, parse


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty site where everybody has the roles that a test asks for, by default all."""
    site = SampleSite(tmp_path / "data")
    roles = getattr(request, "param", tuple(Role))
    web = site.settings.web.model_copy(
        update={"roles_without_login": roles, "viewer": "https://pacs.example/v?study={study_instance_uid}"}
    )
    site.settings = site.settings.model_copy(update={"web": web})
    yield site
    site.close()


def test_a_page_shows_the_pixels_that_its_result_is_about_whatever_comes_meanwhile(
    site: SampleSite, client: httpx.Client
) -> None:
    dataset = site.receive(patient_id="A")
    site.infer(0.9)
    figure = page_of(client, dataset).all("figure", "viewer")[0]
    addresses = [figure.attributes[name] for name in ("data-grey", "data-activation")]
    addresses.append(figure.all("img")[0].attributes["src"])
    before = [client.get(address).content for address in addresses]
    uids: dict[str, Any] = {
        "study_instance_uid": str(dataset.StudyInstanceUID),
        "sop_instance_uid": str(dataset.SOPInstanceUID),
    }
    site.ledger.shadow.enter(ShadowSource("TRIAL"))
    site.receive(patient_id="A", ae="TRIAL", **uids)
    site.infer(0.95)
    bare = f"/instances/{dataset.SOPInstanceUID}.png"
    assert client.get(bare).content == before[2], "what is in shadow is no reader's"
    site.receive(patient_id="A", **uids)
    site.infer(0.1)
    assert client.get(bare).content != before[2]
    assert [client.get(address).content for address in addresses] == before
    for version in ("9", "0", "x", "9" * 40):
        assert client.get(bare, params={"version": version}).status_code == 404


def page_of(client: httpx.Client, dataset: Dataset) -> Element:
    response = client.get(f"/studies/{dataset.StudyInstanceUID}")
    assert response.status_code == 200, response.text
    return parse(response.text)


def form_of(page: Element, action: str) -> dict[str, str]:
    (form,) = [form for form in page.all("form") if form.attributes.get("action") == action]
    return {
        field.attributes["name"]: field.attributes.get("value", "")
        for field in form.all("input")
        if field.attributes.get("type") == "hidden"
    }


def actions(page: Element) -> set[str]:
    return {form.attributes["action"].rpartition("/")[2] for form in page.all("form")}


def events(site: SampleSite, dataset: Dataset) -> list[str]:
    history = site.ledger.inspection.history(str(dataset.StudyInstanceUID))
    assert history is not None
    return [event.event for event in history.events]


def test_the_grey_values_are_the_modalitys_own(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(rows=64, columns=48)
    response = client.get(f"/instances/{dataset.SOPInstanceUID}/grey")
    facts = json.loads(response.headers["auscult-grey"])
    codes = np.frombuffer(response.content, "<u2").reshape(facts["rows"], facts["columns"])

    assert (facts["rows"], facts["columns"], facts["all_rows"], facts["all_columns"]) == (64, 48, 64, 48)
    assert np.array_equal(facts["first"] + (codes - 1.0) * facts["step"], decode(dataset).stored)
    assert response.headers["cache-control"] == "no-store"


def test_a_large_image_is_shrunk_and_says_by_how_much(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(rows=2100, columns=300)
    facts = json.loads(client.get(f"/instances/{dataset.SOPInstanceUID}/grey").headers["auscult-grey"])

    assert (facts["rows"], facts["columns"]) == (2048, 293)
    assert (facts["all_rows"], facts["all_columns"]) == (2100, 300)


def test_the_heat_map_of_a_positive_is_a_layer_of_its_own(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(rows=400, columns=400)
    site.infer(0.9)
    response = client.get(f"/instances/{dataset.SOPInstanceUID}/activation.png")
    if response.status_code == 404:
        assert "No heat map is shown" in response.text
        return
    layer = np.asarray(Image.open(BytesIO(response.content)))
    assert layer.shape == (400, 400, 4)
    assert layer[..., 3].max() > 200


def test_no_heat_map_is_offered_where_the_reports_withhold_it_or_nothing_is_suspected(
    site: SampleSite, client: httpx.Client
) -> None:
    withheld = site.receive()
    site.infer(0.9, Flag.ACTIVATION_OFF_LUNGS)
    negative = site.receive()
    site.infer(0.1)
    for dataset in (withheld, negative):
        assert not any("data-activation" in figure.attributes for figure in page_of(client, dataset).all("figure"))
    assert client.get(f"/instances/{negative.SOPInstanceUID}/activation.png").status_code == 404


def test_other_studies_of_the_patient_are_listed_and_nobody_elses(site: SampleSite, client: httpx.Client) -> None:
    prior = site.receive(patient_id="P-1", accession_number="OLD")
    site.infer(0.9)
    site.receive(patient_id="P-2", accession_number="OTHER")
    site.infer(0.9)
    dataset = site.receive(patient_id="P-1", accession_number="NEW")
    page = page_of(client, dataset)

    links = [link.attributes["href"] for link in page.all("a")]
    assert f"/studies/{prior.StudyInstanceUID}" in links
    assert "PNEUMONIA SUSPECTED 90.0 %" in page.text
    assert "OTHER" not in page.text
    lines = site.settings.audit_file.read_bytes().splitlines()
    shown = {
        etree.fromstring(line).find("ParticipantObjectIdentification").get("ParticipantObjectID") for line in lines
    }
    assert shown == {str(prior.StudyInstanceUID), str(dataset.StudyInstanceUID)}


def test_the_sites_viewer_is_linked_unless_the_study_is_on_hold(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive(patient_id="A", patient_name="Ames^Anna")
    address = f"https://pacs.example/v?study={dataset.StudyInstanceUID}"
    assert address in [link.attributes["href"] for link in page_of(client, dataset).all("a")]

    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(dataset.StudyInstanceUID))
    assert address not in [link.attributes["href"] for link in page_of(client, dataset).all("a")]


@pytest.mark.parametrize("opinion", Opinion)
def test_an_opinion_is_kept_and_shown_with_its_finding_and_comment(
    site: SampleSite, client: httpx.Client, opinion: Opinion
) -> None:
    dataset = site.receive()
    site.infer(0.9)
    action = f"/instances/{dataset.SOPInstanceUID}/feedback"
    fields = form_of(page_of(client, dataset), action)
    given = {"opinion": opinion.value, "finding": "normal", "comment": "<b>rib & skin</b>"}
    response = client.post(action, data={**fields, **given})

    assert response.headers["location"] == f"/studies/{dataset.StudyInstanceUID}"
    page = page_of(client, dataset)
    assert "<b>rib & skin</b>" in page.text
    assert "sees no pneumonia pattern" in page.text
    (said,) = site.ledger.feedback.of_study(str(dataset.StudyInstanceUID))
    assert (said.opinion, said.finding, said.person) == (opinion, Finding.NORMAL, "")
    message = etree.fromstring(site.settings.audit_file.read_bytes().splitlines()[-1])
    assert message.find("EventIdentification").get("EventActionCode") == "U"
    share = {Opinion.AGREE: "100.0", Opinion.DISAGREE: "0.0", Opinion.NOT_ASSESSABLE: ""}[opinion]
    row = parse(client.get("/agreement").text).all("tbody")[0].all("td")[0]
    assert row.text.removesuffix("%").strip() == share


def test_an_opinion_on_what_the_page_did_not_show_is_not_taken(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive()
    site.infer(0.9)
    action = f"/instances/{dataset.SOPInstanceUID}/feedback"
    fields = form_of(page_of(client, dataset), action)

    assert client.post(action, data={**fields, "version": "2", "opinion": "agree"}).status_code == 409
    assert client.post(action, data={**fields, "opinion": "perhaps"}).status_code == 400
    assert client.post(action, data={**fields, "opinion": "agree", "token": "0"}).status_code == 403
    assert site.ledger.feedback.of_study(str(dataset.StudyInstanceUID)) == ()


def test_a_disagreement_withdraws_the_flag_only_by_the_setting(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive()
    site.infer(0.9)
    action = f"/instances/{dataset.SOPInstanceUID}/feedback"
    client.post(action, data={**form_of(page_of(client, dataset), action), "opinion": "disagree"})
    assert "AI RESULT WITHDRAWN" not in page_of(client, dataset).text


def test_an_administrator_has_images_analysed_again_retries_and_releases(
    site: SampleSite, client: httpx.Client
) -> None:
    dataset = site.receive(patient_id="A", patient_name="Ames^Anna")
    study = f"/studies/{dataset.StudyInstanceUID}"
    site.infer(0.9)
    site.report("pacs", "former")
    site.ledger.abandonment.abandon("former", "Ann")
    said = page_of(client, dataset).text
    assert "never sent, given up by a person" in said
    assert "to former, which was taken away, by Ann" in said
    site.deliver("pacs", DeliveryState.DEAD)
    assert {"retry", "reanalyse"} <= actions(page_of(client, dataset))
    client.post(f"{study}/retry", data=form_of(page_of(client, dataset), f"{study}/retry"))
    assert "retry" not in actions(page_of(client, dataset))
    client.post(f"{study}/reanalyse", data=form_of(page_of(client, dataset), f"{study}/reanalyse"))
    assert EventKind.REANALYSIS_ASKED in events(site, dataset)
    site.infer(0.9)

    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(dataset.StudyInstanceUID))
    client.post(f"{study}/release", data=form_of(page_of(client, dataset), f"{study}/release"))
    assert site.ledger.inspection.status().held_studies == {}
    whats = [
        etree.fromstring(line).find(".//ParticipantObjectDetail[@type='Reading']")
        for line in site.settings.audit_file.read_bytes().splitlines()
    ]
    assert len([what for what in whats if what is not None]) == 3


@pytest.mark.parametrize(
    ("site", "shown"),
    [
        ((Role.READER,), {"close"}),
        ((Role.RADIOLOGIST,), {"close", "feedback"}),
        ((Role.ADMINISTRATOR,), {"close", "reanalyse"}),
    ],
    indirect=["site"],
)
def test_forms_are_shown_to_and_taken_from_those_alone_who_have_the_role(
    site: SampleSite, client: httpx.Client, shown: set[str]
) -> None:
    dataset = site.receive()
    site.infer(0.9)
    page = page_of(client, dataset)
    token = page.all("input")[0].attributes["value"]

    assert actions(page) == shown
    study, instance = f"/studies/{dataset.StudyInstanceUID}", f"/instances/{dataset.SOPInstanceUID}"
    for action in {f"{study}/reanalyse", f"{study}/retry", f"{study}/release", f"{instance}/feedback"}:
        allowed = {"reanalyse", "retry", "release"} if "reanalyse" in shown else shown
        code = client.post(action, data={"token": token, "version": "1", "opinion": "agree"}).status_code
        assert code == (303 if action.rpartition("/")[2] in allowed else 403)


def test_an_image_that_was_not_analysed_asks_for_no_opinion(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive()
    site.exclude(Reason.LATERAL_VIEW)
    assert "feedback" not in actions(page_of(client, dataset))


def test_the_history_is_folded(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive()
    (folded,) = page_of(client, dataset).all("details", "folded")
    assert "open" not in folded.attributes
    assert "received" in folded.text


def test_a_report_is_read_as_text_and_downloaded_as_it_was_sent(site: SampleSite, client: httpx.Client) -> None:
    dataset = site.receive()
    site.exclude(Reason.LATERAL_VIEW)
    built = _text_report(site)
    uid = str(built.SOPInstanceUID)

    file = client.get(f"/reports/{uid}.dcm")
    assert file.headers["content-disposition"] == f'attachment; filename="{uid}.dcm"'
    assert str(dcmread(BytesIO(file.content)).SOPInstanceUID) == uid
    text = client.get(f"/reports/{uid}.txt").text
    assert "AI result: NOT ANALYSED: lateral view" in text
    page = page_of(client, dataset)
    assert "NOT ANALYSED: lateral view" in page.all("pre")[0].text
    assert client.get("/reports/1.2.3.txt").status_code == 404


def _text_report(site: SampleSite) -> Dataset:
    """Build the text report that is due as the product does."""
    from service.report import Equipment, build
    from service.vocabulary.report_kinds import ReportKind
    from service.vocabulary.states import Priority

    (due,) = site.ledger.reporting.claim("builder", 1, LEASE)
    content = ReportContent(
        outcome=Outcome.NOT_ANALYSED,
        prediction=None,
        reason=Reason.LATERAL_VIEW,
        flags=(),
        priority=Priority.ROUTINE,
        priority_source=None,
        content_time=site.now,
        pixel_digest="",
        identity_digest=due.identity_digest,
        limits="none",
    )
    source = dcmread(BytesIO(site.store.read(due.object_key)))
    (built,) = build(source, None, content, kinds={ReportKind.TEXT_SR}, equipment=Equipment("0", "1", "", "RESEARCH"))
    stored = site.store.put(built.encoded())
    new = NewReport(
        built.kind.value,
        Outcome.NOT_ANALYSED,
        built.sop_class_uid,
        built.sop_instance_uid,
        built.series_instance_uid,
        stored.key,
        ("pacs",),
    )
    site.ledger.reporting.save(due, [new])
    return built.dataset


def test_what_the_ris_said_of_the_order_stands_on_the_page(site: SampleSite, client: httpx.Client) -> None:
    patient = OrderedPatient((("P-1", ()),))
    order = HeardOrder(OrderEvent.ORDERED, patient, "", "A-1", Priority.STAT, "Cough <b>", "E")
    site.ledger.orders.hear(HeardMessage("RIS|", "M1", "0" * 64, (order,)))
    page = client.get(f"/studies/{site.receive(patient_id='P-1', accession_number='A-1').StudyInstanceUID}").text
    assert "order; STAT; patient class E; indication: Cough &lt;b&gt;" in page
