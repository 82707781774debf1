"""`auscult close` and `reopen`."""

import getpass
from collections.abc import Callable

from click.testing import Result
from lxml import etree

from service.vocabulary.errors import AuscultError
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]


def test_a_study_is_closed_and_opened_again_by_the_uid_of_one_of_its_images(site: SampleSite, auscult: Auscult) -> None:
    dataset = site.receive()

    assert "has left the list" in auscult("close", str(dataset.SOPInstanceUID)).output
    assert site.ledger.reading_list.page(10).studies == ()
    assert "read before" in auscult("close", str(dataset.StudyInstanceUID)).output

    assert "opened again" in auscult("reopen", str(dataset.StudyInstanceUID)).output
    assert len(site.ledger.reading_list.page(10).studies) == 1
    assert "nobody has closed it" in auscult("reopen", str(dataset.StudyInstanceUID)).output


def test_who_closed_a_study_stands_in_its_history_and_in_the_audit_trail(site: SampleSite, auscult: Auscult) -> None:
    dataset = site.receive(patient_id="P-9", accession_number="ACC-9")
    auscult("close", str(dataset.StudyInstanceUID))

    assert (
        f"marked by a command, by {getpass.getuser()}, place 1" in auscult("show", str(dataset.StudyInstanceUID)).output
    )
    (line,) = site.settings.audit_file.read_bytes().splitlines()
    message = etree.fromstring(line)
    assert message.find("EventIdentification/EventID").get("csd-code") == "110111"
    assert message.find("EventIdentification").get("EventActionCode") == "U"
    assert message.find("ActiveParticipant").get("UserID") == getpass.getuser()
    study, patient = message.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == str(dataset.StudyInstanceUID)
    assert patient.get("ParticipantObjectID") == "P-9"


def test_a_uid_that_nobody_knows_is_told(site: SampleSite, auscult: Auscult) -> None:
    for command in ("close", "reopen"):
        error = auscult(command, "1.2.3").exception
        assert isinstance(error, AuscultError)
        assert "worklist --uids" in str(error)
    assert not site.settings.audit_file.exists()
