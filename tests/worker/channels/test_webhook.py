"""The webhook: its body by the schema, its signature by Standard Webhooks' library, its receiver away and back."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema import ValidationError as InvalidBody
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from service.settings.receivers import WebhookSettings
from service.vocabulary.facts import Flag, MessageEvent, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Finding
from service.vocabulary.states import DeliveryState
from tests.certificates import Authority
from tests.servers import free_port, listens, running
from tests.worker.channels.conftest import Telling

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/webhook.schema.json").read_text())
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
_MINUTE = timedelta(minutes=1)


class Board:
    """A receiver that takes what the library of Standard Webhooks finds signed and the schema valid.

    `answers` are the statuses of the next messages, then 204; a text instead is sent as the whole answer.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.answers: list[int | bytes] = []
        self.taken: list[dict[str, Any]] = []
        self.errors: list[Exception] = []
        board = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                board._take(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, bytes):
            with suppress(OSError):
                request.wfile.write(answer)
                request.rfile.read(1)
            return
        try:
            told = Webhook(SECRET).verify(body, dict(request.headers))
            Draft202012Validator(SCHEMA).validate(told)
            assert told["id"] == request.headers["Webhook-Id"]
            self.taken.append(told)
        except (AssertionError, InvalidBody, WebhookVerificationError) as error:
            self.errors.append(error)
        request.send_response(answer)
        request.send_header("Location", "/elsewhere")
        request.end_headers()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def boards() -> Iterator[Callable[..., Board]]:
    made: list[Board] = []

    def make(**options: Any) -> Board:
        made.append(Board(**options))
        return made[-1]

    yield make
    for board in made:
        board.close()
        assert board.errors == []


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


def webhook(secret: Path, port: int, **changes: Any) -> WebhookSettings:
    url = f"http://127.0.0.1:{port}/told?by=auscult"
    return WebhookSettings(
        **{"channel": "webhook", "name": "board", "url": url, "secret_file": secret, "response_timeout": 5, **changes}
    )


def test_the_schema_is_one_and_names_what_the_ledger_names() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    told = SCHEMA["properties"]
    assert set(told["event"]["enum"]) == {event.value for event in MessageEvent}
    sources = told["study"]["properties"]["priority_source"]["enum"]
    assert set(sources) == {source.name.lower() for source in PrioritySource}
    assert set(told["reason"]["anyOf"][0]["enum"]) == {reason.value for reason in Supersession}


def test_every_event_is_posted_signed_and_by_the_schema(telling: Any, boards: Any, secret: Path) -> None:
    board = boards()
    told: Telling = telling(webhook(secret, board.port, events=list(MessageEvent)))
    image = told.site.receive(accession_number="ACC-7", patient_name="Nguyễn^Văn An", patient_id="P-1")
    told.site.infer(0.9, Flag.AGE_UNKNOWN, kind=Finding.VIRAL_PNEUMONIA)
    told.site.calibrate("e" * 64)
    told.site.report("pacs")
    told.tell()
    assert [message["event"] for message in board.taken] == ["result", "priority_raised", "reports_built"]
    (result,) = board.taken[0]["images"]
    assert (result["outcome"], result["status"], result["flags"]) == ("positive", "new", ["age_unknown"])
    assert (result["result"]["p_pneumonia"], result["result"]["pneumonia_type"]) == (0.9, "viral_pneumonia")
    assert result["result"]["calibration_digest"] == "e" * 64
    assert board.taken[0]["study"] == {
        "study_instance_uid": str(image.StudyInstanceUID),
        "accession_number": "ACC-7",
        "priority": "urgent",
        "priority_source": "prediction",
    }
    assert [report["kind"] for report in board.taken[2]["reports"]] == ["text_sr", "secondary_capture"]
    assert "Nguyễn" not in json.dumps(board.taken, ensure_ascii=False)


def test_whose_it_is_is_told_where_the_settings_say_so(telling: Any, boards: Any, secret: Path) -> None:
    board = boards()
    told: Telling = telling(webhook(secret, board.port, patient=True))
    told.site.receive(patient_name="Nguyễn^Văn An", patient_id="P-1")
    told.site.exclude(Reason.LATERAL_VIEW)
    told.tell()
    assert (board.taken[0]["patient"]["name"], board.taken[0]["patient"]["id"]) == ("Nguyễn^Văn An", "P-1")
    (image,) = board.taken[0]["images"]
    assert (image["outcome"], image["reason"], image["result"]) == ("not_analysed", "lateral_view", None)


def test_what_was_told_of_another_patient_is_withdrawn_and_told_anew(telling: Any, boards: Any, secret: Path) -> None:
    board = boards()
    told: Telling = telling(webhook(secret, board.port, patient=True))
    first = told.site.receive(patient_id="P-1")
    told.site.infer(0.1)
    told.tell()
    for patient, reason in (("P-2", Supersession.IDENTITY_CORRECTED), ("P-2", Supersession.ANALYSED_AGAIN)):
        told.site.receive(
            study_instance_uid=str(first.StudyInstanceUID),
            sop_instance_uid=str(first.SOPInstanceUID),
            patient_id=patient,
        )
        told.site.infer(0.2, superseding=reason)
        told.tell()
    said = [(one["event"], one["patient"]["id"], one["images"][0]["status"]) for one in board.taken]
    assert said == [
        ("result", "P-1", "new"),
        ("result_superseded", "P-1", "withdrawn"),
        ("result", "P-2", "new"),
        ("result", "P-2", "corrected"),
    ]


def test_a_receiver_that_was_away_is_told_in_order_when_it_is_back(telling: Any, boards: Any, secret: Path) -> None:
    port = free_port()
    told: Telling = telling(webhook(secret, port))
    told.site.receive()
    told.site.infer(0.9)
    told.tell()
    assert told.detail() == "cannot be reached; check its url and network"
    board = boards(port=port)
    told.site.now += _MINUTE
    told.tell()
    assert [message["event"] for message in board.taken] == ["result", "priority_raised"]


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (503, DeliveryState.PENDING),
        (404, DeliveryState.PENDING),
        (302, DeliveryState.PENDING),
        (422, DeliveryState.DEAD),
        (410, DeliveryState.DEAD),
    ],
)
def test_what_becomes_of_a_message_that_is_not_taken(
    telling: Any, boards: Any, secret: Path, answer: int, state: DeliveryState
) -> None:
    board = boards()
    board.answers = [answer]
    told: Telling = telling(webhook(secret, board.port))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    assert (told.states, told.detail()) == ({state: 1}, f"the receiver answered HTTP {answer}")
    told.site.now += _MINUTE
    told.site.ledger.remedies.retry()
    told.tell()
    assert told.states == {DeliveryState.CONFIRMED: 1}
    assert len({message["id"] for message in board.taken}) == 1


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH\r\n"])
def test_an_answer_that_has_no_end_or_is_none_costs_its_time_and_no_more(
    telling: Any, boards: Any, secret: Path, answer: bytes
) -> None:
    board = boards()
    board.answers = [answer]
    told: Telling = telling(webhook(secret, board.port, response_timeout=0.3))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    assert told.detail() == "the receiver gave no HTTP answer within its time"


def test_another_key_is_told_apart(telling: Any, boards: Any, secret: Path) -> None:
    board = boards()
    secret.write_text(base64.b64encode(b"another").decode())
    told: Telling = telling(webhook(secret, board.port))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    assert [type(error) for error in board.errors] == [WebhookVerificationError]
    board.errors.clear()


@pytest.mark.parametrize("text", [None, "", "no base64!", "whsec_"])
def test_a_key_that_cannot_be_read_is_said_to_be_so(telling: Any, secret: Path, text: str | None) -> None:
    secret.unlink() if text is None else secret.write_text(text)
    told: Telling = telling(webhook(secret, 1))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    assert str(secret) in str(told.detail())
    assert told.states == {DeliveryState.PENDING: 1}


def test_over_tls_a_certificate_of_another_authority_is_refused(
    telling: Any, boards: Any, secret: Path, tmp_path: Path
) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("board"))
    board = boards(tls=context)
    url = f"https://127.0.0.1:{board.port}/told"
    told: Telling = telling(webhook(secret, board.port, url=url, tls={"ca": str(stranger.ca)}))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    assert str(told.detail()).startswith("the TLS handshake failed")
    told.receiver = webhook(secret, board.port, url=url, tls={"ca": str(authority.ca)})
    told.site.now += _MINUTE
    told.tell()
    assert told.states == {DeliveryState.CONFIRMED: 1}


@pytest.mark.parametrize(("name", "taken"), [("board.example", True), ("another.example", False)])
def test_over_tls_the_certificate_must_hold_the_name_that_the_settings_give(
    telling: Any, boards: Any, secret: Path, tmp_path: Path, name: str, taken: bool
) -> None:
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("board", "board.example"))
    board = boards(tls=context)
    url = f"https://127.0.0.1:{board.port}/told"
    told: Telling = telling(webhook(secret, board.port, url=url, tls={"ca": str(authority.ca), "server_name": name}))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    assert (len(board.taken) == 1) == taken
    assert taken or str(told.detail()).startswith("the TLS handshake failed")


@pytest.mark.parametrize(
    "url",
    [
        "http://board.example/",
        "ftp://127.0.0.1/",
        "board.example",
        "https://a:b@c/",
        "https://:b@c/",
        "https://c:70000/",
    ],
)
def test_a_url_that_would_tell_of_patients_in_the_clear_or_is_none_is_refused(secret: Path, url: str) -> None:
    with pytest.raises(ValidationError):
        webhook(secret, 1, url=url)


def test_a_receiver_that_nobody_here_wrote_believes_the_signature_and_no_other(
    telling: Any, tmp_path: Path, program: Callable[[str], str], lack: Any
) -> None:
    modules = Path(__file__).parents[3] / "build" / "fhir"
    node, port = program("node"), free_port()
    if not (modules / "node_modules" / "standardwebhooks").is_dir():
        lack("build/fhir holds no standardwebhooks, such as .ci/run unpacks")
    script = Path(__file__).parents[2] / "webhook_receiver.cjs"
    (tmp_path / "secret").write_text(SECRET)
    told: Telling = telling(webhook(tmp_path / "secret", port))
    told.site.receive(accession_number="ACC-7")
    told.site.infer(0.9, Flag.AGE_UNKNOWN)
    wrong = "whsec_" + base64.b64encode(b"another key that is not ours ...").decode()
    with running([node, str(script), str(modules), str(port), wrong], tmp_path / "wrong", lambda: listens(port)):
        told.tell()
        assert "HTTP 401" in str(told.detail())
    with running([node, str(script), str(modules), str(port), SECRET], tmp_path / "right", lambda: listens(port)):
        told.site.now += _MINUTE
        told.tell()
    assert set(told.states) == {DeliveryState.CONFIRMED}
    believed = [json.loads(line) for line in (tmp_path / "right").read_text().splitlines()]
    assert {message["study"]["accession_number"] for message in believed} == {"ACC-7"}
    assert (tmp_path / "wrong").read_text() == ""
