"""`auscult retry`, `reanalyse`, `release` and `abandon`, and taking the tables back."""

from collections.abc import Callable

import pytest
from click.testing import Result

from service.cli.partners import unnamed_destinations
from service.ledger.database import reading
from service.ledger.remedies import _given_up
from service.operations.wake import LocalBell, Task
from service.settings import load
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import Reason
from service.vocabulary.states import DeliveryState, State
from tests.service.audit.alerts import alerts
from tests.service.sample_site import ENGLISH, SampleSite

Auscult = Callable[..., Result]


def test_a_retry_starts_again_what_was_given_up_and_wakes_the_workers(site: SampleSite, auscult: Auscult) -> None:
    site.receive()
    site.fail("out of memory")
    site.receive()
    site.infer(0.1)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)
    bells = [LocalBell(site.settings.wake_dir, task) for task in Task]
    result = auscult("retry")

    assert result.output == "started again: 2\n", "the analysis, and the report of the other image"
    assert [bell.wait(0) for bell in bells] == [True, True]
    assert set(site.ledger.inspection.status().states) == {State.RECEIVED, State.REPORTED}
    assert "nothing was given up" in auscult("retry").output
    assert alerts(site.settings) == [("110132", "all that was given up was started again (2)")]
    for bell in bells:
        bell.close()


def test_a_retry_locks_none_of_the_images_that_need_no_analysis(site: SampleSite) -> None:
    for _ in range(2):
        site.receive()
        site.exclude(Reason.LATERAL_VIEW)
    lost = site.receive()
    site.fail("out of memory")
    with reading(site.engine) as session:
        assert [row.sop_instance_uid for row in session.scalars(_given_up(None))] == [str(lost.SOPInstanceUID)]


def test_a_retry_of_one_study_leaves_the_others(site: SampleSite, auscult: Auscult) -> None:
    chosen = site.receive()
    site.fail("out of memory")
    site.receive()
    site.fail("out of memory")

    assert auscult("retry", str(chosen.StudyInstanceUID)).output == "started again: 1\n"
    assert site.ledger.inspection.status().states == {State.RECEIVED: 1, State.FAILED: 1}


def test_what_waits_for_a_destination_that_is_gone_is_given_up_by_a_person(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUSCULT_DESTINATIONS", '[{"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 1}]')
    for state in (DeliveryState.SENT, DeliveryState.DEAD, None):
        site.receive()
        site.infer(0.1)
        site.report("pacs", "former")
        site.deliver("pacs")
        if state is not None:
            site.deliver("former", state)
    assert "still in the settings" in str(auscult("abandon", "pacs").exception)
    assert "nothing waits for elsewhere" in str(auscult("abandon", "elsewhere").exception)
    assert auscult("abandon", "former", input="n\n").exit_code == 1
    ((_, passed, said),) = unnamed_destinations(load())
    assert not passed
    assert "3 objects have not reached it" in ENGLISH.told(said)

    assert auscult("abandon", "former", "--yes").output == "given up: 3\n"
    status = site.ledger.inspection.status()
    assert status.states == {State.DELIVERED: 3}
    assert status.outbox["former"] == {DeliveryState.UNCONFIRMABLE: 1, DeliveryState.ABANDONED: 2}
    assert status.oldest_unsent_since is None
    assert "nothing was given up" in auscult("retry").output
    assert list(unnamed_destinations(load())) == []
    assert alerts(site.settings) == [("110132", "what had not reached the destination former was given up (3)")]


def _hold(site: SampleSite) -> str:
    study = str(site.receive(patient_id="A", patient_name="Ames^Anna").StudyInstanceUID)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=study)
    return study


def test_a_study_is_released_only_when_a_person_says_so(site: SampleSite, auscult: Auscult) -> None:
    study = _hold(site)

    assert auscult("release", study, input="n\n").exit_code == 1
    assert site.ledger.inspection.status().held_studies
    assert "released" in auscult("release", study, input="y\n").output
    assert not site.ledger.inspection.status().held_studies


def test_a_script_may_answer_beforehand(site: SampleSite, auscult: Auscult) -> None:
    assert auscult("release", _hold(site), "--yes").output == "released\n"


def test_images_are_analysed_again_by_uid_or_by_the_checkpoint_of_their_result(
    site: SampleSite, auscult: Auscult
) -> None:
    first = site.receive()
    site.infer(0.9)
    site.receive()
    site.infer(0.1)
    site.report("pacs")
    site.report("pacs")

    assert isinstance(auscult("reanalyse").exception, AuscultError)
    assert "again: 1" in auscult("reanalyse", str(first.StudyInstanceUID), "--yes").output
    assert "again: 1" in auscult("reanalyse", "--checkpoint", "1.0.0", "--yes").output  # the first is under way
    assert "no image of these" in auscult("reanalyse", "--checkpoint", "2.0.0", "--yes").output
    assert auscult("reanalyse", "--checkpoint", "1.0.0", input="n\n").exit_code == 1


def test_the_tables_are_taken_back_only_to_a_revision_that_there_is(site: SampleSite, auscult: Auscult) -> None:
    assert "no revision 0815" in str(auscult("db", "downgrade", "0815", "--yes").exception)
    assert "revision 0001" in auscult("db", "downgrade", "0001", "--yes").output
    assert "run `auscult db upgrade`" in str(auscult("status").exception)
