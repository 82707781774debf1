"""One text report a study: revised as its images settle, one latest version whatever comes in between."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from service.alarms import alarms
from service.ledger import NewReport, SentObject
from service.ledger.records import ReportRecord
from service.report.reading import report_lines
from service.vocabulary.facts import Opinion
from service.vocabulary.states import DeliveryState
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.service.sample_site import ENGLISH
from tests.worker.conftest import Gateway, destination
from worker.report_building import ReportBuilding

STUDY = "1.2.3.4"
LEASE = timedelta(minutes=1)


def of_study(seed: int, view: str = "PA", **changes: Any) -> Dataset:
    """Return an image of the study; its seed tells it from the others."""
    return chest(seed, study_instance_uid=STUDY, view_position=view, InstanceNumber=seed, **changes)


def settle(made: Gateway, *images: Dataset) -> None:
    """Receive images, analyse them, and build what is due."""
    for image in images:
        made.receive(image)
        made.infer()
        made.build()


def bring(made: Gateway, state: DeliveryState = DeliveryState.CONFIRMED, to: str = "pacs") -> None:
    """Bring everything that waits for a destination to a state: confirmed, or dead."""
    outbox = made.ledger.outbox
    for due in outbox.claim("courier", to, DeliveryState.PENDING, 100, LEASE):
        if state is DeliveryState.DEAD:
            outbox.save_dead(due, 0xA900, "the destination answered status 0xA900")
        else:
            outbox.save_sent([SentObject(due, 0x0000, confirm_at=made.clock())])
    for due in outbox.claim("courier", to, DeliveryState.SENT, 100, LEASE):
        outbox.save_confirmed([due])


def documents(made: Gateway) -> list[tuple[ReportRecord, Dataset]]:
    """Return the study's documents in the order in which they were built."""
    rows = [row for row in made.reports if row.kind == "study_text_sr"]
    return [(row, dcmread(BytesIO(made.store.read(row.object_key)))) for row in rows]


def lines(made: Gateway) -> list[str]:
    """Return the lines of the latest document."""
    return [line.strip() for line in report_lines(made.store.read(documents(made)[-1][0].object_key))]


def names(document: Dataset) -> list[str]:
    """Return the SOP Instance UIDs of the documents whose place one takes."""
    return [
        str(item.ReferencedSOPInstanceUID)
        for study in document.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]


@pytest.fixture
def made(gateway: Any) -> Gateway:
    """Give a gateway whose destination receives one text report a study."""
    site: Gateway = gateway(destination(reports=["study_text_sr"]))
    return site


@pytest.mark.proves(Invariant.SILENCE_IS_NOT_NORMAL)
def test_a_study_has_one_document_that_each_further_image_revises(made: Gateway) -> None:
    made.receive(of_study(1))
    made.infer()
    made.receive(of_study(2, "LL"))  # it waits while the first one is told: the first result waits for nobody
    made.build()
    assert "AI result: NO RESULT when this was written: 1 of 2 images" in lines(made)
    assert "Image: LL view, image 2 of series 1" in lines(made)
    bring(made)

    made.infer()
    made.build()
    (_, first), (row, second) = documents(made)
    assert names(second) == [first.SOPInstanceUID]
    assert second.SeriesInstanceUID == first.SeriesInstanceUID
    assert second.InstanceNumber < first.InstanceNumber, "viewers show the lowest number of a series of documents"
    assert row.outcome == "positive", "of the study, and not of the image that came last"
    said = lines(made)
    assert said[said.index("Summary") + 1 :][:7] == [
        "AI result: PNEUMONIA SUSPECTED in 1 of 2 images",
        "AI result: NOT ANALYSED: 1 of 2 images",
        "Suggested reading priority: URGENT, by the AI result of one image",
        "Image that decides the priority: PA view, image 1 of series 1",
        "Status of this report: Preliminary AI output, not a radiologist report; verify.",
        f"Supersedes: Supersedes the AI report of {made.clock().astimezone():%Y-%m-%d %H:%M}.",
        "Supersedes: Reason: what is known of another image of this study has changed.",
    ]
    referenced = second.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    images = {str(item.ReferencedSOPInstanceUID) for series in referenced for item in series.ReferencedSOPSequence}
    assert images == {image.sop_instance_uid for image in made.instances}


def test_a_result_that_is_taken_back_or_replaced_or_fails_revises_the_document(made: Gateway) -> None:
    settle(made, of_study(1), of_study(2))
    bring(made)
    first = made.instances[0]
    made.ledger.feedback.give(first.sop_instance_uid, 1, Opinion.DISAGREE, by="Dr One", withdraws=True)
    made.build()
    assert "AI result: AI RESULT WITHDRAWN in 1 of 2 images: a person disagreed" in lines(made)
    assert lines(made)[lines(made).index("Summary") + 1].startswith("Supersedes"), "that it holds no more comes first"
    bring(made)

    settle(made, of_study(1, patient_name="Corrected^Name"))
    assert any(line.startswith("AI result: PNEUMONIA SUSPECTED in") for line in lines(made))
    assert str(documents(made)[-1][1].PatientName) == "Corrected^Name"
    bring(made)

    third = of_study(3)
    made.receive(third)
    made.store.path(made.instances[-1].object_key).unlink()
    for _ in range(made.settings.analysis.maximum_attempts):
        made.infer()
        made.clock.turn(seconds=200)
    made.build()
    assert "AI result: NOT ANALYSED: 1 of 3 images" in lines(made)
    assert f"Image: {third.SOPInstanceUID}" in lines(made), "view and number lie in bytes that are gone"
    uids = [document.SOPInstanceUID for _, document in documents(made)]
    assert [names(document) for _, document in documents(made)][1:] != [[]] * (len(uids) - 1)


def test_two_workers_that_settle_two_images_at_once_end_in_one_latest_document_with_both(
    made: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (1, 2):
        made.receive(of_study(seed))
        made.infer()
    theirs = made.ledger.reporting.claim("build-2", 1, LEASE)
    build, others = ReportBuilding._build, iter([theirs])

    def meanwhile(self: ReportBuilding, *arguments: Any) -> list[NewReport]:
        built = build(self, *arguments)
        for due in next(others, []):  # while this worker builds, another one saves, and its document goes out
            other = ReportBuilding(made.settings, made.ledger, made.store, self.checkpoints, "build-2", made.clock)
            other._bring(due)
            bring(made)
        return built

    monkeypatch.setattr(ReportBuilding, "_build", meanwhile)
    made.build()
    (_, first), (_, second) = documents(made)
    assert names(second) == [first.SOPInstanceUID]
    assert {line for line in lines(made) if line.startswith("Image: ")} == {
        "Image: PA view, image 1 of series 1",
        "Image: PA view, image 2 of series 1",
    }
    bring(made)
    assert [row.state for row in made.instances] == ["delivered"] * 2


def test_an_image_is_delivered_when_the_document_that_tells_of_it_is(made: Gateway) -> None:
    """One that was given up, or was not yet sent, is not sent any more: the one that takes its place is."""
    settle(made, of_study(1))
    bring(made, DeliveryState.DEAD)
    assert [row.state for row in made.instances] == ["failed"]
    settle(made, of_study(2))
    assert [row.state for row in made.deliveries] == ["withdrawn", "pending"]
    assert [row.state for row in made.instances] == ["reported"] * 2
    settle(made, of_study(3))
    assert [row.state for row in made.deliveries] == ["withdrawn"] * 2 + ["pending"]
    assert names(documents(made)[-1][1]) == [documents(made)[0][1].SOPInstanceUID], "the second was never under way"
    assert made.ledger.remedies.retry() == 0
    bring(made, DeliveryState.DEAD)
    assert [row.state for row in made.instances] == ["reported"] * 2 + ["failed"], "a person is called once"
    assert made.ledger.remedies.retry(STUDY) == 1
    bring(made)
    assert [row.state for row in made.instances] == ["delivered"] * 3


@pytest.mark.proves(Invariant.TWO_PATIENTS_ARE_HELD)
def test_a_document_never_tells_of_two_patients(made: Gateway) -> None:
    """A person let the study go; each image speaks for itself then."""
    settle(made, of_study(1))
    made.receive(of_study(2, patient_id="OTHER", patient_name="Other^Patient", birth_date=None))
    made.infer()
    made.build()
    assert len(made.reports) == 1, "the study is on hold"
    made.ledger.remedies.release(STUDY, by="Dr One")
    made.build()
    assert [row.kind for row in made.reports] == ["study_text_sr", "text_sr"]
    own = dcmread(BytesIO(made.store.read(made.reports[-1].object_key)))
    assert (own.PatientID, len(own.CurrentRequestedProcedureEvidenceSequence)) == ("OTHER", 1)


def test_an_image_that_leaves_for_another_study_leaves_its_document_too(made: Gateway) -> None:
    stays, goes = of_study(1), of_study(2)
    settle(made, stays, goes)
    bring(made)
    goes.StudyInstanceUID = "1.2.3.5"
    made.receive(goes)
    made.infer()
    assert made.build() == 2, "that of the study it comes to, and that of the one it leaves"
    latest = {str(document.StudyInstanceUID): document for _, document in documents(made)}
    assert set(latest) == {STUDY, "1.2.3.5"}
    assert str(goes.SOPInstanceUID) not in str(latest[STUDY])
    assert names(latest[STUDY]) == [documents(made)[1][1].SOPInstanceUID]
    bring(made)
    assert [row.state for row in made.instances] == ["delivered", "superseded", "delivered"]


def give_up_the_document(made: Gateway) -> None:
    """Let what is due of the study not be built, and put all else off."""
    for due in made.ledger.reporting.claim("build-1", 2, LEASE):
        if due.identity.study_instance_uid == STUDY:
            made.ledger.reporting.save_failure(due, "MemoryError", made.clock(), 1)
        else:
            made.ledger.reporting.release(due, "stopped", made.clock())


@pytest.mark.proves(Invariant.SILENCE_IS_NOT_NORMAL)
@pytest.mark.parametrize("own", [DeliveryState.CONFIRMED, DeliveryState.DEAD])
@pytest.mark.parametrize("remedy", ["none is needed", "a retry", "another image"])
def test_a_document_that_cannot_be_built_once_an_image_has_left_calls_a_person(
    gateway: Any, own: DeliveryState, remedy: str
) -> None:
    made: Gateway = gateway(destination(reports=["study_text_sr", "measurement_sr"]))
    stays, goes = of_study(1), of_study(2)
    settle(made, stays)
    bring(made, own)
    settle(made, goes)
    bring(made)
    goes.StudyInstanceUID = "1.2.3.5"
    made.receive(goes)
    made.infer()
    if remedy != "none is needed":
        give_up_the_document(made)
        status = made.ledger.inspection.status()
        assert status.failures == {"study_report_failed": 1}
        assert ENGLISH.number_of("alarm.study_report_failed", 1) in [
            alarm.text for alarm in alarms(ENGLISH, status, made.clock())
        ]
    if remedy == "a retry":
        assert made.ledger.remedies.retry(STUDY) == (2 if own is DeliveryState.DEAD else 1)
    elif remedy == "another image":
        settle(made, of_study(3))
    made.build()
    kinds = [row.kind for row in made.reports if row.instance_id == 1]
    assert sorted(kinds) == ["measurement_sr"] + ["study_text_sr"] * (1 if remedy == "another image" else 2)
    assert str(goes.SOPInstanceUID) not in str(
        next(document for _, document in reversed(documents(made)) if document.StudyInstanceUID == STUDY)
    )
    bring(made)
    is_failed = own is DeliveryState.DEAD and remedy != "a retry"
    assert made.instances[0].state == ("failed" if is_failed else "delivered"), "its own report is given up"
    assert {row.state for row in made.instances[1:]} == {"superseded", "delivered"}


@pytest.mark.proves(Invariant.SILENCE_IS_NOT_NORMAL)
def test_a_correction_that_is_no_chest_radiograph_takes_no_other_images_result_along(made: Gateway) -> None:
    """What tells of both does not hold any more, and of the correction alone nothing would be built."""
    second = of_study(2)
    settle(made, of_study(1), second)
    settle(made, of_study(4, body_part="KNEE", sop_instance_uid=str(second.SOPInstanceUID)))
    assert [row.state for row in made.deliveries] == ["withdrawn"] * 2 + ["pending"]
    assert "AI result: PNEUMONIA SUSPECTED in 1 of 2 images" in lines(made)
    bring(made)
    settle(made, of_study(3, body_part="KNEE"))
    assert len(documents(made)) == 3, "such an object is counted, and revises nothing"


def test_what_tells_of_an_image_that_has_left_is_not_sent_on_a_retry(made: Gateway) -> None:
    """The image that another document is built for is one that has a place in it, and not the one that came last."""
    goes = of_study(2)
    settle(made, goes, of_study(1), of_study(3, body_part="KNEE"))
    bring(made, DeliveryState.DEAD)
    goes.StudyInstanceUID = "1.2.3.5"
    made.receive(goes)
    made.infer()
    assert made.ledger.remedies.retry(STUDY) == 0
    made.build()
    told = {str(row.instance_id): str(document) for row, document in documents(made)[2:]}
    assert set(told) == {"2", "4"}
    assert str(goes.SOPInstanceUID) not in told["2"]
    bring(made)
    assert [row.state for row in made.instances] == ["superseded", "delivered", "out of scope", "delivered"]


@pytest.mark.parametrize("is_built", ["while the first is sent", "after the first was sent"])
def test_a_document_that_is_lost_after_a_later_one_arrived_keeps_no_image_waiting(made: Gateway, is_built: str) -> None:
    settle(made, of_study(1))
    outbox = made.ledger.outbox
    [due] = outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    if is_built == "while the first is sent":
        settle(made, of_study(2))
    lost = outbox.save_sent([SentObject(due, 0x0000, confirm_at=made.clock())])
    assert not lost, "that it was sent is a fact, whatever took its place meanwhile"
    assert "sent" in made.events
    if is_built == "after the first was sent":
        settle(made, of_study(2))
    [asked] = outbox.claim("courier", "pacs", DeliveryState.SENT, 1, LEASE)
    bring(made)
    assert [row.state for row in made.instances] == ["reported"] * 2, "the first is asked for"
    outbox.save_missing(asked, made.clock())
    assert [row.state for row in made.deliveries] == ["withdrawn", "confirmed"]
    assert [row.state for row in made.instances] == ["delivered"] * 2


def test_an_image_that_is_not_analysed_is_told_once_though_another_leaves_its_study(gateway: Any) -> None:
    made: Gateway = gateway(
        destination(reports=["study_text_sr"]), destination(name="image", reports=["text_sr"], not_analysed="all")
    )
    goes = of_study(1)
    settle(made, goes, of_study(2, "LL"))
    bring(made)
    bring(made, to="image")
    goes.StudyInstanceUID = "1.2.3.5"
    settle(made, goes)
    kinds = sorted(row.kind for row in made.reports if row.instance_id == 2)
    assert kinds == ["study_text_sr", "study_text_sr", "text_sr"]


def test_a_document_takes_the_place_of_all_that_any_destination_holds(gateway: Any) -> None:
    """One of two destinations has not received the second version when the third is built."""
    made: Gateway = gateway(destination(reports=["study_text_sr"]), destination(name="slow", reports=["study_text_sr"]))
    settle(made, of_study(1))
    bring(made)
    bring(made, to="slow")
    settle(made, of_study(2))
    bring(made)
    settle(made, of_study(3))
    *earlier, latest = [document for _, document in documents(made)]
    assert names(latest) == [document.SOPInstanceUID for document in earlier]


def test_a_destination_of_each_kind_receives_its_own(gateway: Any) -> None:
    made: Gateway = gateway(
        destination(reports=["study_text_sr", "measurement_sr"]),
        destination(name="image", reports=["text_sr"]),
        destination(name="vi", reports=["study_text_sr"], language="vi"),
    )
    settle(made, of_study(1), of_study(2, "LL"))
    kinds = {row.id: (row.kind, row.language) for row in made.reports}
    sent = sorted((row.destination, *kinds[row.report_id], row.state) for row in made.deliveries)
    assert sent == [
        ("image", "text_sr", "en-US", "pending"),
        ("image", "text_sr", "en-US", "pending"),
        ("pacs", "measurement_sr", "en-US", "pending"),
        ("pacs", "study_text_sr", "en-US", "pending"),
        ("pacs", "study_text_sr", "en-US", "withdrawn"),
        ("vi", "study_text_sr", "vi", "pending"),
        ("vi", "study_text_sr", "vi", "withdrawn"),
    ]
