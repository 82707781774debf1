"""HL7 v2 over MLLP: what the messages say, judged by hl7apy, and receivers that take, refuse, stall and come back."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.mllp import AbstractHandler, MLLPServer
from hl7apy.parser import parse_message
from pydicom import Dataset

from service.hl7.encoding import segment, text
from service.settings.receivers import Hl7Settings
from service.vocabulary.facts import CloseSource, Flag, MessageEvent, Reason, Supersession
from service.vocabulary.findings import Finding
from service.vocabulary.states import DeliveryState
from tests.certificates import Authority
from tests.servers import find_program, free_port, wait_until
from tests.worker.channels.conftest import Telling
from worker.channels.hl7_wire import acknowledgement

ROOT = Path(__file__).parents[3]
_MINUTE = timedelta(minutes=1)


class _Takes(AbstractHandler):  # type: ignore[misc]
    """Takes a message that hl7apy finds valid, and keeps it."""

    def __init__(self, message: str, ris: Ris) -> None:
        super().__init__(message)
        self._ris = ris

    def reply(self) -> str:
        message = parse_message(self.incoming_message, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
        message.validate()
        self._ris.taken.append(message)
        answer = Message("ACK", version="2.5.1")
        answer.msh.msh_9 = "ACK^R01^ACK"
        answer.msa.msa_1 = "AA"
        answer.msa.msa_2 = message.msh.msh_10.value
        return str(answer.to_mllp())


class Ris:
    """A receiver made of hl7apy's own server, which closes the connection after each answer."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        kinds = ("ORU^R01^ORU_R01", "OMI^O23^OMI_O23")
        self._server = MLLPServer("127.0.0.1", 0, dict.fromkeys(kinds, (_Takes, self)))
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def observations(self, number: int = -1) -> list[tuple[str, str, str, str]]:
        """Return of each OBX of a message: Sub-ID, identifier, value and status."""
        found = []
        for line in self.taken[number].to_er7().split("\r"):
            if line.startswith("OBX"):
                fields = line.split("|")
                found.append((fields[4], fields[3].split("^")[0], fields[5], fields[11]))
        return found

    def fields(self, name: str, number: int = -1) -> list[str]:
        """Return the fields of a segment of a message."""
        lines = self.taken[number].to_er7().split("\r")
        return next(line.split("|") for line in lines if line.startswith(name))


@pytest.fixture
def ris() -> Iterator[Ris]:
    made = Ris()
    yield made
    made.close()


def hl7(port: int, **changes: Any) -> Hl7Settings:
    return Hl7Settings(
        **{"channel": "hl7", "name": "ris", "host": "127.0.0.1", "port": port, "response_timeout": 5, **changes}
    )


def again(told: Telling, first: Dataset, **changes: Any) -> None:
    told.site.receive(
        study_instance_uid=str(first.StudyInstanceUID), sop_instance_uid=str(first.SOPInstanceUID), **changes
    )


def test_a_positive_is_told_with_probability_finding_priority_and_the_study_that_it_is_of(
    telling: Any, ris: Ris
) -> None:
    told: Telling = telling(hl7(ris.port, sending_facility="RAD", receiving_application="RIS"))
    image = told.site.receive(patient_name="Nguyễn^Văn An^^Dr.^III", patient_id="P-1", accession_number="ACC-7")
    told.site.infer(0.9123, Flag.AGE_UNKNOWN, kind=Finding.BACTERIAL_PNEUMONIA)
    told.tell()
    assert told.states == {DeliveryState.CONFIRMED: 1}
    words = (
        "AI: PNEUMONIA SUSPECTED, probability 91.2 %~AI: patient age unknown"
        "~Preliminary AI output, not a radiologist report; verify."
        "~Not a medical device; research use. Not for diagnosis."
    )
    assert ris.observations() == [
        ("0", "113014", str(image.StudyInstanceUID), "P"),
        ("0", "19005-8", words, "P"),
        ("1", "121322", str(image.SOPInstanceUID), "P"),
        ("1", "PNEUMO", "52101004^Present^SCT", "P"),
        ("1", "PPNEU", "91.2300", "P"),
        ("1", "121071", "53084003^Bacterial pneumonia^SCT", "P"),
    ]
    assert ris.fields("MSH")[2:6] == ["AUSCULT", "RAD", "RIS", ""]
    assert ris.fields("MSH")[17] == "UNICODE UTF-8"
    assert ris.fields("PID")[3] == "P-1"
    assert ris.fields("PID")[5] == "Nguyễn^Văn An^^III^Dr.^^L^A"
    request = ris.fields("OBR")
    assert (request[18], request[25], ris.fields("TQ1")[9]) == ("ACC-7", "P", "A")


def test_a_negative_never_reads_as_normal(telling: Any, ris: Ris) -> None:
    told: Telling = telling(hl7(ris.port))
    told.site.receive()
    told.site.infer(0.1)
    told.tell()
    message = ris.taken[0].to_er7()
    assert "normal" not in message.replace("abnormalities NOT assessed", "").lower()
    # Nothing in Abnormal Flags (OBX-8), where N would say that it is.
    assert {line.split("|")[8] for line in message.split("\r") if line.startswith("OBX")} == {""}
    assert ris.fields("TQ1")[9] == "R"


def test_what_is_not_analysed_is_told_with_its_reason(telling: Any, ris: Ris) -> None:
    told: Telling = telling(hl7(ris.port))
    told.site.receive()
    told.site.exclude(Reason.LATERAL_VIEW)
    told.tell()
    assert ("1", "OUTSCOPE", "lateral_view^lateral view^99AUSCULT", "P") in ris.observations()
    assert "NOT ANALYSED: lateral view" in ris.observations()[1][2]


def test_each_message_tells_all_that_stands_of_the_study_the_gravest_first(telling: Any, ris: Ris) -> None:
    told: Telling = telling(hl7(ris.port))
    first = told.site.receive()
    told.site.infer(0.95)
    told.tell()
    told.site.receive(study_instance_uid=str(first.StudyInstanceUID))
    told.site.exclude(Reason.LATERAL_VIEW)
    told.tell()
    words = ris.observations()[1][2].split("~")
    assert words[0].startswith("[1] AI: PNEUMONIA SUSPECTED")
    assert words[1].startswith("[2] AI: NOT ANALYSED")
    assert {number for number, *_ in ris.observations()} == {"0", "1", "2"}
    assert ris.fields("OBR", 0)[3] == ris.fields("OBR", 1)[3]  # the same order, whose text the second replaces


def test_a_result_that_comes_after_the_reading_says_so(telling: Any, ris: Ris) -> None:
    told: Telling = telling(hl7(ris.port))
    image = told.site.receive()
    told.site.ledger.readings.close(str(image.StudyInstanceUID), CloseSource.COMMAND)
    told.site.now += _MINUTE
    told.site.infer(0.9)
    told.tell()
    assert "AI: made after the study was marked as read" in ris.observations()[1][2]


def test_a_result_of_the_same_patient_is_corrected_in_place(telling: Any, ris: Ris) -> None:
    told: Telling = telling(hl7(ris.port))
    first = told.site.receive(patient_name="Doe^Jon", patient_id="P-1")
    told.site.infer(0.1)
    told.tell()
    again(told, first, patient_name="Doe^John", patient_id="P-1")
    told.site.infer(0.9, superseding=Supersession.IMAGE_REPLACED)
    told.tell()
    assert len(ris.taken) == 2  # nothing needs taking back
    assert {status for *_, status in ris.observations()} == {"C"}
    assert ris.fields("OBR")[25] == "C"
    assert ris.fields("PID")[5].startswith("Doe^John")


def test_a_result_told_of_another_patient_is_withdrawn_there_before_it_is_told_of_the_right_one(
    telling: Any, ris: Ris
) -> None:
    told: Telling = telling(hl7(ris.port))
    first = told.site.receive(patient_id="P-1", patient_name="Doe^John", accession_number="ACC-1")
    told.site.infer(0.9)
    told.tell()
    again(told, first, patient_id="P-2", patient_name="Roe^Jane", accession_number="ACC-2")
    told.site.infer(0.9, superseding=Supersession.IDENTITY_CORRECTED)
    told.tell()
    assert [ris.fields("PID", number)[3] for number in range(3)] == ["P-1", "P-1", "P-2"]
    withdrawn = ris.observations(1)
    assert {status for *_, status in withdrawn} == {"D"}
    assert "AI: WITHDRAWN: patient or study identity was corrected" in withdrawn[1][2]
    assert [value for _, code, value, _ in withdrawn if code in ("PNEUMO", "PPNEU")] == ['""', '""']
    assert (ris.fields("OBR", 1)[25], ris.fields("OBR", 1)[18]) == ("X", "ACC-1")
    assert {status for *_, status in ris.observations(2)} == {"P"}
    assert ris.fields("OBR", 1)[3] != ris.fields("OBR", 2)[3]


def test_what_still_stands_of_an_order_is_told_where_one_of_its_images_is_taken_back(telling: Any, ris: Ris) -> None:
    told: Telling = telling(hl7(ris.port, result_priorities={"positive": "S", "negative": "R"}))
    first = told.site.receive(patient_id="P-1", accession_number="ACC-1")
    told.site.infer(0.95)
    told.site.receive(study_instance_uid=str(first.StudyInstanceUID), patient_id="P-1", accession_number="ACC-1")
    told.site.infer(0.1)
    told.tell()
    again(told, first, patient_id="P-1", accession_number="ACC-2")
    told.site.infer(0.95, superseding=Supersession.IDENTITY_CORRECTED)
    told.tell()
    words = ris.observations(2)[1][2].split("~")
    assert words[0].startswith("[2] AI: No pneumonia pattern found by AI")
    assert words[1] == "[1] AI: WITHDRAWN: patient or study identity was corrected"
    assert {(number, status) for number, *_, status in ris.observations(2)} == {("0", "C"), ("2", "P"), ("1", "D")}
    assert (ris.fields("OBR", 2)[25], ris.fields("OBR", 2)[18], ris.fields("TQ1", 2)[9]) == ("C", "ACC-1", "R")


def test_a_site_maps_results_to_its_own_texts_and_priorities(telling: Any, ris: Ris) -> None:
    receiver = hl7(
        ris.port,
        language="vi",
        result_texts={"viral_pneumonia": "KI: Virus|Pneumonie?"},
        result_priorities={"positive": "A", "viral_pneumonia": "S"},
        priority_codes={"routine": "N"},
    )
    told: Telling = telling(receiver)
    for probability, kind in ((0.95, Finding.VIRAL_PNEUMONIA), (0.1, None)):
        told.site.receive()
        told.site.infer(probability, kind=kind)
    told.tell()
    assert "KI: Virus\\F\\Pneumonie?" in ris.observations(0)[1][2]
    assert [ris.fields("TQ1", number)[9] for number in range(2)] == ["S", "N"]


def test_a_raised_priority_is_told_as_an_order_where_a_site_wants_that(telling: Any, ris: Ris) -> None:
    told: Telling = telling(hl7(ris.port, priority_message="OMI", events=["priority_raised"]))
    image = told.site.receive(accession_number="ACC-7")
    told.site.infer(0.9)
    told.tell()
    assert ris.fields("MSH")[8] == "OMI^O23^OMI_O23"
    assert (ris.fields("ORC")[1], ris.fields("TQ1")[9]) == ("XO", "A")
    assert ris.fields("IPC")[1:4] == ["ACC-7", "ACC-7", str(image.StudyInstanceUID)]


def test_a_receiver_that_knows_no_omi_is_told_of_the_priority_by_orm(telling: Any) -> None:
    with Script(b"AA") as peer:
        told: Telling = telling(hl7(peer.port, priority_message="ORM", events=["priority_raised"]))
        told.site.receive()
        told.site.infer(0.9)
        told.tell()
    lines = {line[:3]: line.split("|") for line in peer.messages[0].decode().split("\r")}
    assert (lines["MSH"][8], lines["ORC"][1], lines["OBR"][27]) == ("ORM^O01^ORM_O01", "XO", "^^^^^A")


@pytest.mark.parametrize(("character_set", "name"), [("8859/1", "Garc\xeda^In\xe9s"), ("ASCII", "Garc?a^In?s")])
def test_names_go_out_in_the_receivers_character_set(telling: Any, character_set: str, name: str) -> None:
    with Script(b"AA") as peer:
        told: Telling = telling(hl7(peer.port, character_set=character_set))
        told.site.receive(patient_name="García^Inés")
        told.site.infer(0.1)
        told.tell()
    assert name.encode("latin-1") in peer.messages[0]


def test_what_would_end_a_field_or_a_block_is_escaped() -> None:
    assert text("a|b^c&d~e\\f\rg\x1ch\x0b") == "a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f g h "
    assert segment("ZZZ", {1: "a", 4: "b"}) == "ZZZ|a|||b"


def test_an_answer_that_is_none_is_told_apart() -> None:
    assert acknowledgement(b"") is None
    assert acknowledgement(b"\xff\xfe\x00" * 100) is None
    answer = acknowledgement(b"MSH|^~\\&|\rMSA|AE|77|Doe^John is unknown\rERR|||204^Unknown key identifier^HL70357|E")
    assert answer is not None
    assert (answer.code, answer.message_id, answer.error) == ("AE", "77", 204)


class Script:
    """A receiver that does with each message what a script says, then takes all.

    A step is bytes of an answer (``{id}`` stands for the message's, a bare code for a whole answer), "close", or
    "silence".
    """

    def __init__(self, *steps: bytes | str, tls: ssl.SSLContext | None = None) -> None:
        self.messages: list[bytes] = []
        self.connections = 0
        self._steps = list(steps)
        self._tls = tls
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with suppress(OSError), connection:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            got = b""
            while True:
                while b"\x1c\r" not in got:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    got += piece
                message, _, got = got.partition(b"\x1c\r")
                self.messages.append(message[1:])
                if not self._answer(connection, message.split(b"\r")[0].split(b"|")[9]):
                    return

    def _answer(self, connection: socket.socket, message_id: bytes) -> bool:
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if step == "close":
            return False
        if isinstance(step, bytes):
            if len(step) == 2:
                step = b"\x0bMSH|^~\\&|RIS\rMSA|" + step + b"|{id}\r\x1c\r"
            connection.sendall(step.replace(b"{id}", message_id))
        return True


def negative(told: Telling) -> None:
    told.site.receive()
    told.site.infer(0.1)


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        (b"AR", DeliveryState.PENDING, "the receiver answered AR"),
        (b"AE", DeliveryState.PENDING, "the receiver answered AE"),
        (b"\x0bMSA|AE|{id}\rERR|||207^x\r\x1c\r", DeliveryState.PENDING, "the receiver answered AE (207)"),
        (b"\x0bMSA|AE|{id}\rERR|||101^Doe^J\r\x1c\r", DeliveryState.DEAD, "the receiver answered AE (101)"),
        (b"\x0bMSA|AR|{id}\rERR|||200\r\x1c\r", DeliveryState.DEAD, "the receiver answered AR (200)"),
        ("close", DeliveryState.PENDING, "the connection ended without an answer"),
        (b"\x0bMSA|AA", DeliveryState.PENDING, "the receiver does not answer within its time"),
        (b"\x0bMSA|AA|another\r\x1c\r", DeliveryState.PENDING, "the receiver does not answer within its time"),
        (b"x" * 70000, DeliveryState.PENDING, "the receiver's answer has no end"),
    ],
    ids=["AR", "AE", "AE for now", "AE for good", "AR for good", "closed", "half", "of another", "endless"],
)
def test_what_becomes_of_a_message_that_is_not_taken(
    telling: Any, answer: bytes | str, state: DeliveryState, detail: str
) -> None:
    with Script(answer, b"AA") as peer:
        told: Telling = telling(hl7(peer.port, response_timeout=0.3))
        negative(told)
        told.tell()
        assert (told.states, told.detail()) == ({state: 1}, detail)
        told.site.now += _MINUTE
        told.site.ledger.remedies.retry()
        told.tell()
        assert told.states == {DeliveryState.CONFIRMED: 1}
    assert len(peer.messages) == 2
    assert peer.messages[0] == peer.messages[1]  # the same ID in the same bytes: a receiver knows the repetition


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_opened_anew(telling: Any) -> None:
    with Script(b"AA", b"AA", "close", b"AA") as peer:
        told: Telling = telling(hl7(peer.port))
        for _ in range(4):
            negative(told)
        told.tell()
        assert told.states == {DeliveryState.CONFIRMED: 4}
    assert peer.connections == 2
    assert len(peer.messages) == 5  # the third message went unanswered, and once more


def test_an_answer_that_comes_after_another_messages_is_found(telling: Any) -> None:
    with Script(b"\x0bMSA|AA|earlier\r\x1c\r\x0bMSA|AA|{id}\r\x1c\r") as peer:
        told: Telling = telling(hl7(peer.port))
        negative(told)
        told.tell()
        assert told.states == {DeliveryState.CONFIRMED: 1}


def test_messages_go_over_tls_to_a_receiver_whose_certificate_its_authority_issued(
    telling: Any, tmp_path: Path
) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    issued, client = authority.issue("ris"), authority.issue("auscult")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.ca))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(issued.certificate, issued.key)
    with Script(b"AA", tls=context) as peer:
        told: Telling = telling(hl7(peer.port, tls={"ca": str(stranger.ca), **client.settings()}))
        negative(told)
        told.tell()
        assert "TLS handshake failed" in str(told.detail())
        told.receiver = hl7(peer.port, tls={"ca": str(authority.ca), **client.settings()})
        told.site.now += _MINUTE
        told.tell()
        assert told.states == {DeliveryState.CONFIRMED: 1}
    assert len(peer.messages) == 1


@contextmanager
def node_receiver(folder: Path, port: int, *codes: str) -> Iterator[Path]:
    """Give the file with what a receiver made of node-hl7-server took, a line of JSON for each message."""
    modules = ROOT / "build" / "hl7"
    program = [str(find_program("node")), str(ROOT / "tests" / "hl7_receiver.cjs"), str(modules), str(port), *codes]
    path = folder / "told.json"
    with path.open("ab") as told:
        process = subprocess.Popen(program, stdout=told, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: "listening" in path.read_text(), "the receiver listens")
        yield path
    finally:
        process.terminate()
        process.wait(10)


def test_node_hl7_server_takes_what_waited_while_it_was_away_in_its_order_and_once(
    telling: Any, tmp_path: Path, program: Callable[[str], str], lack: Any
) -> None:
    program("node")
    if not (ROOT / "build" / "hl7" / "node-hl7-server").is_dir():
        lack("build/hl7 holds no node-hl7-server, such as .ci/run unpacks")
    port = free_port()
    told: Telling = telling(hl7(port, keep_connection=False, name="ris", events=list(MessageEvent)))
    first = told.site.receive(patient_id="P-1")
    told.site.infer(0.9)
    told.tell()
    assert told.states == {DeliveryState.PENDING: 1}
    assert "cannot be reached" in str(told.detail())
    told.site.now += _MINUTE
    with node_receiver(tmp_path, port, "AE", "AA") as path:
        told.tell()
        again(told, first, patient_id="P-2", patient_name="Roe^Jane")
        told.site.infer(0.9, superseding=Supersession.IDENTITY_CORRECTED)
        told.site.now += _MINUTE
        told.tell()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    messages = [line for line in lines if "id" in line]
    assert [(line["answered"], line["text"].split("PID|1||")[1][:3]) for line in messages] == [
        ("AE", "P-1"),
        ("AA", "P-1"),
        ("AA", "P-2"),
    ]
    assert told.states[DeliveryState.CONFIRMED] >= 1
    assert DeliveryState.PENDING not in told.states
