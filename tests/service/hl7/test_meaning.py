"""What messages of a RIS say: of hl7apy's making, of our own, and as real senders write them."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time
from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message
from hypothesis import example, given
from hypothesis import strategies as st

from service.hl7.acknowledgement import MessageAnswer, acknowledgement
from service.hl7.encoding import text
from service.hl7.meaning import orders_in, place_of
from service.hl7.message import messages_in, parse
from service.settings import Hl7ListenerSettings, OrdersSettings
from service.vocabulary.orders import HeardOrder, OrderedPatient, OrderEvent
from service.vocabulary.states import Priority
from tests.service.hl7.samples import PID, UID, message, msh, order, request, result


def heard(content: bytes, **changes: Any) -> tuple[HeardOrder, ...]:
    found = parse(content)
    assert found is not None
    return orders_in(found, Hl7ListenerSettings(**changes), OrdersSettings())


def events(content: bytes, **changes: Any) -> list[OrderEvent]:
    return [one.event for one in heard(content, **changes)]


def test_an_order_says_whose_and_of_which_study_it_is_how_urgent_and_why() -> None:
    assert heard(order()) == (
        HeardOrder(
            event=OrderEvent.ORDERED,
            patient=OrderedPatient((("P-1", ("HOSP",)),), ("Lam^Anh",), "19800102"),
            study_instance_uid=UID,
            accession_number="A-1",
            priority=Priority.STAT,
            indication="Cough",
            patient_class="E",
        ),
    )


def test_a_placeholder_for_an_accession_number_names_no_study() -> None:
    assert [one.accession_number for one in heard(order(accession="N/A"))] == [""]


def test_an_order_for_images_of_hl7apys_making_is_read() -> None:
    made = Message("OMI_O23", version="2.5.1", validation_level=VALIDATION_LEVEL.STRICT)
    made.msh.msh_3, made.msh.msh_9, made.msh.msh_10, made.msh.msh_11 = "RIS", "OMI^O23^OMI_O23", "7", "P"
    patient = made.add_group("OMI_O23_PATIENT")
    patient.pid.pid_3, patient.pid.pid_5, patient.pid.pid_7 = "P-1^^^HOSP&1.2.3&ISO", "Lam&&^Anh", "19800102"
    visit = patient.add_group("OMI_O23_PATIENT_VISIT")
    visit.pv1.pv1_2 = "I"
    ordered = made.add_group("OMI_O23_ORDER")
    ordered.orc.orc_1 = "XO"
    timing = ordered.add_group("OMI_O23_TIMING")
    timing.tq1.tq1_9 = "A"
    ordered.obr.obr_4 = "CXR^Chest^L"
    for number, uid in (("A-1", "1.2.3"), ("A-2", "1.2.4")):
        step = ordered.add_segment("IPC")
        step.ipc_1, step.ipc_2, step.ipc_3, step.ipc_4 = number, number, uid, number
    made.validate()
    found = heard(made.to_er7().encode())
    assert [(one.accession_number, one.study_instance_uid) for one in found] == [("A-1", "1.2.3"), ("A-2", "1.2.4")]
    assert {one.priority for one in found} == {Priority.URGENT}
    assert found[0].patient.ids == (("P-1", ("HOSP", "1.2.3")),)
    assert found[0].patient_class == "I"


@pytest.mark.parametrize(
    ("status", "observed", "is_final"),
    [
        ("F", "F", True),
        ("C", "C", True),
        ("F", "", True),
        ("", "F", True),
        ("P", "F", False),
        ("F", "P", False),
        ("A", "P", False),
        ("", "", False),
        ("X", "X", False),
        ("R", "R", False),
    ],
)
def test_a_study_was_read_when_its_result_is_final_as_a_whole_and_in_its_parts(
    status: str, observed: str, is_final: bool
) -> None:
    content = result(status).replace(b"finding.||||||" + (status or "F").encode(), f"finding.||||||{observed}".encode())
    assert events(content) == ([OrderEvent.READ] if is_final else [])


def test_a_study_that_is_reported_in_part_is_still_to_be_read() -> None:
    content = result("F") + b"OBR|2|PL-2|FI-2|CXR^Chest^L||||||||||||||A-1|||||||P\r"
    assert events(content) == []
    other = result("F") + b"OBR|2|PL-2|FI-2|CXR^Chest^L||||||||||||||A-2|||||||P\r"
    assert [one.accession_number for one in heard(other)] == ["A-1"]


def test_the_uid_of_an_observation_names_the_study() -> None:
    (one,) = heard(result(uid="1.2.3"))
    assert (one.study_instance_uid, one.accession_number) == ("1.2.3", "A-1")


@pytest.mark.parametrize(
    ("control", "status", "event"),
    [
        ("NW", "", OrderEvent.ORDERED),
        ("XO", "", OrderEvent.ORDERED),
        ("CA", "", OrderEvent.CANCELLED),
        ("OC", "CA", OrderEvent.CANCELLED),
        ("SC", "CM", OrderEvent.READ),
        ("SC", "IP", OrderEvent.ORDERED),
        ("DC", "", OrderEvent.CANCELLED),
        ("ZZ", "", None),
    ],
)
def test_what_order_control_and_status_mean_is_the_sites_to_say(
    control: str, status: str, event: OrderEvent | None
) -> None:
    rules = {"read_on": ["SC/CM"], "cancelled_on": ["CA", "OC", "DC"]}
    assert events(order(control, status), **rules) == ([event] if event else [])
    # That a procedure is completed does not say that anybody has looked at it.
    assert OrderEvent.READ not in events(order(control, status))


def test_an_accession_number_is_read_where_the_site_has_it() -> None:
    content = order().replace(b"|PL-1||CXR", b"|PL-1|F-9|CXR")
    (one,) = heard(content, accession_fields=["OBR-3", "OBR-18"])
    assert one.accession_number == "F-9"
    assert (place_of("ORC-2.1").segment, place_of("ORC-2.1").field, place_of("ORC-2.2").component) == ("ORC", 2, 2)


@pytest.mark.parametrize(
    "changed",
    [
        lambda content: content.replace(b"\r", b"\n"),
        lambda content: content.replace(b"\r", b"\r\n"),
        lambda content: content.replace(b"Lam", b"L\0am\0"),
        lambda content: content.rstrip(b"\r"),
        lambda content: content + b"\r\r",
        lambda content: content.replace(b"ZDS", b"ZZZ|unknown\rNTE|1||a line\nand another\rZDS"),
        lambda content: content.replace(b"|19800102|", b"|19800102081500+0700|"),
        lambda content: content.replace(b"|^~\\&|", b"|^~\\&#|"),
        lambda content: content.translate(bytes.maketrans(b"|^", b"!*")),
        lambda content: content.replace(b"Lam^Anh", b"Lam^\\X0D\\Anh"),
    ],
)
def test_what_real_senders_do_changes_nothing(changed: Any) -> None:
    assert heard(changed(order())) == heard(order())


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("", "utf-8"),
        ("", "latin-1"),
        ("8859/1", "latin-1"),
        ("8859/1", "utf-8"),
        ("8859/15", "iso8859-15"),
        ("~ISO IR87", "utf-8"),
    ],
)
def test_a_name_is_read_in_the_character_set_that_it_is_in(declared: str, codec: str) -> None:
    content = result(msh_18=declared).decode().replace("Lam^Anh", "Müller^Zoé").encode(codec)
    (one,) = heard(content)
    assert one.patient.names == ("MÃ¼ller^ZoÃ©" if (declared, codec) == ("8859/1", "utf-8") else "Müller^Zoé",)


def test_japanese_is_read_in_its_own_character_set() -> None:
    content = result(msh_18="ISO IR87").decode().replace("Lam^Anh^^^^^L", "Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I")
    (one,) = heard(content.encode("iso2022_jp"))
    assert one.patient.names == ("Yamada^Tarou", "山田^太郎")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"MSH",
        b"MSH|",
        b"MSHA^~\\&|",
        b"MSH\xc3^~\\&\xc3",
        b"MSH|^\0|",
        b"MSH||||",
        b"MSH|||||\rPID|1",
        b"MSH|^^~\\|",
    ],
)
def test_what_has_no_delimiters_is_no_message(content: bytes) -> None:
    assert parse(content) is None


def test_each_message_of_a_block_is_found_and_an_envelope_is_none() -> None:
    block = b"FHS|^~\\&\rBHS|^~\\&\r" + order(number="1") + result(number="2") + b"BTS|2\rFTS|1\r"
    found = [parse(one) for one in messages_in(block)]
    assert [one.header.value(10) for one in found if one] == ["1", "2"]
    assert [segment.name for one in found if one for segment in one.segments][-1] == "OBX"
    assert list(messages_in(b"PID|1\rXMSH|")) == []


def test_very_many_orders_in_one_message_keep_the_listener_no_longer_than_their_number() -> None:
    content = order(number="1") + b"ORC|ZZ\r" * 25_000
    began = process_time()
    assert len(heard(content)) == 1
    assert process_time() - began < 5


def test_a_patient_is_not_taken_over_to_the_next_patients_order() -> None:
    second = "PID|2||P-2^^^HOSP||Tran^Binh"
    content = message(msh(), PID, request("A-1"), second, request("A-2"))
    found = [(one.accession_number, one.patient.ids[0][0]) for one in heard(content)]
    assert found == [("A-1", "P-1"), ("A-2", "P-2")]


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20))
@example("\\F\\|^~&")
def test_text_is_read_as_it_was_written(value: str) -> None:
    content = message(msh(), f"PID|1||{text(value)}", request("A-1"))
    (one,) = heard(content)
    assert one.patient.ids == ((value, ()),) or value == '""'


@given(st.binary(max_size=200), st.integers(0, 400))
def test_whatever_stands_in_a_message_it_is_read_or_refused(noise: bytes, at: int) -> None:
    content = order()
    broken = content[:at] + noise + content[at:]
    for one in messages_in(broken):
        found = parse(one)
        if found is not None:
            orders_in(found, Hl7ListenerSettings(), OrdersSettings())
            acknowledgement(MessageAnswer.TAKEN, found.header, datetime.now(UTC))


@pytest.mark.parametrize("answer", MessageAnswer)
def test_an_acknowledgement_is_one_by_hl7apy_and_says_nothing_of_the_message(answer: MessageAnswer) -> None:
    found = parse(result())
    assert found is not None
    made = acknowledgement(answer, found.header, datetime(2026, 3, 1, tzinfo=UTC), facility="RAD")
    read = parse_message(made.decode(), validation_level=VALIDATION_LEVEL.STRICT)
    assert (read.msa.msa_1.value, read.msa.msa_2.value) == (answer.value[0], "M1")
    assert (read.msh.msh_3.value, read.msh.msh_5.value, read.msh.msh_9.value) == ("AUSCULT", "RIS", "ACK^R01^ACK")
    assert b"Lam" not in made


def test_whoever_asks_for_an_accept_acknowledgement_gets_that_code() -> None:
    found = parse(result(msh_15="AL", msh_16="NE"))
    assert found is not None
    made = acknowledgement(MessageAnswer.TAKEN, found.header, datetime.now(UTC))
    assert b"\rMSA|CA|M1\r" in made
