"""Two patients under one study: held, released, and not held again by what a person has released."""

import pytest
from sqlalchemy import event

from service.ledger.database import reading
from service.ledger.remedies import Which
from service.vocabulary.facts import Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.states import State
from tests.invariants import Invariant
from tests.service.ledger.plans import statements
from tests.service.sample_site import SampleSite


def _held(site: SampleSite) -> bool:
    return bool(site.ledger.inspection.status().held_studies)


def test_a_second_patient_under_one_study_puts_it_on_hold(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))

    assert _held(site)


def test_two_patients_are_seen_through_a_first_image_that_names_nobody(site: SampleSite) -> None:
    nobody = site.receive(patient_id="", patient_name="", birth_date=None)
    study = str(nobody.StudyInstanceUID)
    site.receive(patient_id="A", patient_name="Ames^Anna", study_instance_uid=study)
    assert not _held(site)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)

    assert _held(site)


def test_a_patient_of_whom_only_a_replaced_image_was_is_news(site: SampleSite) -> None:
    wrong = site.receive(patient_id="A", patient_name="Ames^Anna")
    study, uid = str(wrong.StudyInstanceUID), str(wrong.SOPInstanceUID)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study, sop_instance_uid=uid)
    assert not _held(site)

    site.receive(patient_id="A", patient_name="Ames^Anna", study_instance_uid=study)

    assert _held(site)


def test_an_image_of_the_patient_of_those_before_reads_none_of_them_but_one(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    study = str(first.StudyInstanceUID)
    asked: list[str] = []
    event.listen(site.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))

    site.receive(study_instance_uid=study, patient_id="A", patient_name="Ames^Anna")
    assert not any("released_at" in statement for statement in asked)
    site.receive(study_instance_uid=study, patient_id="A", patient_name="Ames^Ann")
    assert any("released_at" in statement for statement in asked)


def test_a_result_reads_each_spelling_of_the_patient_once_however_many_images_there_are(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    for name in ("Ames^Ann", "Ames^Anna", "Ames^Ann", "Ames^Anna"):
        site.receive(study_instance_uid=str(first.StudyInstanceUID), patient_id="A", patient_name=name)
    with statements(site.engine) as read:
        site.infer(0.1)
    (asked,) = [asked for asked in read if "released_at IS NOT NULL" in asked[0]]
    with reading(site.engine) as session:
        assert len(session.connection().exec_driver_sql(*asked).all()) == 2
    assert not _held(site)


def test_a_released_study_is_not_held_again_by_the_image_that_was_under_way(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    site.infer(0.9)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    assert site.ledger.remedies.release(str(first.StudyInstanceUID))

    site.infer(0.1)

    assert not _held(site)


def test_a_released_study_is_held_again_for_a_third_patient(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    study = str(first.StudyInstanceUID)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)
    site.ledger.remedies.release(study)
    site.receive(patient_id="A", patient_name="Ames^Anna", study_instance_uid=study)
    assert not _held(site)

    site.receive(patient_id="C", patient_name="Cole^Cara", study_instance_uid=study)

    assert _held(site)


@pytest.mark.proves(Invariant.TWO_PATIENTS_ARE_HELD)
def test_nothing_of_a_held_study_is_built_until_it_is_released(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    site.infer(0.9)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    site.infer(0.9)
    site.report("pacs")
    assert State.REPORTED not in site.ledger.inspection.status().states

    site.ledger.remedies.release(str(first.StudyInstanceUID))
    site.report("pacs")

    assert site.ledger.inspection.status().states[State.REPORTED] == 2


def test_a_held_result_of_another_checkpoint_is_analysed_again_before_anybody_is_told_of_it(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    site.infer(0.9)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    site.infer(0.9)
    assert site.ledger.remedies.reanalyse(Which(checkpoint_version="1.0.0"), lambda _: True) == 2
    for _ in range(2):
        site.infer(0.1, superseding=Supersession.ANALYSED_AGAIN)

    site.ledger.remedies.release(str(first.StudyInstanceUID))
    site.report("pacs")

    assert site.ledger.inspection.status().states == {State.SUPERSEDED: 2, State.REPORTED: 2}
    history = site.ledger.inspection.history(str(first.StudyInstanceUID))
    assert history is not None
    assert [report.outcome for report in history.reports] == [Outcome.NEGATIVE] * 2


def test_a_released_study_is_held_again_when_its_images_are_analysed_again(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    site.infer(0.9)
    study = str(first.StudyInstanceUID)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)
    site.ledger.remedies.release(study)
    site.infer(0.9)
    assert site.ledger.remedies.reanalyse(Which(uid=study), lambda _: True) == 2

    site.infer(0.1, superseding=Supersession.ANALYSED_AGAIN)

    assert _held(site)


def test_only_a_held_study_can_be_released(site: SampleSite) -> None:
    study = str(site.receive().StudyInstanceUID)

    assert not site.ledger.remedies.release(study)
    assert not site.ledger.remedies.release("2.25.1")


def test_a_hold_is_lifted_when_the_wrong_identity_is_corrected(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    study = str(first.StudyInstanceUID)
    wrong = site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)
    assert _held(site)

    site.receive(
        patient_id="A",
        patient_name="Ames^Anna",
        study_instance_uid=study,
        sop_instance_uid=str(wrong.SOPInstanceUID),
    )

    assert not _held(site)
