"""Couriers: every status is checked, nothing is sent twice without need, nothing given up in silence."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydicom import dcmread
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EnhancedSRStorage,
    SecondaryCaptureImageStorage,
)
from sqlalchemy.exc import DataError

from service.dicom.instance_file import InstanceFile
from service.dicom.scu import DestinationAssociation
from service.process.backoff import backoff
from service.vocabulary.errors import StoreUnavailable
from service.vocabulary.states import DeliveryState, State
from tests.fakes import scripted_pacs
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.servers import free_port
from tests.service.audit.test_audit import GRAMMAR
from tests.worker.conftest import Gateway, destination
from worker.rounds import run


def ready(gateway: Any, *destinations: dict[str, Any], **settings: Any) -> Gateway:
    """Return a gateway with one analysed image whose reports stand in the outbox."""
    made: Gateway = gateway(*destinations, **settings)
    made.receive(chest())
    assert made.infer() == 1
    assert made.build() == 1
    return made


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def made_anywhere(request: pytest.FixtureRequest, gateway: Any) -> Any:
    """Give ``gateway`` with a ledger on either database."""
    database = {} if request.param == "SQLite" else {"url": request.getfixturevalue("postgres_url")}
    return partial(gateway, database=database)


def states(made: Gateway) -> list[str]:
    return [row.state for row in made.deliveries]


def test_a_report_set_is_sent_and_confirmed_and_the_image_is_delivered(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port))
        courier = made.courier()
        assert courier.step() == 3
        assert states(made) == [DeliveryState.SENT] * 3
        assert made.instances[0].state == State.REPORTED
        made.clock.turn(seconds=1)
        assert courier.step() == 3
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED] * 3
    assert made.instances[0].state == State.DELIVERED
    assert sorted(pacs.uids()) == sorted(report.sop_instance_uid for report in made.reports)


@pytest.mark.proves(Invariant.RESEND_IS_SAME_BYTES)
def test_a_peer_that_is_out_of_resources_gets_the_same_bytes_again_later(gateway: Any) -> None:
    with scripted_pacs([0xA700]) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        row = made.deliveries[0]
        assert (row.state, row.status, row.attempts) == (DeliveryState.PENDING, 0xA700, 1)
        assert row.next_attempt_at is not None
        assert row.next_attempt_at > made.clock()
        assert courier.step() == 0  # not before its time
        made.clock.turn(seconds=3)
        courier.step()
        courier.close()
    assert made.deliveries[0].state == DeliveryState.SENT
    assert pacs.uids() == [made.reports[0].sop_instance_uid]


@pytest.mark.parametrize("status", [0xA900, 0xC001, 0x0122, 0x0124])
def test_a_refusal_of_the_object_itself_is_dead_at_once_and_a_person_can_retry_it(gateway: Any, status: int) -> None:
    with scripted_pacs([status]) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        assert (made.deliveries[0].state, made.deliveries[0].status) == (DeliveryState.DEAD, status)
        assert (made.instances[0].state, made.instances[0].reason) == (State.FAILED, "delivery_failed")
        assert made.ledger.remedies.retry(made.instances[0].sop_instance_uid) == 1
        courier.step()
        made.clock.turn(seconds=1)
        courier.step()
        courier.close()
    assert made.instances[0].state == State.DELIVERED


def test_what_a_destination_took_is_in_the_audit_trail(gateway: Any) -> None:
    with scripted_pacs([0xA700]) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        assert not made.settings.audit_file.exists()
        made.clock.turn(seconds=3)
        courier.step()
        courier.close()
    (line,) = made.settings.audit_file.read_bytes().splitlines()
    message = etree.fromstring(line)
    GRAMMAR.assertValid(message)
    source, target = message.findall("ActiveParticipant")
    assert (source.get("UserID"), target.get("UserID")) == ("AUSCULT", "SCRIPTED")
    study, patient = message.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == made.studies[0].study_instance_uid
    assert study.find(".//Instance").get("UID") == pacs.uids()[0]
    assert patient.get("ParticipantObjectID") == str(pacs.received[0].PatientID)


def test_what_a_destination_is_asked_is_in_the_audit_trail(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        made.clock.turn(seconds=1)
        courier.step()
        courier.close()
    message = etree.fromstring(made.settings.audit_file.read_bytes().splitlines()[-1])
    GRAMMAR.assertValid(message)
    assert message.find("EventIdentification/EventID").get("csd-code") == "110112"
    asked = base64.b64decode(message.findtext(".//ParticipantObjectQuery"))
    query = dcmread(BytesIO(asked), force=True)
    assert (query.QueryRetrieveLevel, query.SOPInstanceUID) == ("IMAGE", pacs.uids()[0])


def test_a_question_that_failed_is_in_the_audit_trail_with_the_reason(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        pacs.find_failure = 0xA700
        made.clock.turn(seconds=1)
        courier.step()
        courier.close()
    message = etree.fromstring(made.settings.audit_file.read_bytes().splitlines()[-1])
    GRAMMAR.assertValid(message)
    event = message.find("EventIdentification")
    assert (event.find("EventID").get("csd-code"), event.get("EventOutcomeIndicator")) == ("110112", "8")
    assert "0xA700" in event.findtext("EventOutcomeDescription")
    assert states(made) == [DeliveryState.SENT]


def test_a_warning_counts_as_sent_and_is_recorded(gateway: Any) -> None:
    with scripted_pacs([0xB000]) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        courier.close()
    row = made.deliveries[0]
    assert (row.state, row.status, row.detail) == (DeliveryState.SENT, 0xB000, "accepted with warning 0xB000")


def test_a_peer_that_is_away_costs_one_attempt_a_batch_and_nothing_is_lost(gateway: Any) -> None:
    port = free_port()
    made = ready(gateway, destination(port))
    courier = made.courier()
    assert courier.step() == 3
    assert states(made) == [DeliveryState.PENDING] * 3
    assert all("cannot be reached" in str(row.detail) for row in made.deliveries)
    made.clock.turn(seconds=5)
    with scripted_pacs(port=port) as pacs:
        courier.step()
        courier.close()
        assert len(pacs.received) == 3


def test_a_report_that_cannot_be_delivered_for_days_is_dead_and_said_to_be(gateway: Any) -> None:
    made = ready(gateway, destination(free_port(), reports=["text_sr"]))
    courier = made.courier()
    made.clock.turn(days=4)
    courier.step()
    courier.close()
    assert states(made) == [DeliveryState.DEAD]
    assert made.instances[0].state == State.FAILED


def test_what_the_peer_took_and_does_not_hold_is_sent_again(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        pacs.holds = False
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        for _ in range(12):
            made.clock.turn(seconds=61)
            courier.step()
        assert len(pacs.received) >= 2
        assert len(set(pacs.uids())) == 1
        pacs.holds = True
        made.clock.turn(seconds=61)
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED]


def test_what_a_peer_without_c_find_took_is_sent_and_cannot_be_confirmed(gateway: Any) -> None:
    with scripted_pacs(finds=False) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        made.clock.turn(seconds=1)
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.UNCONFIRMABLE]
    assert "no C-FIND" in str(made.deliveries[0].detail)
    assert made.instances[0].state == State.DELIVERED


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ([EnhancedSRStorage, ComprehensiveSRStorage, SecondaryCaptureImageStorage], ComprehensiveSRStorage),
        ([EnhancedSRStorage, SecondaryCaptureImageStorage], EnhancedSRStorage),
    ],
)
def test_a_peer_without_3d_reports_gets_the_measurement_report_in_a_class_it_accepts(
    gateway: Any, accepted: list[str], expected: str
) -> None:
    with scripted_pacs(sop_classes=accepted) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["measurement_sr"]))
        assert made.reports[0].sop_class_uid == Comprehensive3DSRStorage
        courier = made.courier()
        courier.step()
        courier.step()
        made.clock.turn(seconds=1)
        courier.step()
        courier.close()
    assert [dataset.SOPClassUID for dataset in pacs.received] == [expected]
    assert pacs.uids() == [made.reports[1].sop_instance_uid]
    assert made.instances[0].state == State.DELIVERED


def test_a_correction_names_the_earlier_report_in_the_class_that_the_peer_has(gateway: Any) -> None:
    with scripted_pacs(sop_classes=[BasicTextSRStorage]) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        for name in ("Wrong^Name", "Right^Name", "Best^Name"):
            made.receive(chest(patient_name=name))
            made.infer()
            made.build()
            courier.step()
            courier.step()
        courier.close()
    for number, later in enumerate(pacs.received):
        named = {
            (series.SeriesInstanceUID, item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID)
            for study in later.get("PredecessorDocumentsSequence", [])
            for series in study.ReferencedSeriesSequence
            for item in series.ReferencedSOPSequence
        }
        earlier = pacs.received[:number]
        assert named == {(each.SeriesInstanceUID, each.SOPClassUID, each.SOPInstanceUID) for each in earlier}
    assert [str(dataset.PatientName) for dataset in pacs.received][-2:] == ["Right^Name", "Best^Name"]


def test_a_peer_that_accepts_no_class_of_a_report_is_told_from_one_that_is_away(gateway: Any) -> None:
    with scripted_pacs(sop_classes=[SecondaryCaptureImageStorage]) as pacs:
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.DEAD]
    assert "accepts no SOP class" in str(made.deliveries[0].detail)


def test_each_destination_gets_its_own_profile(gateway: Any) -> None:
    with scripted_pacs() as one, scripted_pacs() as other:
        made = ready(
            gateway,
            destination(one.port, reports=["text_sr", "secondary_capture"]),
            destination(other.port, name="archive", reports=["measurement_sr"]),
        )
        for number in (0, 1):
            courier = made.courier(number)
            courier.step()
            courier.close()
        assert [dataset.Modality for dataset in one.received] == ["SR", "OT"]
        assert [dataset.SOPClassUID for dataset in other.received] == [Comprehensive3DSRStorage]


def test_nothing_of_a_study_on_hold_is_sent(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port))
        image = chest(seed=2, patient_id="SOMEBODY-ELSE", study_instance_uid=made.studies[0].study_instance_uid)
        assert made.receive(image).held
        courier = made.courier()
        assert courier.step() == 0
        assert made.ledger.remedies.release(made.studies[0].study_instance_uid)
        assert courier.step() == 3
        courier.close()
    assert len(pacs.received) == 3


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"not DICOM")])
def test_a_report_whose_bytes_are_gone_is_dead_and_keeps_no_other_back(
    gateway: Any, damage: Callable[[Path], None]
) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port))
        damage(made.store.path(made.reports[0].object_key))
        courier = made.courier()
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.DEAD, DeliveryState.SENT, DeliveryState.SENT]


def test_an_error_that_nobody_expected_puts_one_report_off_and_keeps_no_other_back(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port))
        store, calls = DestinationAssociation.store, []

        def failing_once(self: DestinationAssociation, instance: InstanceFile) -> int:
            calls.append(instance)
            if len(calls) == 1:
                raise ValueError(f"Failed to encode {instance.header.PatientName}")
            return store(self, instance)

        monkeypatch.setattr(DestinationAssociation, "store", failing_once)
        courier = made.courier()
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.PENDING, DeliveryState.SENT, DeliveryState.SENT]
    assert made.deliveries[0].detail == "an unexpected error: ValueError"


def test_a_couriers_thread_outlives_an_error_that_nobody_expected() -> None:
    due, stop = threading.Event(), threading.Event()
    courier = Mock()

    def step() -> int:
        if courier.step.call_count == 3:
            stop.set()
        raise DataError("UPDATE", {}, ValueError("unexpected"))

    courier.step.side_effect = step
    run(courier, due, stop, poll=0.001)
    courier.close.assert_called_once()


def test_a_study_on_hold_does_not_keep_its_couriers_busy(gateway: Any) -> None:
    made = ready(gateway, destination())
    courier = made.courier()
    assert courier.pause(5) < 5
    image = chest(seed=2, patient_id="SOMEBODY-ELSE", study_instance_uid=made.studies[0].study_instance_uid)
    assert made.receive(image).held
    assert courier.pause(5) == 5


def test_what_the_peer_does_not_hold_is_not_sent_again_once_it_is_superseded(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        pacs.holds = False
        made = ready(gateway, destination(pacs.port, reports=["text_sr"]))
        courier = made.courier()
        courier.step()
        made.receive(chest(patient_name="Corrected^Name"))
        assert made.infer() == 1
        made.clock.turn(minutes=6)
        courier.step()
        courier.step()
        courier.close()
    assert len(pacs.received) == 1
    assert states(made) == [DeliveryState.WITHDRAWN]
    assert "missing" in made.events


def test_a_hold_that_comes_in_the_middle_of_a_batch_stops_the_rest_of_it(gateway: Any) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port))
        study = made.studies[0].study_instance_uid
        courier = made.courier()
        store = DestinationAssociation.store

        def store_and_clash(self: DestinationAssociation, instance: InstanceFile) -> int:
            made.receive(chest(seed=2, patient_id="SOMEBODY-ELSE", study_instance_uid=study))
            return store(self, instance)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DestinationAssociation, "store", store_and_clash)
            courier.step()
        courier.close()
        assert len(pacs.received) == 1
    assert states(made) == [DeliveryState.SENT, DeliveryState.PENDING, DeliveryState.PENDING]


@pytest.mark.proves(Invariant.EACH_REPORT_ONCE)
def test_a_slow_peer_and_a_second_courier_bring_each_report_exactly_once(
    made_anywhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_pacs() as pacs:
        made = ready(made_anywhere, destination(pacs.port))
        store = DestinationAssociation.store
        slow, other = made.courier(owner="slow"), made.courier(owner="other")
        sending: list[str] = []

        def store_slowly(self: DestinationAssociation, instance: InstanceFile) -> int:
            sending.append(instance.sop_instance_uid)
            made.clock.turn(seconds=100)  # within a lease, and two are longer than one
            if len(sending) == 2:
                other.step()  # finds what the slow one has not come to yet: its lease ended
            return store(self, instance)

        monkeypatch.setattr(DestinationAssociation, "store", store_slowly)
        slow.step()
        for courier in (slow, other):
            courier.close()
    assert len(pacs.uids()) == 3
    assert sorted(pacs.uids()) == sorted(report.sop_instance_uid for report in made.reports)
    assert [row.attempts for row in made.deliveries] == [1, 1, 2]


def test_two_couriers_that_confirm_together_ask_for_each_report_once(
    made_anywhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_pacs() as pacs:
        made = ready(made_anywhere, destination(pacs.port))
        slow, other = made.courier(owner="slow"), made.courier(owner="other")
        slow.step()
        made.clock.turn(seconds=1)
        holds, asked = DestinationAssociation.holds, []

        def hold_slowly(self: DestinationAssociation, study: str, series: str, uid: str) -> bool:
            asked.append(uid)
            made.clock.turn(seconds=100)
            if len(asked) == 2:
                other.step()
            return holds(self, study, series, uid)

        monkeypatch.setattr(DestinationAssociation, "holds", hold_slowly)
        slow.step()
        for courier in (slow, other):
            courier.close()
    assert len(asked) == len(set(asked)) == 3
    assert states(made) == [DeliveryState.CONFIRMED] * 3


def test_what_a_courier_claimed_is_given_back_untried_while_the_store_is_away(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port))
        courier = made.courier()
        with monkeypatch.context() as patch:
            patch.setattr(made.store, "read", Mock(side_effect=StoreUnavailable("the store is away")))
            with pytest.raises(StoreUnavailable):
                courier.step()
        assert [(row.lease_owner, row.attempts) for row in made.deliveries] == [(None, 0)] * 3
        courier.step()
        courier.close()
    assert len(pacs.uids()) == 3


def test_what_is_superseded_in_the_middle_of_a_batch_is_not_sent(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted_pacs() as pacs:
        made = ready(gateway, destination(pacs.port))
        courier, store = made.courier(), DestinationAssociation.store

        def store_and_supersede(self: DestinationAssociation, instance: InstanceFile) -> int:
            made.receive(chest(patient_name="Corrected^Name"))
            assert made.infer() == 1
            return store(self, instance)

        monkeypatch.setattr(DestinationAssociation, "store", store_and_supersede)
        courier.step()
        courier.close()
    assert len(pacs.received) == 1
    assert [row.lease_owner for row in made.deliveries] == [None] * 3


def test_a_thread_ends_without_a_traceback_when_an_association_is_not_released() -> None:
    stop, courier = threading.Event(), Mock()
    stop.set()
    courier.close.side_effect = OSError("the peer is gone")
    run(courier, threading.Event(), stop, poll=0.001)
    courier.close.assert_called_once()


@given(st.integers(1, 10_000), st.floats(0.1, 60), st.floats(60, 3600))
def test_the_pause_between_attempts_never_exceeds_its_bound_and_never_vanishes(
    attempts: int, first: float, longest: float
) -> None:
    pause = backoff(attempts, first, longest)
    assert 0 < pause <= longest
    assert pause >= min(first, longest) / 2
