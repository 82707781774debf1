"""The audit trail: messages after the standard's own grammar, in a file, and to a syslog server over TLS."""

from __future__ import annotations

import base64
import logging
import os
import socket
import ssl
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from lxml import etree

from service.audit import AuditMessage, AuditTrail, EventOutcome, events, examine
from service.audit.administration_events import AuditedChange, administered
from service.audit.events import Node
from service.settings import Settings
from service.vocabulary.identity import Identity
from tests.servers import wait_until

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
US, THEM = Node("AUSCULT", "gateway.example"), Node("CR_ROOM_1", "10.1.2.3")
GRAMMAR = etree.RelaxNG(etree.parse(Path(__file__).parents[2] / "audit.rng"))


def identity(**changes: str) -> Identity:
    attributes = {"patient_id": "P-1", "patient_name": "Yamada^Tarou=山田^太郎", "accession_number": "ACC-1", **changes}
    return Identity("1.2.4", "1.2.5", "1.2.6", "1.2.7", **attributes)


def transferred(who: Identity) -> AuditMessage:
    return events.instances_transferred(NOW, THEM, US, who, is_new=True, sop_classes={"1.2.5": "1.2.4"})


MESSAGES = {
    "marked": events.study_marked(NOW, US, "dr.lam", "10.1.2.9", identity(), what="study read"),
    "marked by a message": events.study_marked(NOW, US, "", "", identity(), what="study read"),
    "told": events.study_told(NOW, US, "ris", "10.1.2.20", identity(), what="result", message_id="0" * 20),
    "start": events.application_activity(NOW, US, process="auscult listen", starts=True),
    "stop": events.application_activity(NOW, US, process="auscult listen", starts=False),
    "transferred": transferred(identity()),
    "transferred without a patient": transferred(identity(patient_id="", patient_name="", accession_number="")),
    "deleted": events.instances_deleted(NOW, "auscult sweep", US, identity(), sop_classes={"1.2.5": "1.2.4"}),
    "refused": events.node_refused(NOW, US, Node("STRANGER", "10.9.9.9"), why="an AE title that is not allowed"),
    "refused address": events.node_refused(NOW, US, Node("", "fe80::1"), why="an address that is not allowed"),
    "not taken": events.instances_refused(NOW, THEM, US, identity(), why="status 0xA900", is_at_fault=True),
    "nothing taken": events.instances_refused(
        NOW, THEM, US, Identity("", "", "", ""), why="status 0xA700", is_at_fault=False
    ),
    "query": events.query(
        NOW, US, THEM, sop_class_uid="1.2.8", identifier=b"\x08\x00", transfer_syntax_uid="1.2.840.10008.1.2"
    ),
    "administered": administered(NOW, US, "dr.lam", "10.1.2.9", change=AuditedChange.USERS, what="token 3 was revoked"),
    "administered by the settings": administered(
        NOW, US, "", "", change=AuditedChange.SOFTWARE, what="CR_1 is in shadow"
    ),
    "login": events.user_authentication(NOW, US, "reader", "10.1.2.9", logs_in=True, succeeded=False),
}


def parsed(xml: bytes) -> Any:
    root = etree.fromstring(xml)
    GRAMMAR.assertValid(root)
    return root


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_follows_the_grammar_of_the_standard(name: str) -> None:
    parsed(MESSAGES[name].xml("auscult", "hospital"))


def test_the_grammar_refuses_what_is_not_a_message() -> None:
    root = etree.fromstring(MESSAGES["transferred"].xml("auscult", ""))
    root.remove(root.find("AuditSourceIdentification"))
    assert not GRAMMAR.validate(root)


def test_a_transfer_says_who_sent_what_to_whom_and_whose_it_is() -> None:
    root = parsed(MESSAGES["transferred"].xml("auscult", ""))
    event = root.find("EventIdentification")
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("C", EventOutcome.SUCCESS)
    assert event.find("EventID").get("csd-code") == "110104"
    source, destination = root.findall("ActiveParticipant")
    assert (source.get("UserID"), source.get("NetworkAccessPointID")) == ("CR_ROOM_1", "10.1.2.3")
    assert source.find("RoleIDCode").get("csd-code") == "110153"
    assert (destination.get("AlternativeUserID"), destination.get("NetworkAccessPointTypeCode")) == (
        "AETITLES=AUSCULT",
        "1",
    )
    study, patient = root.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == "1.2.6"
    assert study.find("ParticipantObjectDescription/SOPClass/Instance").get("UID") == "1.2.5"
    assert patient.get("ParticipantObjectID") == "P-1"
    assert patient.findtext("ParticipantObjectName") == "Yamada^Tarou=山田^太郎"


def test_an_alert_keeps_what_a_stranger_typed_out_of_the_xml() -> None:
    root = parsed(events.node_refused(NOW, US, Node("A<b>", "10.9.9.9"), why="calling '<x>'").xml("auscult", ""))
    detail = root.find("ParticipantObjectIdentification/ParticipantObjectDetail")
    assert base64.b64decode(detail.get("value")).decode() == "calling '<x>'"


@hypothesis_settings(max_examples=20)
@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_whatever_a_patient_is_called_the_message_is_one_line_of_valid_xml(
    name: str, number: str, accession: str
) -> None:
    xml = transferred(identity(patient_name=name, patient_id=number, accession_number=accession)).xml("auscult", "")
    assert b"\n" not in xml
    parsed(xml)


def settings(folder: Path, **audit: Any) -> Settings:
    return Settings(data_dir=folder, audit=audit)


@pytest.mark.parametrize("fsync", [False, True])
def test_the_file_is_the_owner_s_alone_and_grows_by_a_line_a_message(tmp_path: Path, fsync: bool) -> None:
    made = settings(tmp_path, fsync=fsync)
    umask = os.umask(0)
    try:
        with AuditTrail(made) as trail, trail.activity("a test"):
            pass
    finally:
        os.umask(umask)
    assert stat.S_IMODE(made.audit_file.stat().st_mode) == 0o600
    codes = [
        parsed(line).find(".//EventTypeCode").get("csd-code") for line in made.audit_file.read_bytes().splitlines()
    ]
    assert codes == ["110120", "110121"]


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    made = settings(tmp_path)
    with AuditTrail(made) as trail:
        for number in range(3):
            trail.note(events.node_refused, US, THEM, why=str(number))
            made.audit_file.rename(tmp_path / f"audit.log.{number}")
    assert [len((tmp_path / f"audit.log.{number}").read_bytes().splitlines()) for number in range(3)] == [1, 1, 1]


def test_several_trails_share_a_file_line_by_line(tmp_path: Path) -> None:
    made = settings(tmp_path)

    def write() -> None:
        with AuditTrail(made) as trail:
            for _ in range(50):
                trail.note(events.node_refused, US, THEM, why="x" * 3000)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = made.audit_file.read_bytes().splitlines()
    assert len(lines) == 200
    for line in lines[::20]:
        parsed(line)


def test_a_trail_that_fails_is_said_once_without_a_name_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit").write_text("a file where the folder should be")
    made = settings(tmp_path)
    with caplog.at_level(logging.ERROR), AuditTrail(made) as trail:
        for _ in range(3):
            trail.note(events.instances_transferred, THEM, US, identity(), is_new=True, sop_classes={})
    assert caplog.text.count("the audit trail fails") == 1
    assert "Yamada" not in caplog.text
    assert examine(made) is not None
    assert examine(settings(tmp_path / "elsewhere")) is None


@dataclass
class Syslog:
    """A syslog server that takes frames over TLS."""

    port: int = 0
    frames: list[bytes] = field(default_factory=list)
    peers: list[Any] = field(default_factory=list)


@pytest.fixture(scope="module")
def keys(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a key and a certificate of 127.0.0.1 that vouches for itself."""
    folder = tmp_path_factory.mktemp("keys")
    command = [program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder


def to_syslog(folder: Path, keys: Path, port: int, **more: Any) -> Settings:
    certificate = keys / "certificate.pem"
    options = {"syslog_ca": certificate, "syslog_certificate": certificate, "syslog_key": keys / "key.pem", **more}
    return settings(folder, syslog_host="127.0.0.1", syslog_port=port, **options)


def free_listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@contextmanager
def syslog_server(keys: Path, listener: socket.socket) -> Iterator[Syslog]:
    """Take connections that show a certificate, until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys / "certificate.pem", keys / "key.pem")
    context.load_verify_locations(keys / "certificate.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server, stop = Syslog(int(listener.getsockname()[1])), threading.Event()
    listener.settimeout(0.05)

    def serve() -> None:
        while not stop.is_set():
            try:
                plain, _ = listener.accept()
            except TimeoutError:
                continue
            plain.settimeout(5)
            with context.wrap_socket(plain, server_side=True) as connection:
                server.peers.append(connection.getpeercert())
                content = b""
                while piece := connection.recv(65536):
                    content += piece
            while content:
                length, _, rest = content.partition(b" ")
                server.frames.append(rest[: int(length)])
                content = rest[int(length) :]

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server
    finally:
        stop.set()
        thread.join()


def test_what_waits_reaches_the_syslog_server_in_order_and_framed(tmp_path: Path, keys: Path) -> None:
    with free_listener() as listener:
        made = to_syslog(tmp_path, keys, int(listener.getsockname()[1]))
        for number in range(70):  # more than one batch, by two processes that ended before the server was there
            trail = AuditTrail(made)
            trail.note(events.instances_transferred, THEM, US, identity(), is_new=bool(number % 2), sop_classes={})
            trail.close()
        with syslog_server(keys, listener) as server, AuditTrail(made):
            wait_until(lambda: len(server.frames) == 70, "every frame arrives")
    assert server.peers[0]["subject"] == ((("commonName", "127.0.0.1"),),)
    actions = []
    for content in server.frames:
        header, _, xml = content.decode().partition("\ufeff")
        priority, _, host, name, _, message_id, data, _ = header.split(" ")
        assert (priority, host, name) == ("<85>1", socket.gethostname(), "auscult")
        assert (message_id, data) == ("DICOM+RFC3881", "-")
        actions.append(parsed(xml.encode()).find("EventIdentification").get("EventActionCode"))
    assert actions == ["R", "C"] * 35
    assert not list(made.audit_spool.glob("*.frame"))
    assert len(made.audit_file.read_bytes().splitlines()) == 70


def test_a_server_that_nobody_vouches_for_gets_nothing(
    tmp_path: Path, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with free_listener() as listener:
        made = to_syslog(tmp_path, keys, int(listener.getsockname()[1]), syslog_ca=None)

        def accept() -> None:
            listener.accept()[0].close()

        accepting = threading.Thread(target=accept)
        accepting.start()
        with caplog.at_level(logging.ERROR), AuditTrail(made) as trail:
            trail.note(events.node_refused, US, THEM, why="refused")
            wait_until(lambda: "the audit trail fails" in caplog.text, "the failure is said")
        accepting.join()
    assert len(list(made.audit_spool.glob("*.frame"))) == 1


def test_messages_that_wait_too_long_or_are_too_many_are_noticed(tmp_path: Path) -> None:
    made = settings(tmp_path, syslog_host="127.0.0.1", maximum_waiting=1)
    trail = AuditTrail(made)
    trail.note(events.node_refused, US, THEM, why="refused")
    assert "1 audit messages wait" in str(examine(made))
    trail.close()
    (waiting,) = made.audit_spool.glob("*.frame")
    waiting.rename(waiting.with_name(f"{'0' * 20}-1-1.frame"))
    assert "the oldest for" in str(examine(settings(tmp_path, syslog_host="127.0.0.1")))


def test_what_waits_lies_beside_the_file_so_that_machines_may_share_the_rest(tmp_path: Path) -> None:
    made = settings(tmp_path / "shared", syslog_host="127.0.0.1", file=tmp_path / "own" / "audit.log")
    trail = AuditTrail(made)
    trail.note(events.node_refused, US, THEM, why="refused")
    trail.close()
    assert len(list((tmp_path / "own" / "spool").glob("*.frame"))) == 1
    assert not (tmp_path / "shared").exists()
