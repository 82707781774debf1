"""Who was not let in stands in status, doctor, page and metrics, with the setting that would admit them."""

import json
from collections.abc import Callable

import httpx
import pytest
from click.testing import CliRunner, Result

from service import cli
from service.cli import doctor
from service.refused import refused_callers
from service.vocabulary.refusals import Refusal, RefusalReason
from tests.service.sample_site import ENGLISH, SampleSite
from tests.service.web.conftest import client as client  # noqa: PLC0414 - a fixture
from tests.service.web.conftest import site as site  # noqa: PLC0414 - a fixture

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
UNKNOWN = Refusal(RefusalReason.CALLING_AE_TITLE, "10.1.2.3", "ORTHANC", "AUSCULT")


def _refuse(site: SampleSite, refusal: Refusal, times: int = 1) -> None:
    for _ in range(times):
        site.ledger.refusals.note(refusal)
    site.ledger.refusals.flush()


@pytest.fixture
def auscult(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Give ``auscult(*arguments)`` on the site."""
    monkeypatch.chdir(site.folder)
    for name, value in {"DATA_DIR": str(site.folder), "LISTENER__PORT": "0", "WEB__PORT": "0"}.items():
        monkeypatch.setenv(f"AUSCULT_{name}", value)
    monkeypatch.setattr(doctor, "entry_points", lambda group: [])
    return lambda *arguments: CliRunner().invoke(cli._group, list(arguments))


def test_a_refused_association_is_one_line_with_its_count_and_the_setting(site: SampleSite) -> None:
    _refuse(site, UNKNOWN, 12)
    (caller,) = refused_callers(ENGLISH, site.ledger, site.now)
    assert (caller.who, caller.what, caller.count) == ("ORTHANC at 10.1.2.3", "association", 12)
    assert caller.setting == "listener.allowed_ae_titles"
    assert "add it there" in caller.why


def test_the_refused_contexts_of_a_peer_are_one_line_however_many(site: SampleSite) -> None:
    classes = (CT, MR, "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.20")
    for uid in classes:
        _refuse(site, Refusal(RefusalReason.SOP_CLASS, "10.1.2.3", "PACS", "AUSCULT", uid), 3)
    (caller,) = refused_callers(ENGLISH, site.ledger, site.now)
    assert caller.what == ("CT Image Storage, MR Image Storage, Nuclear Medicine Image Storage and 1 more")
    assert caller.count == 3
    assert 'listener.other_objects = "record"' in caller.why


def test_status_tells_who_was_not_let_in(site: SampleSite, auscult: Callable[..., Result]) -> None:
    assert "not let in" not in auscult("status").output
    _refuse(site, UNKNOWN, 2)
    told = auscult("status").output
    assert "ORTHANC at 10.1.2.3 was refused 2 times" in told
    assert "listener.allowed_ae_titles" in told
    (row,) = json.loads(auscult("status", "--json").output)["refused"]
    assert (row["calling_ae_title"], row["address"], row["setting"]) == (
        "ORTHANC",
        "10.1.2.3",
        "listener.allowed_ae_titles",
    )


def test_doctor_is_not_content_until_the_settings_admit_the_peer(
    site: SampleSite, auscult: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def callers() -> list[tuple[bool, str]]:
        found = json.loads(auscult("doctor", "--json").output)
        return [(item["passed"], item["message"]) for item in found if item["name"] == "callers"]

    monkeypatch.setenv("AUSCULT_LISTENER__ALLOWED_AE_TITLES", '["PACS"]')
    assert [passed for passed, _ in callers()] == [True]
    monkeypatch.setattr("service.cli.checks.utc_now", lambda: site.now)
    _refuse(site, UNKNOWN)
    ((passed, message),) = callers()
    assert not passed
    assert "ORTHANC at 10.1.2.3 was refused once" in message
    monkeypatch.setenv("AUSCULT_LISTENER__ALLOWED_AE_TITLES", '["PACS", "ORTHANC"]')
    assert [passed for passed, _ in callers()] == [True]


def test_page_interface_and_metrics_tell_it_too(site: SampleSite, client: httpx.Client) -> None:
    assert "Not let in" not in client.get("/").text
    _refuse(site, UNKNOWN, 3)
    _refuse(site, Refusal(RefusalReason.CALLED_AE_TITLE, "10.9.9.9", "<b>", "OTHER"))
    page = client.get("/?live=1").text
    assert "ORTHANC at 10.1.2.3" in page
    assert "&lt;b&gt; at 10.9.9.9" in page
    assert [row["setting"] for row in client.get("/api/status").json()["refused"]] == [
        "listener.ae_title",
        "listener.allowed_ae_titles",
    ]
    assert (
        'auscult_not_let_in{address="10.1.2.3",calling_ae_title="ORTHANC",reason="calling-ae-title",'
        'setting="listener.allowed_ae_titles"} 3.0'
    ) in client.get("/metrics").text
