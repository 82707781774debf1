"""STOW-RS at the page's door: the listener's own rules over HTTP, on real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from lxml import etree
from pydicom import Dataset
from pydicom.uid import MPEG2MPML, CTImageStorage, ExplicitVRLittleEndian
from sqlalchemy import select

from service.ledger.database import reading
from service.ledger.records import EventRecord, InstanceRecord
from service.objects import room
from service.security.passwords import write
from service.settings import Settings, WebSettings
from service.vocabulary.errors import SettingsInvalid, StoreFull
from service.vocabulary.figures import REFUSED
from service.vocabulary.refusals import RefusalReason
from service.web.senders import Senders
from tests import phantoms
from tests.fakes import cheap_user
from tests.invariants import Invariant
from tests.servers import wait_until
from tests.service.audit.test_audit import GRAMMAR
from tests.service.dicomweb_body import BOUNDARY, CONTENT_TYPE, body
from tests.service.listening import listening, send
from tests.service.sample_site import SampleSite
from tests.service.web.test_server import serving

TOKEN = "a token that nobody can guess"
SENDER = {"Authorization": f"Bearer {TOKEN}"}
KINDS = {"Content-Type": CONTENT_TYPE, "Accept": "application/dicom+json"}
STORED, FAILED, OTHERS = "00081199", "00081198", "0008119A"


@contextmanager
def storing(site: SampleSite, web: dict[str, Any] | None = None, **listener: Any) -> Iterator[httpx.Client]:
    """Serve a site's page with one sender; yield that sender's client."""
    token = site.folder / "token"
    token.write_text(f"{TOKEN}\n")
    settings = {"port": 0, "senders": [{"ae_title": "ORTHANC", "token_file": token}]} | (web or {})
    site.settings = Settings(data_dir=site.folder, web=settings, listener=listener)
    with serving(site) as address, httpx.Client(base_url=address, headers=SENDER | KINDS, timeout=20) as client:
        yield client


def store(client: httpx.Client, *files: bytes, study: str = "", **headers: str) -> httpx.Response:
    """Store files in one request."""
    path = f"/dicomweb/studies/{study}" if study else "/dicomweb/studies"
    return client.post(path, content=body(files), headers=headers)


def reasons(answer: dict[str, Any], sequence: str) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.get(sequence, {}).get("Value", [])]


def uids(answer: dict[str, Any], sequence: str) -> list[str]:
    return [item["00081155"]["Value"][0] for item in answer.get(sequence, {}).get("Value", [])]


def instances(site: SampleSite) -> list[InstanceRecord]:
    with reading(site.engine) as session:
        return list(session.scalars(select(InstanceRecord).order_by(InstanceRecord.id)))


def half_received(site: SampleSite) -> list[Path]:
    return list((site.settings.objects_dir / "incoming").iterdir())


@pytest.mark.proves(Invariant.DURABLE_BEFORE_ACKNOWLEDGED)
def test_an_instance_is_stored_as_by_c_store_and_the_same_again_is_known(site: SampleSite, tmp_path: Path) -> None:
    dataset, other = phantoms.chest(1), phantoms.chest(2)
    with listening(tmp_path / "listener") as listener:
        assert send(listener.port, dataset) == [0x0000]
        by_association = listener.instances[0].object_key
    with storing(site) as client:
        first = store(client, phantoms.encoded(dataset), phantoms.encoded(other))
        again = store(client, phantoms.encoded(dataset))
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.headers["content-type"] == "application/dicom+json"
    assert uids(first.json(), STORED) == [dataset.SOPInstanceUID, other.SOPInstanceUID]
    assert Dataset.from_json(first.text).ReferencedSOPSequence[0].ReferencedSOPClassUID == dataset.SOPClassUID
    assert FAILED not in first.json()
    rows = instances(site)
    assert rows[0].object_key == by_association, "the same bytes, through whichever door"
    assert site.store.read(rows[0].object_key)
    assert len(rows) == 2, "the one that came again is known"
    assert {row.calling_ae_title for row in rows} == {"ORTHANC"}
    assert half_received(site) == []


@pytest.mark.proves(Invariant.BAD_OBJECT_HAS_A_STATE)
def test_each_bad_instance_has_its_reason_and_keeps_no_good_one_out(site: SampleSite) -> None:
    good = phantoms.chest(1)
    ct, large, cut = phantoms.chest(3), phantoms.chest(4, rows=700), phantoms.chest(5)
    files = [phantoms.encoded(large), phantoms.encoded(good), b"%PDF-1.7 no image" * 20, b""]
    ct.SOPClassUID = ct.file_meta.MediaStorageSOPClassUID = CTImageStorage
    video = phantoms.encoded(phantoms.chest(2)).replace(
        str(ExplicitVRLittleEndian).encode() + b"\0", str(MPEG2MPML).encode()[:19].ljust(20, b"\0")
    )
    files += [phantoms.encoded(ct), phantoms.encoded(cut)[:700], video]
    with storing(site, maximum_object_bytes=300_000) as client:
        response = store(client, *files)
    answer = response.json()
    assert response.status_code == 202
    assert uids(answer, STORED) == [good.SOPInstanceUID]
    assert reasons(answer, FAILED) == [0xC010, 0x0122, 0xC000, 0xC122]
    assert reasons(answer, OTHERS) == [0xC000, 0xC000]
    assert [row.sop_instance_uid for row in instances(site)] == [good.SOPInstanceUID]
    assert half_received(site) == []
    assert sum(value for (name, _), value in site.ledger.figures.totals().items() if name == REFUSED.name) == 6
    messages = [etree.fromstring(line) for line in site.settings.audit_file.read_bytes().splitlines()]
    for message in messages:
        GRAMMAR.assertValid(message)
    transfers = [one[0] for one in messages if one.find("*/EventID").get("csd-code") == "110104"]
    assert [one.get("EventOutcomeIndicator") for one in transfers].count("4") == 6


def test_a_request_for_one_study_stores_that_study_alone(site: SampleSite) -> None:
    wanted, other = phantoms.chest(1), phantoms.chest(2)
    with storing(site) as client:
        both = store(client, phantoms.encoded(wanted), phantoms.encoded(other), study=str(wanted.StudyInstanceUID))
        none = store(client, phantoms.encoded(other), study=str(wanted.StudyInstanceUID))
        assert store(client, phantoms.encoded(other), study="no-uid").status_code == 400
    assert (both.status_code, none.status_code) == (202, 409)
    assert uids(both.json(), STORED) == [wanted.SOPInstanceUID]
    assert (uids(both.json(), FAILED), reasons(both.json(), FAILED)) == ([other.SOPInstanceUID], [0xC003])
    assert len(instances(site)) == 1


def test_a_full_disk_asks_the_sender_to_come_again(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    with storing(site) as client:

        def full(_room: room.Room) -> None:
            raise StoreFull

        monkeypatch.setattr(room.Room, "require", full)
        response = store(client, phantoms.encoded(phantoms.chest(1)))
    assert response.status_code == 503
    assert int(response.headers["retry-after"]) > 0
    assert reasons(response.json(), FAILED) == [0xA700]


def test_the_answer_is_xml_where_that_is_asked_for(site: SampleSite) -> None:
    dataset = phantoms.chest(1)
    with storing(site) as client:
        response = store(client, phantoms.encoded(dataset), b"none", Accept="application/dicom+xml; q=0.9")
        assert store(client, phantoms.encoded(dataset), Accept="text/html").status_code == 406
        assert store(client, phantoms.encoded(dataset), Accept="*/*").headers["content-type"] == KINDS["Accept"]
    names = {"d": "http://dicom.nema.org/PS3.19/models/NativeDICOM"}
    root = ET.fromstring(response.text)
    stored = root.find("d:DicomAttribute[@keyword='ReferencedSOPSequence']/d:Item", names)
    assert stored is not None
    uid = stored.find("d:DicomAttribute[@tag='00081155']/d:Value", names)
    reason = root.find(".//d:DicomAttribute[@keyword='FailureReason']/d:Value", names)
    assert uid is not None
    assert reason is not None
    assert (uid.text, reason.text) == (dataset.SOPInstanceUID, str(0xC000))


@pytest.mark.proves(Invariant.NOBODY_IN_BY_A_BROKEN_CHECK)
def test_only_the_senders_of_the_settings_may_store_and_others_are_recorded(
    site: SampleSite, caplog: pytest.LogCaptureFixture
) -> None:
    write(site.folder / "users", {"pacs": cheap_user("a long enough password"), "reader": cheap_user("another one")})
    senders = [
        {"ae_title": "ORTHANC", "token_file": site.folder / "token"},
        {"ae_title": "PACS", "user": "pacs", "allowed_addresses": ["127.0.0.0/8"]},
        {"ae_title": "AWAY", "token_file": site.folder / "token2", "allowed_addresses": ["10.0.0.0/8"]},
    ]
    (site.folder / "token2").write_text(TOKEN[::-1])
    file = phantoms.encoded(phantoms.chest(1))
    with storing(site, {"users": site.folder / "users", "senders": senders}) as client:
        assert store(client, file, Authorization=f"Bearer {TOKEN}x").status_code == 401
        assert store(client, file, Authorization="Bearer").status_code == 401
        assert store(client, file, Authorization="").status_code == 401
        assert store(client, file, Authorization=f"Bearer {TOKEN[::-1]}").status_code == 403
        assert store(client, file, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert client.get("/").status_code == 401, "a sender's token opens no page"
        assert client.get("/dicomweb/studies").status_code == 405
        basic = httpx.BasicAuth("reader", "another one")
        assert client.post("/dicomweb/studies", content=body([file]), auth=basic).status_code == 403
        assert instances(site) == []
        basic = httpx.BasicAuth("pacs", "a long enough password")
        assert client.post("/dicomweb/studies", content=body([file]), auth=basic).status_code == 200
        (site.folder / "token").write_text("another token that nobody knows")
        assert store(client, file).status_code == 401, "a new token counts at once"
    assert [row.calling_ae_title for row in instances(site)] == ["PACS"]
    (refusal,) = site.ledger.refusals.recent()
    assert (refusal.refusal.reason, refusal.refusal.address) == (RefusalReason.SENDER, "127.0.0.1")
    assert refusal.count >= 5
    assert TOKEN not in caplog.text


@pytest.mark.proves(Invariant.NOBODY_IN_BY_A_BROKEN_CHECK)
def test_somebody_of_a_sender_s_name_whom_a_proxy_names_is_not_that_sender(site: SampleSite) -> None:
    write(site.folder / "users", {"pacs": cheap_user("a long enough password")})
    (site.folder / "secret").write_text("the proxy's secret\n")
    web = {
        "users": site.folder / "users",
        "senders": [{"ae_title": "PACS", "user": "pacs"}],
        "proxy": {"addresses": ["127.0.0.1/32"], "secret_file": site.folder / "secret"},
    }
    named = {"Authorization": "", "X-Remote-User": "pacs", "X-Auscult-Proxy": "the proxy's secret"}
    with storing(site, web) as client:
        assert store(client, phantoms.encoded(phantoms.chest(1)), **named).status_code == 403
        basic = httpx.BasicAuth("pacs", "a long enough password")
        stored = client.post("/dicomweb/studies", content=body([phantoms.encoded(phantoms.chest(1))]), auth=basic)
        assert stored.status_code == 200
    assert len(instances(site)) == 1


def test_without_senders_nothing_can_be_stored(site: SampleSite) -> None:
    with serving(site) as address:
        assert httpx.post(f"{address}dicomweb/studies", content=body([b""]), headers=KINDS).status_code == 404


@pytest.mark.parametrize(
    ("senders", "said"),
    [
        ([{"ae_title": "A"}], "set token_file, or user"),
        ([{"ae_title": "A", "user": "a"}], "set web.users"),
        ([{"ae_title": "A", "token_file": "x"}, {"ae_title": "A ", "token_file": "y"}], "give each its own"),
    ],
)
def test_senders_that_cannot_be_told_apart_are_refused(senders: list[dict[str, str]], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WebSettings.model_validate({"senders": senders})


def test_a_token_that_can_be_guessed_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    settings = WebSettings.model_validate({"senders": [{"ae_title": "A", "token_file": tmp_path / "token"}]})
    with pytest.raises(SettingsInvalid, match="fewer than 20 characters") as caught:
        Senders(settings.senders)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "content_type", "status", "kept"),
    [
        (lambda file: body([file])[:-20], CONTENT_TYPE, 400, 0),
        (lambda file: body([file, file])[:-90], CONTENT_TYPE, 400, 1),
        (lambda _: b"", CONTENT_TYPE, 400, 0),
        (lambda _: f"--{BOUNDARY}--\r\n".encode(), CONTENT_TYPE, 400, 0),
        (lambda file: body([file], "another"), CONTENT_TYPE, 400, 0),
        (lambda file: b"preamble" + body([file]), CONTENT_TYPE, 400, 0),
        (lambda file: file, "application/dicom", 415, 0),
        (lambda file: body([file]), "multipart/related", 415, 0),
        (lambda file: body([file]), CONTENT_TYPE.replace("/dicom", "/dicom+json"), 415, 0),
        (lambda file: body([file]), CONTENT_TYPE.replace("related", "form-data"), 415, 0),
    ],
)
def test_a_body_of_another_form_is_refused_whole_parts_aside(
    site: SampleSite, content: Any, content_type: str, status: int, kept: int
) -> None:
    file = phantoms.encoded(phantoms.chest(1))
    with storing(site) as client:
        sent = client.post("/dicomweb/studies", content=content(file), headers={"Content-Type": content_type})
    assert sent.status_code == status
    assert sent.json()["error"]
    assert len(instances(site)) == kept
    assert half_received(site) == []


def test_a_sender_that_stops_is_closed_and_one_that_comes_steadily_is_not(
    site: SampleSite, caplog: pytest.LogCaptureFixture
) -> None:
    content = body([phantoms.encoded(phantoms.chest(1))])
    head = (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: {CONTENT_TYPE}\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode()
    with storing(site, {"body_timeout": 0.6}, minimum_bytes_per_second=1000) as client:
        address = ("127.0.0.1", client.base_url.port or 0)
        with socket.create_connection(address, timeout=20) as silent:
            silent.sendall(head + content[:5000])
            assert silent.recv(100) == b""
        wait_until(lambda: half_received(site) == [], "what came of it is gone")
        with socket.create_connection(address, timeout=20) as slow:
            slow.sendall(head)
            pieces = [content[start : start + 40_000] for start in range(0, len(content), 40_000)]
            for piece in pieces:
                slow.sendall(piece)
                time.sleep(0.25)
            assert slow.recv(100).startswith(b"HTTP/1.1 200")
        assert len(pieces) * 0.25 > 0.6
    assert "no whole body came (web.body_timeout)" in caplog.text
    assert len(instances(site)) == 1
    with reading(site.engine) as session:
        assert list(session.scalars(select(EventRecord.event)))
