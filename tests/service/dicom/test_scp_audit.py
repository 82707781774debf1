"""The listener's audit trail: who sent what, and who was refused; and nothing of it in the log."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from service.audit import AuditTrail
from service.audit.frame_queue import FrameQueue
from service.dicom.auditor import Auditor
from service.settings import Settings
from service.vocabulary.errors import StoreFull
from service.vocabulary.identity import Identity
from tests.certificates import Authority
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.servers import wait_until
from tests.service.audit.test_audit import GRAMMAR
from tests.service.dicom.raw_scu import CR, EXPLICIT, Ended, RawAssociation, association_request
from tests.service.dicom.test_tls import client
from tests.service.listening import Site, associated, listening, send

EVENT = "EventIdentification/EventID"


def trail(site: Site) -> list[Any]:
    """Return the messages of a site's trail."""
    messages = [etree.fromstring(line) for line in site.settings.audit_file.read_bytes().splitlines()]
    for message in messages:
        GRAMMAR.assertValid(message)
    return messages


@pytest.mark.proves(Invariant.AUDIT_IS_THE_EXCEPTION)
def test_each_object_that_is_acknowledged_is_in_the_trail_and_its_patient_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = chest(patient_id="AUDITED-1", patient_name="Nameless^Ada")
    with caplog.at_level(logging.DEBUG), listening(tmp_path / "data") as site:
        assert send(site.port, image, image) == [0, 0]
        first, again = trail(site)
    assert (first.find("EventIdentification").get("EventActionCode"), first.find(EVENT).get("csd-code")) == (
        "C",
        "110104",
    )
    assert again.find("EventIdentification").get("EventActionCode") == "R"
    source = first.find("ActiveParticipant")
    assert (source.get("UserID"), source.get("NetworkAccessPointID")) == ("MODALITY", "127.0.0.1")
    study, patient = first.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == image.StudyInstanceUID
    assert (patient.get("ParticipantObjectID"), patient.findtext("ParticipantObjectName")) == (
        "AUDITED-1",
        "Nameless^Ada",
    )
    assert "AUDITED-1" not in caplog.text
    assert "Nameless" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"allowed_ae_titles": ["SOMEBODY"]}, "MODALITY"), ({"allowed_addresses": ["10.0.0.0/8"]}, None)],
)
def test_who_may_not_associate_is_a_security_alert(tmp_path: Path, settings: dict[str, Any], name: str | None) -> None:
    with listening(tmp_path / "data", **settings) as site:
        with associated(site.port, (Verification, "1.2.840.10008.1.2")) as association:
            assert not association.is_established
        alert = the_alert(site)
    subject = alert.find("ParticipantObjectIdentification")
    assert (subject.get("ParticipantObjectID"), subject.findtext("ParticipantObjectName") or None) == (
        "127.0.0.1",
        name,
    )


def test_a_certificate_that_is_not_bound_to_its_ae_title_is_an_alert_that_names_it(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, bound, other = (authority.issue(name) for name in ("auscult", "bound", "other"))
    tls = {**own.settings(), "ca": str(authority.ca), "port": 0, "allowed_certificates": {"CT1": ["bound"]}}
    with listening(tmp_path / "data", tls=tls) as site:
        with RawAssociation(site.tls_port, calling="CT1", tls=client(authority, bound)) as association:
            association.release()
        with pytest.raises(Ended, match="PDU type 3"):
            RawAssociation(site.tls_port, calling="CT1", tls=client(authority, other))
        alert = the_alert(site)
    subject = alert.find("ParticipantObjectIdentification")
    assert (subject.get("ParticipantObjectID"), subject.findtext("ParticipantObjectName")) == ("127.0.0.1", "CT1")
    digest = x509.load_pem_x509_certificate(other.certificate.read_bytes()).fingerprint(SHA256()).hex()
    why = alert.findtext("EventIdentification/EventOutcomeDescription")
    assert "listener.tls.allowed_certificates does not name its certificate for this AE title" in why
    assert f"(certificate sha256:{digest})" in why


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        ("stranger", "unable to get local issuer certificate; listener.tls.ca names the authorities"),
        ("ended", "certificate has expired"),
        ("none", "peer did not return a certificate"),
        ("plain DICOM", "wrong version number; it does not speak TLS"),
        ("a browser", "http request; it is a browser or a health check"),
    ],
)
def test_a_handshake_that_fails_is_an_alert_with_its_reason(tmp_path: Path, peer: str, reason: str) -> None:
    authority = Authority(tmp_path)
    tls = {**authority.issue("auscult").settings(), "ca": str(authority.ca), "port": 0}
    with listening(tmp_path / "data", tls=tls) as site:
        knock(site.tls_port, peer, authority)
        alert = the_alert(site)
    subject = alert.find("ParticipantObjectIdentification")
    assert (subject.get("ParticipantObjectID"), subject.findtext("ParticipantObjectName") or None) == (
        "127.0.0.1",
        None,
    )
    assert f"TLS: {reason}" in alert.findtext("EventIdentification/EventOutcomeDescription")


def knock(port: int, peer: str, authority: Authority) -> None:
    """Come to the port for TLS as somebody who may not."""
    if peer in ("plain DICOM", "a browser"):
        said = b"GET / HTTP/1.0\r\n\r\n" if peer == "a browser" else association_request([(1, CR, (EXPLICIT,))])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection, suppress(ConnectionError):
            connection.sendall(said)
            while connection.recv(4096):
                pass
        return
    shown = {
        "stranger": lambda: Authority(authority.ca.parent, "strange").issue("stranger"),
        "ended": lambda: authority.issue("ended", days=-1),
        "none": lambda: None,
    }[peer]()
    with pytest.raises((Ended, OSError)):
        RawAssociation(port, calling="CT1", tls=client(authority, shown))


def the_alert(site: Site) -> Any:
    """Return the one message of a site's trail once it is there: a security alert about a node."""
    wait_until(lambda: site.settings.audit_file.exists() and bool(trail(site)), "the alert is written")
    (alert,) = trail(site)
    assert alert.find(EVENT).get("csd-code") == "110113"
    assert alert.find("EventIdentification/EventTypeCode").get("csd-code") == "110126"
    return alert


def test_a_stranger_that_knocks_again_and_again_is_one_alert_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Settings(data_dir=tmp_path)
    with AuditTrail(made) as trail:
        auditor = Auditor(trail, "AUSCULT")
        for _ in range(5):
            auditor.refused("", "10.9.9.9", "not allowed")
        auditor.refused("", "10.9.9.8", "not allowed")
        later = time.monotonic() + 61
        monkeypatch.setattr("service.dicom.auditor.time.monotonic", lambda: later)
        auditor.refused("", "10.9.9.9", "not allowed")
    lines = made.audit_file.read_text().splitlines()
    assert len(lines) == 3
    assert "refused 4 times more since the last alert" in lines[-1]


def test_an_object_that_is_refused_is_in_the_trail_with_who_sent_it_and_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = chest(patient_id="AUDITED-1", patient_name="Nameless^Ada")
    del image.StudyInstanceUID
    with caplog.at_level(logging.DEBUG), listening(tmp_path / "data") as site:
        (status,) = send(site.port, image)
        (refused,) = trail(site)
    event = refused.find("EventIdentification")
    assert status != 0
    assert (event.get("EventOutcomeIndicator"), event.find("EventID").get("csd-code")) == ("4", "110104")
    assert event.findtext("EventOutcomeDescription").startswith(f"status 0x{status:04X}")
    source = refused.find("ActiveParticipant")
    assert (source.get("UserID"), source.get("NetworkAccessPointID")) == ("MODALITY", "127.0.0.1")
    assert refused.find(".//Instance").get("UID") == image.SOPInstanceUID
    assert "AUDITED-1" not in caplog.text


def test_while_nothing_can_be_taken_a_node_is_told_of_once_a_minute(tmp_path: Path) -> None:
    made = Settings(data_dir=tmp_path)
    with AuditTrail(made) as trail:
        auditor = Auditor(trail, "AUSCULT")
        for _ in range(5):
            auditor.not_taken("CR", "10.9.9.9", Identity("1.2", "1.3", "", ""), StoreFull("full"), StoreFull.status)
    (line,) = made.audit_file.read_bytes().splitlines()
    message = etree.fromstring(line)
    GRAMMAR.assertValid(message)
    assert message.find("EventIdentification").get("EventOutcomeIndicator") == "8"


@pytest.mark.proves(Invariant.AUDIT_IS_THE_EXCEPTION)
def test_a_trail_that_fails_keeps_no_image_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with listening(tmp_path / "data") as site:
        site.settings.audit_file.parent.mkdir()
        site.settings.audit_file.mkdir()
        monkeypatch.setattr(FrameQueue, "put", refuse)
        assert send(site.port, chest()) == [0]
        assert len(site.instances) == 1
