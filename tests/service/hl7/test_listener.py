"""The listener for HL7 over real sockets: what it takes is durable, and nobody keeps it from others."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.hl7.encoding import block
from service.hl7.hearing import Heard, Hearing
from service.hl7.listener import Hl7Listener, TurnedAway
from service.settings import Settings
from service.vocabulary.errors import LedgerUnavailable, SettingsInvalid
from service.vocabulary.facts import CloseSource
from service.vocabulary.identity import Identity
from service.vocabulary.orders import OrderState
from tests.certificates import Authority
from tests.servers import find_program, wait_until
from tests.service.hl7.conversation import Sender
from tests.service.hl7.samples import PID, message, msh, order, request, result
from tests.service.sample_site import SampleSite

ROOT = Path(__file__).parents[3]


@dataclass
class Heeding:
    """A listener on a site's ledger, and what it counted."""

    site: SampleSite
    port: int
    heard: Counter[str] = field(default_factory=Counter)
    away: Counter[str] = field(default_factory=Counter)
    taken_off: list[str] = field(default_factory=list)

    def note(self, identity: Identity) -> None:
        self.taken_off.append(identity.study_instance_uid)

    def states(self) -> dict[OrderState, int]:
        return dict(self.site.ledger.inspection.status().orders)


@contextmanager
def listening(site: SampleSite, receivers: Any = (), **changes: Any) -> Iterator[Heeding]:
    settings = Settings(data_dir=site.folder, hl7={"port": 0, **changes}, receivers=receivers)
    found = Heeding(site, 0)
    hearing = Hearing(settings, site.ledger.orders, lambda heard: found.heard.update([heard]), found.note)
    listener = Hl7Listener(settings.hl7, hearing, lambda reason: found.away.update([reason]))
    listener.start()
    found.port = listener.port
    try:
        yield found
    finally:
        listener.stop()


@pytest.fixture
def heeding(site: SampleSite) -> Iterator[Heeding]:
    with listening(site) as found:
        yield found


def test_what_is_acknowledged_is_kept_and_what_comes_again_is_kept_once(heeding: Heeding) -> None:
    with Sender(heeding.port) as ris:
        assert ris.send(order(), order(), result(accession="A-2", number="M2")) == ["AA|M1", "AA|M1", "AA|M2"]
    assert heeding.states() == {OrderState.WAITING: 2}
    assert heeding.heard == {Heard.KEPT: 2, Heard.REPEATED: 1}


def test_a_final_result_takes_the_study_off_the_list_before_it_is_acknowledged(heeding: Heeding) -> None:
    image = heeding.site.receive(patient_id="P-1", patient_name="Lam^Anh", birth_date=None, accession_number="A-1")
    with Sender(heeding.port) as ris:
        assert ris.send(result("P", number="M1")) == ["AA|M1"]
        assert heeding.site.ledger.inspection.status().open_studies == 1
        assert ris.send(result("F", number="M2")) == ["AA|M2"]
    found = heeding.site.ledger.inspection.history(str(image.StudyInstanceUID))
    assert found is not None
    assert found.study.reading is not None
    assert found.study.reading.source is CloseSource.HL7
    assert heeding.taken_off == [str(image.StudyInstanceUID)]  # for the audit trail
    assert heeding.heard == {Heard.PASSED_OVER: 1, Heard.KEPT: 1}


def test_a_message_in_pieces_without_its_last_carriage_return_and_after_noise_is_heard(heeding: Heeding) -> None:
    with Sender(heeding.port) as ris:
        content = b"\r\n" + block(order(number="M1"))
        for piece in (content[:1], content[1:40], content[40:-2], content[-2:-1]):
            ris.socket.sendall(piece)
        assert ris.code() == "AA|M1"
        ris.socket.sendall(block(order(number="M2"))[:-1] + block(order(number="M3")))
        assert [ris.code(), ris.code()] == ["AA|M2", "AA|M3"]
        # The sender broke one off and began anew: nothing of the first is taken for a part of the second.
        ris.socket.sendall(block(order(number="M6"))[:60] + block(order(number="M7")))
        assert ris.code() == "AA|M7"
        # Two messages, and a batch, in one block.
        ris.socket.sendall(block(order(number="M4") + b"BHS|^~\\&\r" + order(number="M5") + b"BTS|1\r"))
        assert [ris.code(), ris.code()] == ["AA|M4", "AA|M5"]


@pytest.mark.parametrize(
    ("content", "answer", "error"),
    [
        (b"PID|1\r", "AR|", "100"),
        (b"", "AR|", "100"),
        (message(msh("ADT^A08", "M1"), "PID|1"), "AR|M1", "200"),
        (order(number=""), "AE|", "101"),
        (order().replace(b"|P|2.5.1", b"|T|2.5.1"), "AR|M1", "202"),
        (message(msh(), PID, *(request(f"A-{number}") for number in range(201))), "AR|M1", "207"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_reason(
    content: bytes, answer: str, error: str, heeding: Heeding
) -> None:
    with Sender(heeding.port) as ris:
        ris.socket.sendall(block(content))
        lines = {line[:3]: line.split("|") for line in ris.answer().split("\r") if line}
        assert "|".join(lines["MSA"][1:3]) == answer
        assert lines["ERR"][3].split("^")[0] == error
        assert ris.send(order()) == ["AA|M1"]  # the connection goes on


def test_only_the_named_applications_and_facilities_are_heard(site: SampleSite) -> None:
    named = {"allowed_applications": ["RIS"], "allowed_facilities": ["HOSP"]}
    with listening(site, **named) as heeding, Sender(heeding.port) as ris:
        assert ris.send(order()) == ["AA|M1"]
        assert ris.send(result(msh_3="OTHER")) == ["AR|M1"]
        assert ris.send(result(msh_4="OTHER")) == ["AR|M1"]
    assert heeding.heard == {Heard.KEPT: 1, Heard.REFUSED: 2}


def test_a_message_that_is_too_long_is_refused_without_being_held(site: SampleSite) -> None:
    with listening(site, maximum_message_bytes=1024) as heeding, Sender(heeding.port) as ris:
        assert ris.send(order() + b"NTE|1||" + b"x" * 300_000 + b"\r", result(number="M2")) == ["AR|M1", "AA|M2"]


def test_our_own_messages_that_come_back_close_nothing_whoever_passes_them_on(site: SampleSite) -> None:
    site.receive(patient_id="P-1", patient_name="Lam^Anh", birth_date=None, accession_number="A-1")
    receiver = {"channel": "hl7", "name": "ris", "host": "127.0.0.1", "port": 1, "sending_application": "AI"}
    ours = result("C").replace(b"19005-8^Impression^LN", b"PNEUMO^AI assessment^99AUSCULT")
    numbered = result("C", number="M3").replace(b"FI-1", b"AI0123456789ABCDEF01")
    with listening(site, receivers=[receiver]) as heeding, Sender(heeding.port) as engine:
        assert engine.send(result("C", msh_3="AI"), ours, numbered) == ["AA|M1", "AA|M1", "AA|M3"]
    assert heeding.heard == {Heard.OWN: 3}
    assert site.ledger.inspection.status().open_studies == 1


def test_nothing_is_acknowledged_while_the_ledger_cannot_take_it(
    heeding: Heeding, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_message: object) -> None:
        raise LedgerUnavailable

    with Sender(heeding.port) as ris:
        with monkeypatch.context() as patched:
            patched.setattr(heeding.site.ledger.orders, "hear", away)
            assert ris.send(order()) == ["AR|M1"]
        assert heeding.states() == {}
        assert ris.send(order()) == ["AA|M1"]
    assert heeding.heard == {Heard.UNAVAILABLE: 1, Heard.KEPT: 1}


def test_a_fault_of_our_own_is_answered_and_no_word_of_the_message_is_told(
    heeding: Heeding, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_message: object) -> None:
        raise ValueError("Lam^Anh")

    monkeypatch.setattr(heeding.site.ledger.orders, "hear", breaks)
    with caplog.at_level(logging.DEBUG), Sender(heeding.port) as ris:
        assert ris.send(order(), order(number="M2")) == ["AE|M1", "AE|M2"]
    assert "ValueError" in caplog.text
    assert not [word for word in ("Lam", "P-1", "A-1", "1980") if word in caplog.text]


def test_whoever_may_not_connect_is_turned_away_and_counted(site: SampleSite) -> None:
    with listening(site, allowed_addresses=["10.0.0.0/8"]) as heeding, Sender(heeding.port) as stranger:
        assert stranger.is_over()
    assert heeding.away == {TurnedAway.ADDRESS: 1}


def test_one_address_has_no_more_than_its_connections_and_an_ended_one_makes_room(site: SampleSite) -> None:
    with listening(site, maximum_connections=4, maximum_connections_per_address=2) as heeding:
        with Sender(heeding.port) as one, Sender(heeding.port) as two:
            assert one.send(order(number="M1")) + two.send(order(number="M2")) == ["AA|M1", "AA|M2"]
            with Sender(heeding.port) as three:
                assert three.is_over()
        assert heeding.away == {TurnedAway.ADDRESS_LIMIT: 1}

        def has_room() -> bool:
            with Sender(heeding.port) as again:
                try:
                    return again.send(order(number="M3")) == ["AA|M3"]
                except (EOFError, ConnectionError):
                    return False

        wait_until(has_room, "an ended connection makes room")


def test_what_speaks_no_mllp_or_does_not_end_is_hung_up_on_and_others_are_served(site: SampleSite) -> None:
    with (
        listening(site, message_timeout=0.3, idle_timeout=0.6) as heeding,
        Sender(heeding.port) as browser,
        Sender(heeding.port) as slow,
        Sender(heeding.port) as silent,
        Sender(heeding.port) as ris,
    ):
        browser.socket.sendall(b"GET / HTTP/1.1\r\n" * 100)
        slow.socket.sendall(block(order())[:50])
        assert ris.send(order()) == ["AA|M1"]
        assert browser.is_over()
        assert slow.is_over()
        assert silent.is_over()
    assert heeding.away == {TurnedAway.NOT_MLLP: 1}


def test_over_tls_only_a_sender_with_a_certificate_of_the_authority_is_heard(site: SampleSite, tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    ours, theirs, other = authority.issue("auscult"), authority.issue("ris"), stranger.issue("other")

    def client(issued: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(issued.certificate, issued.key)
        return context

    with listening(site, tls={**ours.settings(), "ca": str(authority.ca)}) as heeding:
        with Sender(heeding.port, client(theirs)) as ris:
            assert ris.send(order()) == ["AA|M1"]
        with pytest.raises((ssl.SSLError, ConnectionError)), Sender(heeding.port, client(other)) as liar:
            liar.send(order())
        with pytest.raises((EOFError, AssertionError, ConnectionError)), Sender(heeding.port) as plain:
            plain.send(order())
        wait_until(lambda: heeding.away[TurnedAway.TLS] >= 2, "both are counted")


def test_a_port_that_is_taken_is_told_with_its_setting(heeding: Heeding) -> None:
    settings = Settings(data_dir=heeding.site.folder, hl7={"port": heeding.port})
    with pytest.raises(SettingsInvalid, match=r"hl7\.port"):
        Hl7Listener(settings.hl7, Hearing(settings, heeding.site.ledger.orders)).start()


def test_messages_on_many_connections_at_once_are_each_kept_once(site: SampleSite) -> None:
    with listening(site, maximum_connections=8, maximum_connections_per_address=8) as heeding:

        def speak() -> None:
            with Sender(heeding.port) as ris:
                codes = ris.send(*(order(number=f"M{number}") for number in range(5)))
                assert {code[:2] for code in codes} == {"AA"}

        threads = [threading.Thread(target=speak) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert heeding.states() == {OrderState.WAITING: 5}
    assert heeding.heard == {Heard.KEPT: 5, Heard.REPEATED: 25}


def test_node_hl7_client_is_answered(heeding: Heeding, program: Callable[[str], str], lack: Any) -> None:
    program("node")
    modules = ROOT / "build" / "hl7" / "node_modules"
    if not (modules / "node-hl7-client").is_dir():
        lack("build/hl7 holds no node-hl7-client, such as .ci/run unpacks")
    image = heeding.site.receive(patient_id="P-1", patient_name="Lam^Anh", birth_date=None, accession_number="A-1")
    script = str(ROOT / "tests" / "hl7_sender.cjs")
    told = subprocess.run(
        [str(find_program("node")), script, str(modules), str(heeding.port), "P-1", "Lam^Anh", "A-1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert [json.loads(line)["code"] for line in told.stdout.splitlines()] == ["AA", "AA"]
    found = heeding.site.ledger.inspection.history(str(image.StudyInstanceUID))
    assert found is not None
    assert found.study.priority.name == "STAT"
    assert found.study.reading is not None
