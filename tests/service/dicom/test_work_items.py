"""A workstation claims readings from the list and completes them, by DICOM."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE

from service.ledger.work_items import WorkItems
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.sop_classes import UPS_PULL, UPS_PUSH, UPS_QUERY, UPS_WATCH, VERIFICATION
from service.vocabulary.work_items import WorkItemStatus
from tests.phantoms import chest
from tests.service.dicom.raw_commitment import echo_command
from tests.service.dicom.raw_scu import EXPLICIT, RawAssociation, command_set
from tests.service.dicom.workstation import workstation
from tests.service.listening import Site, listening, send

ROOT = Path(__file__).parents[3]
TABLES = {"work_items": {"ae_titles": ["WS1", "WS2"]}}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with listening(tmp_path / "data", tables=TABLES) as site:
        yield site


def test_a_workstation_finds_claims_and_completes_a_reading(site: Site) -> None:
    image, key = chest(seed=1, patient_name="Trần^Văn=Á"), str(generate_uid(prefix=None))
    assert send(site.port, image) == [0]
    with workstation(site.port) as ours:
        (found,) = ours.find()
        uid = str(found.SOPInstanceUID)
        assert (found.ProcedureStepState, found.PatientID) == ("SCHEDULED", image.PatientID)
        assert ours.change(uid, "IN PROGRESS", key) == 0x0000
        status, item = ours.get(uid)
        assert (status, item.ProcedureStepState, item.PatientName) == (0, "IN PROGRESS", image.PatientName)
        assert item.InputInformationSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == (
            image.SOPInstanceUID
        )
        assert "TransactionUID" not in item
        assert ours.set(uid, TransactionUID=key, ProcedureStepProgressInformationSequence=[_progress("50")]) == 0x0000
        assert ours.set(uid, TransactionUID=key, WorklistLabel="mine") == 0x0001
        _, shown = ours.get(uid, [0x00741002, 0x00741000])
        assert shown.ProcedureStepProgressInformationSequence[0].ProcedureStepProgress == 50
        assert ours.change(uid, "COMPLETED", key) == 0x0000
        assert ours.find() == []
        (ended,) = ours.find(ProcedureStepState="COMPLETED")
        assert ended.SOPInstanceUID == uid
        performed = ours.get(uid)[1].UnifiedProcedureStepPerformedProcedureSequence[0]
        assert performed.PerformedStationNameCodeSequence[0].CodeMeaning == "WS1"
        assert performed.PerformedProcedureStepEndDateTime
    (study,) = site.studies
    assert (study.close_source, study.closed_by) == ("UPS", "WS1")


def _progress(percent: str) -> Dataset:
    item = Dataset()
    item.ProcedureStepProgress = percent
    return item


def test_two_workstations_never_have_one_reading(site: Site) -> None:
    send(site.port, chest())
    with workstation(site.port) as ours, workstation(site.port, "WS2") as other:
        uid = str(other.find()[0].SOPInstanceUID)
        assert ours.change(uid, "IN PROGRESS", "1.2.3") == 0x0000
        assert other.change(uid, "IN PROGRESS", "1.2.4") == WorkItemStatus.WRONG_TRANSACTION_UID
        assert other.set(uid, TransactionUID="1.2.4") == WorkItemStatus.WRONG_TRANSACTION_UID
        assert other.change(uid, "COMPLETED", "1.2.4") == WorkItemStatus.WRONG_TRANSACTION_UID
        assert other.act(uid, 2, UPS_WATCH, ReasonForCancellation="no") == WorkItemStatus.PERFORMER_CANNOT_BE_CONTACTED


@pytest.mark.parametrize("sop_class", [UPS_PULL, UPS_WATCH, UPS_QUERY])
def test_a_query_finds_what_matches_and_returns_what_it_asks_for(site: Site, sop_class: str) -> None:
    images = [chest(seed=number, patient_id=f"P-{number}", patient_name=f"Doe^J{number}") for number in range(3)]
    send(site.port, *images)
    request = Dataset()
    request.StudyInstanceUID, request.AccessionNumber = images[2].StudyInstanceUID, ""
    with workstation(site.port) as ours:
        assert len(ours.find(sop_class)) == 3
        assert [found.PatientID for found in ours.find(sop_class, PatientID="P-1")] == ["P-1"]
        assert len(ours.find(sop_class, PatientName="doe^*")) == 3
        assert len(ours.find(sop_class, PatientName="Roe*")) == 0
        (found,) = ours.find(sop_class, ReferencedRequestSequence=[request])
        assert found.PatientID == "P-2"
        assert ours.find(sop_class, ScheduledProcedureStepStartDateTime="20200101-20201231") == []
        assert len(ours.find(sop_class, ScheduledProcedureStepStartDateTime="20200101-")) == 3
        assert set(found.dir()) == {
            "SpecificCharacterSet", "SOPInstanceUID", "PatientID", "ProcedureStepState", "ReferencedRequestSequence",
        }  # fmt: skip


def test_who_is_not_named_gets_nothing_and_without_names_nothing_is_offered(site: Site, tmp_path: Path) -> None:
    send(site.port, chest())
    with workstation(site.port) as ours:
        uid = str(ours.find()[0].SOPInstanceUID)
    with workstation(site.port, "STRANGER") as stranger:
        assert (stranger.find(), stranger.status) == ([], WorkItemStatus.NOT_AUTHORIZED)
        assert stranger.get(uid) == (WorkItemStatus.NOT_AUTHORIZED, None)
        assert stranger.change(uid, "IN PROGRESS", "1.2.3") == WorkItemStatus.NOT_AUTHORIZED
        assert stranger.set(uid, TransactionUID="1.2.3") == WorkItemStatus.NOT_AUTHORIZED
    with listening(tmp_path / "closed") as closed:
        entity = AE("WS1")
        entity.add_requested_context(UPS_PULL)
        association = entity.associate("127.0.0.1", closed.port, ae_title="AUSCULT")
        assert not association.accepted_contexts


def test_what_cannot_be_understood_gets_its_status_and_the_association_goes_on(site: Site) -> None:
    send(site.port, chest())
    with workstation(site.port) as ours:
        uid = str(ours.find()[0].SOPInstanceUID)
        assert ours.get("1.2.3")[0] == WorkItemStatus.NO_SUCH_WORK_ITEM
        assert ours.change("1.2.3", "IN PROGRESS", "1.2") == WorkItemStatus.NO_SUCH_WORK_ITEM
        assert ours.act(uid, 1, ProcedureStepState="READ", TransactionUID="1.2.3") == WorkItemStatus.INVALID_ARGUMENT
        assert ours.act(uid, 1, ProcedureStepState="IN PROGRESS") == WorkItemStatus.WRONG_TRANSACTION_UID
        assert ours.act(uid, 9, ReasonForCancellation="no") == WorkItemStatus.NO_SUCH_ACTION
        assert ours.change(uid, "SCHEDULED", "1.2.3") == WorkItemStatus.ONLY_SCHEDULED_BY_CREATION
        assert ours.set(uid, WorklistLabel="mine") == WorkItemStatus.NOT_IN_PROGRESS
        assert ours.act(uid, 2, UPS_WATCH, ReasonForCancellation="no") == WorkItemStatus.NOT_CANCELED
        assert len(ours.find()) == 1


def test_a_ledger_that_is_away_is_told_as_such(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise LedgerUnavailable

    for method in ("offered", "find", "change"):
        monkeypatch.setattr(WorkItems, method, away)
    with workstation(site.port) as ours:
        assert (ours.find(), ours.status) == ([], WorkItemStatus.UNABLE_TO_PROCESS)
        assert ours.get("1.2.3")[0] == WorkItemStatus.RESOURCE_LIMITATION
        assert ours.change("1.2.3", "IN PROGRESS", "1.2.4") == WorkItemStatus.RESOURCE_LIMITATION


def test_a_workstation_made_of_dcmjs_dimse_claims_and_completes(
    site: Site, program: Callable[[str], str], lack: Any
) -> None:
    node, modules = program("node"), ROOT / "build" / "ups" / "node_modules"
    if not (modules / "dcmjs-dimse").is_dir():
        lack("build/ups holds no dcmjs-dimse, such as .ci/run unpacks")
    image = chest(patient_name="Trần^Văn")
    assert send(site.port, image) == [0]
    asked = [node, str(ROOT / "tests" / "ups_workstation.cjs"), str(modules), str(site.port)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [(answer["what"], answer["status"]) for answer in answers] == [
        ("find", 0), ("IN PROGRESS", 0), ("get", 0), ("set", 0), ("COMPLETED", 0),
    ], done.stdout  # fmt: skip
    assert "Trần" in json.dumps(answers[0]["found"], ensure_ascii=False)
    references = answers[2]["found"][0]["InputInformationSequence"]
    assert str(image.SOPInstanceUID) in json.dumps(references)
    assert site.studies[0].closed_by == "WS1"


@pytest.mark.parametrize("command", [0x0020, 0x0110, 0x0120, 0x0130, 0x0140], ids=hex)
def test_no_data_set_of_any_command_brings_the_listener_down(site: Site, command: int) -> None:
    draw = random.Random(command)
    uids = {0x0003: UPS_PUSH, 0x1001: "1.2.3"} if command in (0x0110, 0x0120, 0x0130) else {0x0002: UPS_PULL}
    for _ in range(12):
        data = draw.randbytes(draw.randrange(2, 200) // 2 * 2)
        contexts = [(1, UPS_PULL, (EXPLICIT,)), (3, VERIFICATION, (EXPLICIT,))]
        with RawAssociation(site.port, contexts, calling="WS1") as association:
            fields: dict[int, Any] = {**uids, 0x0100: command, 0x0110: 1, 0x0800: 1}
            if command == 0x0130:
                fields[0x1008] = draw.randrange(7)
            if command == 0x0020:
                fields[0x0700] = 0
            association.request(command_set(fields), data, 1)
            assert (association.message().number(0x0900) or 0) >= 0x0100
            association.request(echo_command(), None, 3)
            assert association.message().number(0x0900) == 0x0000
