"""A person's final report in the study that the PACS forwards: the study was read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from service.dicom.final_report import evidence_of_final_report
from service.intake import AnnouncedInstance
from service.ledger.admission import Receipt
from service.vocabulary.facts import CloseSource
from service.vocabulary.uids import MANUFACTURER, MODEL_NAME
from tests.service.dicom.raw_scu import CR, EXPLICIT, header
from tests.service.listening import Site, listening

_SR = "1.2.840.10008.5.1.4.1.1.88"
BASIC_TEXT, ENHANCED, KEY_OBJECTS, CHEST_CAD, DOSE = (f"{_SR}.{number}" for number in (11, 22, 59, 65, 67))
STUDY = "2.25.2001"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with listening(tmp_path, final_reports="close") as site:
        yield site


def document(sop_class_uid: str = BASIC_TEXT, uid: str = "2.25.77", **changes: str) -> Dataset:
    """Make a document of the study, complete and verified unless told otherwise."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class_uid, uid
    made.StudyInstanceUID, made.SeriesInstanceUID, made.Modality = STUDY, "2.25.78", "SR"
    made.PatientID, made.PatientName = "RAW-1", "Raw^Sender"
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "VERIFIED"
    for name, value in changes.items():
        setattr(made, name, value)
    made.ContentSequence = [Dataset()]
    return made


def naming(*uids: str) -> list[Dataset]:
    """Make evidence that names images, each in a series of its own."""
    procedure = Dataset()
    procedure.StudyInstanceUID, procedure.ReferencedSeriesSequence = STUDY, []
    for uid in uids:
        series, image = Dataset(), Dataset()
        image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID = CR, uid
        series.SeriesInstanceUID, series.ReferencedSOPSequence = f"{uid}.1", [image]
        procedure.ReferencedSeriesSequence.append(series)
    return [procedure]


def encoded(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, syntax == ImplicitVRLittleEndian
    write_dataset(buffer, dataset)
    return bytes(buffer.getvalue())


def take(site: Site, content: bytes, sop_class_uid: str, uid: str) -> Receipt:
    reception = site.intake.begin(AnnouncedInstance(sop_class_uid, uid, sop_class_uid, EXPLICIT, "PACS"))
    reception.write(content)
    return site.intake.admit(reception)


def take_image(site: Site, uid: str = "2.25.1001") -> Receipt:
    return take(site, header(uid), CR, uid)


def take_document(site: Site, made: Dataset) -> Receipt:
    return take(site, encoded(made), made.SOPClassUID, made.SOPInstanceUID)


@pytest.mark.parametrize("sop_class_uid", [BASIC_TEXT, ENHANCED])
def test_a_final_report_closes_its_study_once(site: Site, sop_class_uid: str) -> None:
    take_image(site)
    assert take_document(site, document(sop_class_uid)).closed
    (study,) = site.studies
    assert (study.close_source, study.closed_by) == (CloseSource.FINAL_REPORT, None)
    assert not take_document(site, document(sop_class_uid)).closed
    assert not take_document(site, document(sop_class_uid, "2.25.79")).closed


@pytest.mark.parametrize(
    "made",
    [
        document(VerificationFlag="UNVERIFIED"),
        document(CompletionFlag="PARTIAL"),
        document(VerificationFlag=""),
        document(PreliminaryFlag="PRELIMINARY"),
        document(KEY_OBJECTS),
        document(CHEST_CAD),
        document(DOSE),
        document(Manufacturer=MANUFACTURER, ManufacturerModelName=MODEL_NAME),
        document(StudyInstanceUID="2.25.2002"),
        document(PatientID="ANOTHER", PatientName="Else^Somebody"),
    ],
    ids=["unverified", "partial", "says nothing", "preliminary", "keys", "CAD", "dose", "ours", "prior", "another's"],
)
def test_nothing_else_closes_a_study(site: Site, made: Dataset) -> None:
    take_image(site)
    assert not take_document(site, made).closed
    assert [study.closed_at for study in site.studies if study.study_instance_uid == STUDY] == [None]


def test_a_report_of_images_closes_the_study_that_one_of_them_is_in(site: Site) -> None:
    take_image(site)
    made = document()
    made.CurrentRequestedProcedureEvidenceSequence = naming("2.25.5", "2.25.1001")
    assert take_document(site, made).closed


@pytest.mark.parametrize("evidence", ["CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"])
def test_a_report_of_the_images_of_an_earlier_study_closes_nothing(site: Site, evidence: str) -> None:
    take_image(site)
    made = document()
    setattr(made, evidence, naming("2.25.5", "2.25.6"))
    assert not take_document(site, made).closed
    assert site.studies[0].closed_at is None


def test_what_a_report_only_compares_with_does_not_tell_what_it_is_of(site: Site) -> None:
    take_image(site)
    made = document()
    made.CurrentRequestedProcedureEvidenceSequence = naming("2.25.5")
    made.PertinentOtherEvidenceSequence = naming("2.25.1001")
    assert not take_document(site, made).closed


def test_a_report_before_the_images_closes_nothing_and_what_comes_later_stands_on_the_list(site: Site) -> None:
    assert not take_document(site, document()).closed
    take_image(site)
    assert site.studies[0].closed_at is None


def test_a_report_after_a_late_image_does_not_say_that_the_image_was_seen(site: Site) -> None:
    take_image(site)
    take_document(site, document())
    take_image(site, "2.25.1002")
    assert site.studies[0].came_after_at is not None
    assert not take_document(site, document(uid="2.25.79")).closed
    assert site.studies[0].came_after_at is not None


def test_unless_the_site_wants_it_a_report_is_recorded_and_no_more(tmp_path: Path) -> None:
    with listening(tmp_path) as site:
        take_image(site)
        assert not take_document(site, document()).closed
        assert len(site.instances) == 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_report_is_read_in_each_encoding_and_a_broken_one_is_none(tmp_path: Path, syntax: UID) -> None:
    file = tmp_path / "document"
    made = document()
    made.CurrentRequestedProcedureEvidenceSequence = naming("2.25.1001", "2.25.1002")
    whole = encoded(made, syntax)
    for length in range(0, len(whole), 7):
        file.write_bytes(whole[:length])
        evidence_of_final_report(file, 0, BASIC_TEXT, syntax, 10_000)  # whatever it says, it raises nothing
    file.write_bytes(whole)
    assert evidence_of_final_report(file, 0, BASIC_TEXT, syntax, 10_000) == frozenset({"2.25.1001", "2.25.1002"})
    file.write_bytes(b"\xff" * 200)
    assert evidence_of_final_report(file, 0, BASIC_TEXT, DeflatedExplicitVRLittleEndian, 10_000) is None
