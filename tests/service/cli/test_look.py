"""`auscult status`, `show` and `worklist`."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import Reason
from service.vocabulary.states import DeliveryState
from tests.service.sample_site import BANNER, NO_PATTERN, SampleSite

Auscult = Callable[..., Result]


def test_the_worklist_shows_name_result_priority_and_delivery(site: SampleSite, auscult: Auscult) -> None:
    site.receive(patient_name="Nguyễn^Văn [b]An", SpecificCharacterSet="ISO_IR 192")
    site.infer(0.962)
    site.report("pacs")
    site.deliver("pacs")
    output = auscult("worklist").output

    assert BANNER in output
    assert "Nguyễn, Văn [b]An" in output
    assert "PNEUMONIA SUSPECTED 96.2 %" in output
    assert "URGENT" in output
    assert "pacs confirmed" in output


def test_the_worklist_as_json_is_one_document(site: SampleSite, auscult: Auscult) -> None:
    site.receive()
    site.infer(0.1)

    (row,) = json.loads(auscult("worklist", "--json").output)["rows"]
    assert row["answer"] == {
        "standing": "negative",
        "sentence": NO_PATTERN,
        "p_pneumonia": 0.1,
        "lower": 0.3,
        "upper": 0.62,
        "prevalence": 0.3,
        "checkpoint_version": "1.0.0",
    }


def test_an_empty_worklist_says_so(site: SampleSite, auscult: Auscult) -> None:
    assert "No study has arrived yet" in auscult("worklist").output


def test_the_uids_that_other_commands_want_can_be_listed(site: SampleSite, auscult: Auscult) -> None:
    dataset = site.receive(study_instance_uid="1.2.3")

    assert "1.2.3" not in auscult("worklist").output
    assert str(dataset.StudyInstanceUID) in auscult("worklist", "--uids").output


def test_the_status_counts_and_calls_a_person(site: SampleSite, auscult: Auscult) -> None:
    site.receive()
    site.exclude(Reason.LATERAL_VIEW)
    site.receive()
    site.infer(0.9)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)
    output = auscult("status").output

    assert "not analysed: lateral view" in output
    assert "3 reports or messages could not be delivered to pacs. Remedy: auscult retry" in output
    status = json.loads(auscult("status", "--json").output)
    assert status["out_of_scope"] == {"lateral_view": 1}
    assert status["outbox"] == {"pacs": {"dead": 3}}
    assert status["alarms"][0]["remedy"] == "auscult retry"


def test_show_tells_how_a_result_came_about_and_where_its_reports_are(site: SampleSite, auscult: Auscult) -> None:
    dataset = site.receive()
    site.infer(0.962)
    site.report("pacs")
    site.deliver("pacs")
    site.calibrate("e1" * 32)
    report_uid = site.ledger.inspection.history(str(dataset.StudyInstanceUID)).reports[0].sop_instance_uid  # type: ignore[union-attr]

    for uid in (str(dataset.StudyInstanceUID), str(dataset.SOPInstanceUID), report_uid):
        output = auscult("show", uid).output
        assert "bacterial pneumonia 77.0 %, viral pneumonia 19.2 %" in output
        assert "at a prevalence of 30 %" in output
        assert "negative below 30 %, positive from 62 %" in output
        assert "site calibration" in output
        assert "e1e1e1e1e1e1" in output
        assert "confirmed" in output
        assert "0x0000" in output
        assert str(dataset.SOPInstanceUID) in output


def test_show_of_one_image_leaves_out_the_studys_others(site: SampleSite, auscult: Auscult) -> None:
    first = site.receive()
    other = site.receive(study_instance_uid=str(first.StudyInstanceUID))
    output = auscult("show", str(first.SOPInstanceUID)).output

    assert str(first.SOPInstanceUID) in output
    assert str(other.SOPInstanceUID) not in output


@pytest.mark.parametrize("command", [("show", "1.2.3"), ("retry", "1.2.3"), ("release", "1.2.3")])
def test_a_uid_that_nobody_knows_is_an_error_with_a_hint(
    site: SampleSite, auscult: Auscult, command: tuple[str, str]
) -> None:
    result = auscult(*command)

    assert isinstance(result.exception, AuscultError)
    assert "1.2.3" in str(result.exception)
    assert "auscult " in str(result.exception)
