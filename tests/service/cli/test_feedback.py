"""`auscult feedback`."""

import getpass
import json
from collections.abc import Callable

import pytest
from click.testing import Result
from lxml import etree

from service.vocabulary.errors import AuscultError
from service.vocabulary.states import State
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]


def test_an_opinion_stands_in_the_history_the_counts_and_the_audit_trail(site: SampleSite, auscult: Auscult) -> None:
    dataset = site.receive(patient_id="P-9")
    site.infer(0.9)
    comment = ("--finding", "normal", "--comment", "a skin fold")

    assert "kept" in auscult("feedback", "give", str(dataset.StudyInstanceUID), "disagree", *comment).output

    shown = auscult("show", str(dataset.StudyInstanceUID)).output
    assert f"disagree, sees no pneumonia pattern, by {getpass.getuser()}" in shown
    assert "0.0 %" in auscult("feedback", "agreement").output
    counts = json.loads(auscult("feedback", "agreement", "--json").output)
    assert (counts["overall"][0]["disagree"], counts["ae_title"][0]["group"]) == (1, "CR_ROOM_1")
    (line,) = site.settings.audit_file.read_bytes().splitlines()
    message = etree.fromstring(line)
    assert message.find("ActiveParticipant").get("UserID") == getpass.getuser()
    assert b"skin fold" not in line


def test_a_disagreement_withdraws_the_flag_where_the_setting_says_so(
    site: SampleSite, auscult: Auscult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUSCULT_FEEDBACK__WITHDRAW_FLAG", "true")
    dataset = site.receive()
    site.infer(0.9)
    auscult("feedback", "give", str(dataset.SOPInstanceUID), "disagree")

    view = site.ledger.inspection.instance(str(dataset.SOPInstanceUID))
    assert view is not None
    assert (view.version, view.state, view.reason) == (2, State.OUT_OF_SCOPE, "person_disagreed")
    assert "AI RESULT WITHDRAWN" in auscult("worklist").output


def test_what_cannot_be_judged_is_told(site: SampleSite, auscult: Auscult) -> None:
    first = site.receive()
    assert "no image with an AI result" in str(
        auscult("feedback", "give", str(first.StudyInstanceUID), "agree").exception
    )
    site.infer(0.9)
    second = site.receive(study_instance_uid=str(first.StudyInstanceUID), patient_id=str(first.PatientID))
    site.infer(0.1)
    error = auscult("feedback", "give", str(first.StudyInstanceUID), "agree").exception
    assert isinstance(error, AuscultError)
    assert str(first.SOPInstanceUID) in str(error)
    assert str(second.SOPInstanceUID) in str(error)


def test_without_any_opinion_nothing_is_counted(site: SampleSite, auscult: Auscult) -> None:
    assert "nobody has said anything" in auscult("feedback", "agreement").output
