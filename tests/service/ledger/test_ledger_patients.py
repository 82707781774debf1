"""Two patients under one study: held, released, and not held again by what a person has released."""

import pytest

from service.ledger.remedies import Which
from service.vocabulary.facts import Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.states import State
from tests.invariants import Invariant
from tests.service.ward import Ward


def _held(ward: Ward) -> bool:
    return bool(ward.ledger.inspection.status().held_studies)


def test_a_second_patient_under_one_study_puts_it_on_hold(ward: Ward) -> None:
    first = ward.receive(patient_id="A", patient_name="Ames^Anna")
    ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))

    assert _held(ward)


def test_two_patients_are_seen_through_a_first_image_that_names_nobody(ward: Ward) -> None:
    nobody = ward.receive(patient_id="", patient_name="", birth_date=None)
    study = str(nobody.StudyInstanceUID)
    ward.receive(patient_id="A", patient_name="Ames^Anna", study_instance_uid=study)
    assert not _held(ward)
    ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)

    assert _held(ward)


def test_a_released_study_is_not_held_again_by_the_image_that_was_under_way(ward: Ward) -> None:
    first = ward.receive(patient_id="A", patient_name="Ames^Anna")
    ward.infer(0.9)
    ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    assert ward.ledger.remedies.release(str(first.StudyInstanceUID))

    ward.infer(0.1)

    assert not _held(ward)


def test_a_released_study_is_held_again_for_a_third_patient(ward: Ward) -> None:
    first = ward.receive(patient_id="A", patient_name="Ames^Anna")
    study = str(first.StudyInstanceUID)
    ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)
    ward.ledger.remedies.release(study)
    ward.receive(patient_id="A", patient_name="Ames^Anna", study_instance_uid=study)
    assert not _held(ward)

    ward.receive(patient_id="C", patient_name="Cole^Cara", study_instance_uid=study)

    assert _held(ward)


@pytest.mark.proves(Invariant.TWO_PATIENTS_ARE_HELD)
def test_nothing_of_a_held_study_is_built_until_it_is_released(ward: Ward) -> None:
    first = ward.receive(patient_id="A", patient_name="Ames^Anna")
    ward.infer(0.9)
    ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    ward.infer(0.9)
    ward.report("pacs")
    assert State.REPORTED not in ward.ledger.inspection.status().states

    ward.ledger.remedies.release(str(first.StudyInstanceUID))
    ward.report("pacs")

    assert ward.ledger.inspection.status().states[State.REPORTED] == 2


def test_a_held_result_of_another_checkpoint_is_analysed_again_before_anybody_is_told_of_it(ward: Ward) -> None:
    first = ward.receive(patient_id="A", patient_name="Ames^Anna")
    ward.infer(0.9)
    ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    ward.infer(0.9)
    assert ward.ledger.remedies.reanalyse(Which(checkpoint_version="1.0.0"), lambda _: True) == 2
    for _ in range(2):
        ward.infer(0.1, superseding=Supersession.ANALYSED_AGAIN)

    ward.ledger.remedies.release(str(first.StudyInstanceUID))
    ward.report("pacs")

    assert ward.ledger.inspection.status().states == {State.SUPERSEDED: 2, State.REPORTED: 2}
    dossier = ward.ledger.inspection.dossier(str(first.StudyInstanceUID))
    assert dossier is not None
    assert [report.outcome for report in dossier.reports] == [Outcome.NEGATIVE] * 2


def test_a_released_study_is_held_again_when_its_images_are_analysed_again(ward: Ward) -> None:
    first = ward.receive(patient_id="A", patient_name="Ames^Anna")
    ward.infer(0.9)
    study = str(first.StudyInstanceUID)
    ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)
    ward.ledger.remedies.release(study)
    ward.infer(0.9)
    assert ward.ledger.remedies.reanalyse(Which(uid=study), lambda _: True) == 2

    ward.infer(0.1, superseding=Supersession.ANALYSED_AGAIN)

    assert _held(ward)


def test_only_a_held_study_can_be_released(ward: Ward) -> None:
    study = str(ward.receive().StudyInstanceUID)

    assert not ward.ledger.remedies.release(study)
    assert not ward.ledger.remedies.release("2.25.1")


def test_a_hold_is_lifted_when_the_wrong_identity_is_corrected(ward: Ward) -> None:
    first = ward.receive(patient_id="A", patient_name="Ames^Anna")
    study = str(first.StudyInstanceUID)
    wrong = ward.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)
    assert _held(ward)

    ward.receive(
        patient_id="A",
        patient_name="Ames^Anna",
        study_instance_uid=study,
        sop_instance_uid=str(wrong.SOPInstanceUID),
    )

    assert not _held(ward)
