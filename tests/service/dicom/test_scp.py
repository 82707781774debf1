import socket
import time
from pathlib import Path

import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    CTImageStorage,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
)

from service.dicom.acceptor import association, upper_layer
from service.dicom.part10 import file_head
from service.operations.wake import Task
from service.vocabulary.sop_classes import VERIFICATION
from service.vocabulary.states import Priority, State
from service.vocabulary.uids import IMPLEMENTATION_CLASS_UID, MANUFACTURER, MODEL_NAME, derive_uid
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.service.dicom.raw_scu import CR, EXPLICIT, Ended, RawAssociation, association_request, header
from tests.service.listening import associated, listening, send

SUCCESS, HIGH, MEDIUM, LOW = 0x0000, 1, 0, 2


def test_an_acknowledged_image_is_in_store_and_ledger_and_wakes_a_worker(tmp_path: Path) -> None:
    data = header() + b"\xe0\x7f\x10\x00OW\0\0\4\0\0\0\1\2\3\4"
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        assert assoc.store(data).status == SUCCESS
        (instance,) = site.instances
        assert instance.state == State.RECEIVED.value
        assert instance.sop_instance_uid == "2.25.1001"
        assert instance.calling_ae_title == "RAW"
        assert site.stored() == file_head(CR, "2.25.1001", EXPLICIT) + data
        assert instance.object_size == len(site.stored())
        assert site.waker.tasks == [Task.INFER]
        assert site.half_received == []


def test_no_step_of_an_association_waits_for_the_next_look_at_the_timers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (association, upper_layer):
        monkeypatch.setattr(module, "LOOK_S", 60.0)
    with listening(tmp_path) as site, RawAssociation(site.port, timeout_s=10) as assoc:
        assert assoc.store(header()).status == SUCCESS
        assoc.release()
        assert assoc.connection.recv(1) == b""
    # The peer's request comes together with its connection, or after it.
    with listening(tmp_path / "other") as site, socket.create_connection(("127.0.0.1", site.port), timeout=10) as late:
        time.sleep(0.2)
        late.sendall(association_request([(1, CR, (EXPLICIT,))], "LATE", "AUSCULT"))
        assert late.recv(1) == b"\x02"


def test_the_same_data_set_gives_the_same_bytes_whoever_sends_it(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        for calling in ("FIRST", "SECOND"):
            with RawAssociation(site.port, calling=calling) as assoc:
                assert assoc.store(header()).status == SUCCESS
        assert len(site.instances) == 1
        assert site.events == ["received", "received again"]
        assert site.waker.tasks == [Task.INFER]


def test_other_bytes_under_the_same_uid_become_a_new_version(tmp_path: Path) -> None:
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        assoc.store(header())
        assert assoc.store(header(accession_number=b"OTHER")).status == SUCCESS
        assert [instance.version for instance in site.instances] == [1, 2]
        assert site.waker.tasks == [Task.INFER, Task.INFER]


def test_c_echo_answers(tmp_path: Path) -> None:
    with listening(tmp_path) as site, associated(site.port, (VERIFICATION, ExplicitVRLittleEndian)) as assoc:
        assert assoc.send_c_echo().Status == SUCCESS
        assert str(assoc.acceptor.implementation_class_uid) == IMPLEMENTATION_CLASS_UID


@pytest.mark.parametrize("sop_class", ["CR", "DX", "DX processing", "SC"])
def test_each_class_of_radiographs_is_accepted(tmp_path: Path, sop_class: str) -> None:
    with listening(tmp_path) as site:
        assert send(site.port, chest(rows=8, columns=8, sop_class=sop_class)) == [SUCCESS]  # type: ignore[arg-type]
        assert site.instances[0].state == State.RECEIVED.value


@pytest.mark.parametrize(
    "sop_class_uid", [BasicTextSRStorage, EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage]
)
def test_our_own_report_is_recorded_and_never_queued(tmp_path: Path, sop_class_uid: str) -> None:
    uid = derive_uid("a report", sop_class_uid)
    context = [(1, sop_class_uid, (EXPLICIT,))]
    with listening(tmp_path) as site, RawAssociation(site.port, context) as assoc:
        data = header(uid, sop_class_uid=sop_class_uid.encode())
        assert assoc.store(data, sop_instance_uid=uid, sop_class_uid=sop_class_uid).status == SUCCESS
        assert site.instances[0].state == State.OWN.value


def test_our_own_heat_map_under_a_uid_that_the_pacs_gave_it_is_known_by_its_equipment(tmp_path: Path) -> None:
    data = header(manufacturer=MANUFACTURER.encode(), model_name=MODEL_NAME.encode())
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        assert assoc.store(data).status == SUCCESS
        assert site.instances[0].state == State.OWN.value


def test_a_stranger_s_report_is_acknowledged_and_is_not_an_image(tmp_path: Path) -> None:
    context = [(1, EnhancedSRStorage, (EXPLICIT,))]
    with listening(tmp_path) as site, RawAssociation(site.port, context) as assoc:
        data = header(sop_class_uid=EnhancedSRStorage.encode())
        assert assoc.store(data, sop_class_uid=EnhancedSRStorage).status == SUCCESS
        assert (site.instances[0].state, site.instances[0].reason) == (State.OUT_OF_SCOPE.value, "not_an_image")


def test_ct_finds_no_presentation_context(tmp_path: Path) -> None:
    with (
        listening(tmp_path) as site,
        associated(site.port, (CTImageStorage, EXPLICIT), (CR, EXPLICIT)) as assoc,
    ):
        assert [context.abstract_syntax for context in assoc.accepted_contexts] == [CR]
        assert [context.abstract_syntax for context in assoc.rejected_contexts] == [CTImageStorage]


@pytest.mark.parametrize(
    ("priority", "calling", "expected", "source"),
    [
        (HIGH, "ROUTINE_ROOM", Priority.STAT, "C-STORE priority"),
        (MEDIUM, "EMERGENCY", Priority.URGENT, "AE title map"),
        (LOW, "EMERGENCY", Priority.URGENT, "AE title map"),
        (HIGH, "EMERGENCY", Priority.STAT, "C-STORE priority"),
        (LOW, "ELSEWHERE", Priority.ROUTINE, "default"),
    ],
)
def test_the_first_that_answers_sets_the_order_s_priority(
    tmp_path: Path, priority: int, calling: str, expected: Priority, source: str
) -> None:
    titles = {"EMERGENCY": "urgent", "ROUTINE_ROOM": "routine"}
    with (
        listening(tmp_path, tables={"worklist": {"ae_title_priorities": titles}}) as site,
        RawAssociation(site.port, calling=calling) as assoc,
    ):
        assert assoc.store(header(), priority=priority).status == SUCCESS
        (study,) = site.studies
        assert (study.priority, study.priority_source) == (expected, source)


def test_an_unknown_calling_ae_title_is_rejected(tmp_path: Path) -> None:
    with listening(tmp_path, allowed_ae_titles=["KNOWN"]) as site:
        with pytest.raises(Ended, match="PDU type 3: 00010103"):
            RawAssociation(site.port, calling="STRANGER")
        with RawAssociation(site.port, calling="KNOWN") as assoc:
            assert assoc.store(header()).status == SUCCESS


def test_another_called_ae_title_is_rejected(tmp_path: Path) -> None:
    with listening(tmp_path) as site, pytest.raises(Ended, match="PDU type 3: 00010107"):
        RawAssociation(site.port, called="ANOTHER")


def test_an_address_outside_the_allowed_networks_is_turned_away_and_one_inside_is_not(tmp_path: Path) -> None:
    with listening(tmp_path / "closed", allowed_addresses=["10.1.0.0/16"]) as site, pytest.raises((Ended, OSError)):
        RawAssociation(site.port)
    with listening(tmp_path / "open", allowed_addresses=["127.0.0.0/8"]) as site, RawAssociation(site.port) as assoc:
        assert assoc.store(header()).status == SUCCESS


def test_one_association_more_than_the_maximum_is_rejected_for_now(tmp_path: Path) -> None:
    with (
        listening(tmp_path, maximum_associations=2, maximum_associations_per_peer=2) as site,
        RawAssociation(site.port),
        RawAssociation(site.port),
        pytest.raises(Ended, match="PDU type 3: 00020302"),
    ):
        RawAssociation(site.port)


@pytest.mark.proves(Invariant.NO_PATIENT_IN_LOGS)
def test_patient_data_stay_out_of_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "auscult")
    secrets = ("SECRET-NAME", "SECRET-ID", "SECRET-ACC", "19870605")
    data = header(
        patient_name=b"SECRET-NAME", patient_id=b"SECRET-ID", accession_number=b"SECRET-ACC", birth_date=b"19870605"
    )
    with listening(tmp_path) as site, RawAssociation(site.port) as assoc:
        answers = [
            assoc.store(data),
            assoc.store(data, sop_instance_uid="2.25.9"),
            assoc.store(data[:-30]),
            assoc.store(data + b"SECRET-NAME" * 3),
            assoc.store(data, sop_instance_uid="SECRET-ID"),
        ]
    assert "2.25.1001 from 'RAW'" in caplog.text
    assert "0x0000 new" in caplog.text
    for secret in secrets:
        assert secret not in caplog.text
        assert all(secret.encode() not in answer.encoded for answer in answers)


def test_several_images_go_over_one_association(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        assert send(site.port, *(chest(seed, rows=16, columns=16) for seed in range(3))) == [SUCCESS] * 3
        assert len(site.instances) == 3
