"""The same instance again, a corrected identity, other pixels, another patient: from the socket to the archive."""

import json
from copy import deepcopy

import pytest
from pydicom.dataset import FileDataset
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless

from service.vocabulary.states import State
from tests import phantoms
from tests.invariants import Invariant
from tests.journeys.conftest import SharedGateway
from tests.journeys.pacs import predecessors, sentences
from tests.phantoms import chest
from tests.servers import wait_until

CORRECTED = "patient or study identity was corrected"
REPLACED = "the image was replaced"


def receive(shared_gateway: SharedGateway, dataset: FileDataset) -> None:
    """Send an instance, and wait until all that follows from it is done."""
    assert shared_gateway.gateway.send(dataset) == 0x0000
    shared_gateway.gateway.wait_until_settled()


def renamed(dataset: FileDataset, name: str) -> FileDataset:
    """Return the instance with a corrected name."""
    copy = deepcopy(dataset)
    copy.PatientName = name
    return copy


def test_the_same_instance_in_other_clothes_is_acknowledged_and_changes_nothing(shared_gateway: SharedGateway) -> None:
    source = chest(100)
    receive(shared_gateway, source)
    first = {str(report.SOPInstanceUID) for report in shared_gateway.pacs.of(source)}
    assert len(first) == 3
    tagged = deepcopy(source)
    tagged.private_block(0x0099, "ACME", create=True).add_new(1, "LO", "processed twice")
    for again in (phantoms.transcoded(source, JPEGLSLossless), phantoms.transcoded(tagged, JPEG2000Lossless), source):
        receive(shared_gateway, again)
    assert {str(report.SOPInstanceUID) for report in shared_gateway.pacs.of(source)} == first
    assert [row.state for row in shared_gateway.gateway.versions(source)] == [
        State.DELIVERED,
        State.DUPLICATE,
        State.DUPLICATE,
    ]
    assert all(len(shared_gateway.pacs.digests[uid]) == 1 for uid in first)


def test_a_corrected_name_reuses_the_result_and_supersedes_the_reports(shared_gateway: SharedGateway) -> None:
    source = chest(101)
    receive(shared_gateway, source)
    old = shared_gateway.pacs.of(source)
    receive(shared_gateway, renamed(source, "Corrected^Name"))
    new = shared_gateway.pacs.of(source)[3:]
    assert len(new) == 3
    assert {str(report.PatientName) for report in new} == {"Corrected^Name"}
    first, second = shared_gateway.gateway.predictions(source)
    assert (first.reused, second.reused) == (False, True)
    assert second.probabilities == first.probabilities
    by_class = {report.SOPClassUID: report for report in old}
    for report in new:
        if report.Modality == "SR":
            assert predecessors(report) == {str(by_class[report.SOPClassUID].SOPInstanceUID)}
    text = next(report for report in new if "Supersedes" in " ".join(sentences(report)))
    superseding, reason = (line for line in sentences(text) if line.startswith(("Supersedes", "Reason: ")))
    assert superseding.startswith("Supersedes the AI report of ")
    assert reason == f"Reason: {CORRECTED}."
    assert [row.state for row in shared_gateway.gateway.versions(source)] == [State.SUPERSEDED, State.DELIVERED]


def test_a_name_edited_and_edited_back_gives_new_reports_each_time(shared_gateway: SharedGateway) -> None:
    source = chest(102)
    for version in (source, renamed(source, "Other^Name"), source):
        receive(shared_gateway, version)
    reports = shared_gateway.pacs.of(source)
    assert len({str(report.SOPInstanceUID) for report in reports}) == 9
    names = [str(report.PatientName) for report in reports[::3]]
    assert names == ["Phantom^Paediatric", "Other^Name", "Phantom^Paediatric"]
    third = [report for report in reports[6:] if report.Modality == "SR"]
    for report in third:
        same = [other for other in reports[:6] if other.SOPClassUID == report.SOPClassUID]
        assert predecessors(report) == {str(other.SOPInstanceUID) for other in same}
        assert len(same) == 2


def test_other_pixels_under_the_same_uid_are_analysed_and_supersede(shared_gateway: SharedGateway) -> None:
    source = chest(103)
    receive(shared_gateway, source)
    replaced = chest(
        104,
        sop_instance_uid=source.SOPInstanceUID,
        series_instance_uid=source.SeriesInstanceUID,
        study_instance_uid=source.StudyInstanceUID,
    )
    receive(shared_gateway, replaced)
    first, second = shared_gateway.gateway.predictions(source)
    assert not second.reused
    assert second.input_digest != first.input_digest
    new = shared_gateway.pacs.of(source)[3:]
    assert len(new) == 3
    assert any(f": {REPLACED}." in line for report in new for line in sentences(report))
    assert all(predecessors(report) for report in new if report.Modality == "SR")


@pytest.mark.proves(Invariant.TWO_PATIENTS_ARE_HELD)
def test_two_patients_in_one_study_are_held_and_alarmed_until_a_person_releases_it(
    shared_gateway: SharedGateway,
) -> None:
    gateway, pacs = shared_gateway.gateway, shared_gateway.pacs
    first = chest(105, patient_id="ONE", patient_name="Patient^One")
    study = str(first.StudyInstanceUID)
    second = chest(106, patient_id="TWO", patient_name="Patient^Two", study_instance_uid=study)
    gateway.stop("work deliver")
    assert gateway.send(first) == 0x0000
    assert gateway.send(second) == 0x0000
    wait_until(
        lambda: all(gateway.version(source).state == State.INFERRED for source in (first, second)), "both are analysed"
    )
    gateway.start("work deliver")
    receive(shared_gateway, chest(107))  # others are served meanwhile
    status = json.loads(gateway.auscult("status", "--json"))
    assert status["held_studies"] == {study: "two_patients"}
    assert any(study in alarm["text"] + alarm["remedy"] for alarm in status["alarms"])
    assert pacs.objects(study) == []
    gateway.auscult("release", study, "--yes")
    gateway.wait_until_settled()
    for source in (first, second):
        assert [str(report.PatientID) for report in pacs.of(source)] == [source.PatientID] * 3
