"""A DICOMweb server as a destination: the ladder of states that every destination has, over HTTP."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydicom import dcmread

from service.http_wire import HttpAnswer
from service.settings import DicomwebSettings, Settings
from service.vocabulary.errors import DeliveryFailed
from service.vocabulary.states import DeliveryState
from tests.certificates import Authority
from tests.invariants import Invariant
from tests.service.audit.test_audit import GRAMMAR
from tests.worker.conftest import Gateway
from tests.worker.test_courier import ready, states
from worker.dicomweb import DicomwebArchive, _fails, _failure_reason


@dataclass
class WebArchive:
    """Keeps what is stored; answers as it is told to."""

    held: dict[str, bytes] = field(default_factory=dict)
    stored: list[bytes] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)
    #: Status and Failure Reason of the next requests to store.
    answers: list[tuple[int, int | None]] = field(default_factory=list)
    searches: bool = True
    forgets: bool = False
    url: str = ""

    def store(self, content: bytes, kind: str) -> tuple[int, dict[str, Any]]:
        parsed = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content, policy=email.policy.HTTP)
        (part,) = parsed.iter_parts()
        file = part.get_payload(decode=True)
        assert isinstance(file, bytes)
        assert content.endswith(b"--\r\n")
        uid = str(dcmread(BytesIO(file), specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        self.stored.append(file)
        status, reason = self.answers.pop(0) if self.answers else (200, None)
        item: dict[str, Any] = {"00081155": {"vr": "UI", "Value": [uid]}}
        if status == 200 and not self.forgets:
            self.held[uid] = file
        if reason is not None:
            item["00081197"] = {"vr": "US", "Value": [reason]}
            return status, {"00081198": {"vr": "SQ", "Value": [item]}}
        return status, {"00081199": {"vr": "SQ", "Value": [item]}}


@contextmanager
def web_archive(tls: Any = None, **options: Any) -> Iterator[WebArchive]:
    """Run a server of STOW-RS and QIDO-RS until the block ends."""
    archive = WebArchive(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            archive.logins.append(self.headers.get("Authorization"))
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(*archive.store(content, self.headers["Content-Type"]))

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            (uid,) = query["SOPInstanceUID"]
            assert {"StudyInstanceUID", "SeriesInstanceUID"} <= set(query)
            found = [{"00080018": {"vr": "UI", "Value": [held]}} for held in archive.held if held == uid]
            self._answer(200 if archive.searches else 404, found)

        def _answer(self, status: int, content: object) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    archive.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}/dicom-web"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()


def web(archive: WebArchive, **more: Any) -> dict[str, Any]:
    """Return the settings of a server as a destination that receives one object an image."""
    return {"name": "web", "channel": "dicomweb", "url": archive.url, "reports": ["text_sr"], **more}


def steps(made: Gateway, number: int = 1, **turn: float) -> None:
    """Let a courier of its own do what is due, time after time."""
    for _ in range(number):
        courier = made.courier()
        courier.step()
        courier.close()
        made.clock.turn(**turn or {"seconds": 2})


def test_a_report_is_stored_as_it_is_and_confirmed_by_a_search(gateway: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret-token\n")
    with web_archive() as archive:
        made = ready(gateway, web(archive, token_file=tmp_path / "token", reports=["text_sr", "measurement_sr"]))
        steps(made, 3)
    assert states(made) == [DeliveryState.CONFIRMED] * 2
    assert archive.logins == ["Bearer secret-token"] * 2
    assert sorted(archive.stored) == sorted(made.store.read(row.object_key) for row in made.reports), "the same bytes"
    assert "secret" not in "".join(str(row.detail) for row in made.deliveries)
    messages = [etree.fromstring(line) for line in made.settings.audit_file.read_bytes().splitlines()]
    for message in messages:
        GRAMMAR.assertValid(message)
    kinds = [message.find("*/EventID").get("csd-code") for message in messages]
    assert (kinds.count("110104"), kinds.count("110112")) == (2, 2)


@pytest.mark.parametrize(
    ("status", "reason", "state", "detail"),
    [
        (503, None, DeliveryState.PENDING, "HTTP 503"),
        (401, None, DeliveryState.PENDING, "HTTP 401"),
        (404, None, DeliveryState.PENDING, "HTTP 404"),
        (409, 0xA700, DeliveryState.PENDING, "0xA700"),
        (202, 0xA700, DeliveryState.PENDING, "0xA700"),
        (200, 0x0110, DeliveryState.PENDING, "0x0110"),
        (400, None, DeliveryState.DEAD, "HTTP 400"),
        (415, None, DeliveryState.DEAD, "HTTP 415"),
        (409, None, DeliveryState.DEAD, "HTTP 409"),
        (409, 0xC000, DeliveryState.DEAD, "0xC000"),
        (409, 0x0122, DeliveryState.DEAD, "0x0122"),
        (202, 0xA900, DeliveryState.DEAD, "0xA900"),
    ],
)
def test_what_the_server_answers_decides_whether_it_is_tried_again(
    gateway: Any, status: int, reason: int | None, state: DeliveryState, detail: str
) -> None:
    with web_archive(answers=[(status, reason)]) as archive:
        made = ready(gateway, web(archive))
        steps(made)
        assert states(made) == [state]
        assert detail in str(made.deliveries[0].detail)
        if state is DeliveryState.PENDING:
            steps(made, 3, minutes=1)
            assert states(made) == [DeliveryState.CONFIRMED]
            assert archive.stored[0] == archive.stored[1], "a re-send is the same bytes"


def test_a_server_that_has_it_already_is_asked_and_confirms(gateway: Any) -> None:
    with web_archive(answers=[(409, 0x0111)]) as archive:
        made = ready(gateway, web(archive))
        archive.held[made.reports[0].sop_instance_uid] = b""
        steps(made, 3)
    assert states(made) == [DeliveryState.CONFIRMED]
    assert len(archive.stored) == 1


@pytest.mark.proves(Invariant.RESEND_IS_SAME_BYTES)
def test_what_the_server_loses_is_sent_again_and_looked_for_again_once_it_was_confirmed(gateway: Any) -> None:
    with web_archive(forgets=True) as archive:
        made = ready(gateway, web(archive))
        steps(made, 14, minutes=1)
        assert len(archive.stored) > 1
        archive.forgets = False
        steps(made, 14, minutes=1)
    assert states(made) == [DeliveryState.CONFIRMED]
    assert len(set(archive.stored)) == 1


def test_a_server_without_a_search_ends_as_sent_and_cannot_be_confirmed(gateway: Any) -> None:
    with web_archive(searches=False) as archive:
        made = ready(gateway, web(archive), delivery={"confirm_give_up_after": 600.0})
        steps(made, 14, minutes=5)
    assert states(made) == [DeliveryState.UNCONFIRMABLE]
    assert len(archive.stored) == 1


def test_a_server_that_is_not_asked_ends_as_sent(gateway: Any) -> None:
    with web_archive(searches=False) as archive:
        made = ready(gateway, web(archive, confirm="none"))
        steps(made, 3)
    assert states(made) == [DeliveryState.SENT]


def test_a_server_that_is_away_costs_nothing_and_is_found_again(gateway: Any) -> None:
    with web_archive() as archive:
        pass
    made = ready(gateway, web(archive))
    steps(made, 2, minutes=1)
    assert states(made) == [DeliveryState.PENDING]
    assert "cannot be reached" in str(made.deliveries[0].detail)
    made.clock.turn(days=4)
    steps(made)
    assert states(made) == [DeliveryState.DEAD]


def test_tls_and_a_login_by_name_and_a_secret_that_is_read_each_time(gateway: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    import ssl

    issued = authority.issue("server", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with web_archive(context) as archive:
        login = {"user": "auscult", "password_file": tmp_path / "password"}
        made = ready(gateway, web(archive, **login, tls={"ca": authority.ca}))
        steps(made)
        assert states(made) == [DeliveryState.PENDING]
        assert str(tmp_path / "password") in str(made.deliveries[0].detail)
        (tmp_path / "password").write_text("grün\n", encoding="utf-8")
        steps(made, 3, minutes=1)
    assert states(made) == [DeliveryState.CONFIRMED]
    assert base64.b64decode(str(archive.logins[0]).removeprefix("Basic ")).decode() == "auscult:grün"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda of: st.lists(of) | st.dictionaries(st.text(), of)))
def test_whatever_a_server_answers_is_no_error_of_ours(content: object) -> None:
    sequence = {"00081198": content}
    deep = {"00081198": {"Value": content}}
    for answer in (content, sequence, deep, {"00081198": {"Value": [content, {"00081155": content}]}}):
        assert _failure_reason(HttpAnswer(409, json.dumps(answer).encode()), "2.25.1") is None


def test_a_search_whose_answer_is_no_list_says_nothing(gateway: Any) -> None:
    with web_archive() as archive:
        destination = DicomwebSettings.model_validate(web(archive))
        archive.searches = False
        with pytest.raises(DeliveryFailed, match="does not say"):
            DicomwebArchive(destination).holds("2.25.1", "2.25.2", "2.25.3")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://pacs.example/dicom-web"}, "in the clear"),
        ({"user": "x"}, "user and password_file"),
        ({"user": "x", "password_file": "y", "token_file": "z"}, "or by token_file"),
        ({"confirm": "commitment"}, "Input should be 'find' or 'none'"),
        ({"port": 4242}, "Extra inputs"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings(destinations=[{"name": "web", "channel": "dicomweb", "url": "https://x/y", **changes}])


@pytest.mark.parametrize("sequence", ["00081198", "0008119A"])
def test_a_failure_that_names_no_reason_is_none_the_less_one(sequence: str) -> None:
    """A status of success is of the request; without a search afterwards the report would be lost."""
    stored = {"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": ["1.2"]}}]}}
    failed = {sequence: {"vr": "SQ", "Value": [{}]}}
    for said, fails in ((failed, True), (stored, False), ({}, False), ({**failed, **stored}, False)):
        assert _fails(HttpAnswer(202, json.dumps(said).encode()), "1.2") == fails
