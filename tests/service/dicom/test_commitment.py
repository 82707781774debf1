"""The listener answers who asks whether it holds an image; the modality may delete its copy on our word."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from pydicom import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.dicom.commitment.messages import (
    MOST_REFERENCES,
    WELL_KNOWN_INSTANCE,
    parse_answer,
    parse_request,
    request,
)
from service.dicom.release import release
from service.ledger import Ledger
from service.ledger.commitment_requests import CommitmentRequests
from service.ledger.records import CommitmentRequestRecord
from service.operations.wake import Task
from service.vocabulary.commitment import FailureReason, Reference
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.states import CommitmentState
from tests.fakes import Answers
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.servers import wait_until
from tests.service.dicom.raw_commitment import (
    COMMITMENT,
    N_EVENT_REPORT,
    VERIFICATION,
    action_command,
    echo_command,
    event_command,
    event_response,
    information,
)
from tests.service.dicom.raw_scu import EXPLICIT, RawAssociation
from tests.service.listening import Site, listening, send

LEASE = timedelta(minutes=1)
ABSENT = "1.2.826.0.1.3680043.8.498.999"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with listening(tmp_path / "data", commitment_patience=0.05) as site:
        yield site


def references(*datasets: Dataset) -> list[Reference]:
    return [Reference(str(ds.SOPClassUID), str(ds.SOPInstanceUID)) for ds in datasets]


@contextmanager
def asking(port: int, answers: Answers | None = None) -> Iterator[Association]:
    """Associate as a modality that asks for storage commitment."""
    entity = AE("MODALITY")
    entity.add_requested_context(StorageCommitmentPushModel, ExplicitVRLittleEndian)
    entity.dimse_timeout = 10
    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, answers.take)] if answers is not None else []
    association = entity.associate("127.0.0.1", port, ae_title="AUSCULT", evt_handlers=handlers)
    assert association.is_established
    try:
        yield association
    finally:
        release(association)


def ask(
    association: Association,
    information: Dataset | None,
    action: int = 1,
    instance: str = WELL_KNOWN_INSTANCE,
) -> int:
    status, _ = association.send_n_action(information, action, StorageCommitmentPushModel, instance)
    return int(status.Status)


def rows(site: Site) -> list[CommitmentRequestRecord]:
    with Session(site.engine) as session:
        return list(session.scalars(select(CommitmentRequestRecord).order_by(CommitmentRequestRecord.id)))


def test_a_modality_that_stays_gets_the_answer_on_its_own_association(site: Site) -> None:
    image, answers, uid = chest(), Answers(), generate_uid()
    assert send(site.port, image) == [0]
    with asking(site.port, answers) as association:
        assert ask(association, request(uid, references(image))) == 0x0000
        wait_until(lambda: bool(answers.taken), "the answer comes")
        wait_until(lambda: rows(site)[0].state == CommitmentState.ANSWERED, "the answer is recorded")
    event_type, information = answers.taken[0]
    assert (event_type, information.TransactionUID) == (1, uid)
    assert answers.reasons() == {image.SOPInstanceUID: None}
    assert rows(site)[0].detail == "1 held, 0 not"


@pytest.mark.proves(Invariant.COMMITTED_IS_HELD)
def test_what_is_not_held_is_said_with_its_reason(site: Site) -> None:
    held, removed, other = (chest(seed=number) for number in (1, 2, 3))
    assert send(site.port, held, removed, other) == [0, 0, 0]
    site.store.path(site.instances[1].object_key).unlink()
    wanted = [
        *references(held, removed),
        Reference(str(DigitalXRayImageStorageForPresentation), ABSENT),
        Reference("1.2.840.10008.5.1.4.1.1.7", str(other.SOPInstanceUID)),
    ]
    answers = Answers()
    with asking(site.port, answers) as association:
        assert ask(association, request(generate_uid(), wanted)) == 0x0000
        wait_until(lambda: bool(answers.taken), "the answer comes")
    assert answers.taken[0][0] == 2
    assert answers.reasons() == {
        held.SOPInstanceUID: None,
        removed.SOPInstanceUID: FailureReason.NO_SUCH_INSTANCE,
        ABSENT: FailureReason.NO_SUCH_INSTANCE,
        other.SOPInstanceUID: FailureReason.CLASS_INSTANCE_CONFLICT,
    }


def test_many_requests_on_one_association_are_each_answered_and_images_are_taken_between(site: Site) -> None:
    image, answers = chest(), Answers()
    uids = [str(generate_uid()) for _ in range(4)]
    with asking(site.port, answers) as association:
        for uid in uids:
            assert ask(association, request(uid, references(image))) == 0x0000
        wait_until(lambda: len(answers.taken) == len(uids), "every answer comes")
    assert sorted(information.TransactionUID for _, information in answers.taken) == sorted(uids)
    wait_until(lambda: {row.state for row in rows(site)} == {CommitmentState.ANSWERED}, "every answer is recorded")


def test_a_modality_that_releases_at_once_is_answered_by_a_delivery_worker(tmp_path: Path) -> None:
    with listening(tmp_path / "data", commitment_patience=5.0) as site:
        with asking(site.port) as association:
            assert ask(association, request(generate_uid(), references(chest()))) == 0x0000
        requests = Ledger(site.engine).commitment_requests
        # Ten seconds before the time that it was recorded for.
        wait_until(lambda: Task.DELIVER in site.waker.tasks, "a delivery worker is woken")
        (due,) = requests.claim("worker", "MODALITY", 10, LEASE)
        assert (due.requestor_ae_title, len(due.references), due.is_duplicate) == ("MODALITY", 1, False)


def test_an_answer_that_the_modality_refuses_goes_to_a_delivery_worker(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    answers = Answers(status=0x0110)
    with asking(site.port, answers) as association:
        assert ask(association, request(generate_uid(), references(chest()))) == 0x0000
        wait_until(lambda: "N-EVENT-REPORT with status 0x0110" in caplog.text, "the refusal is heard")
        assert rows(site)[0].attempts == 1
    wait_until(lambda: Task.DELIVER in site.waker.tasks, "a delivery worker is woken")
    assert rows(site)[0].state == CommitmentState.WAITING
    assert Ledger(site.engine).commitment_requests.claim("worker", "MODALITY", 10, LEASE)


def test_the_same_request_again_is_one_and_its_transaction_for_other_images_is_a_duplicate(site: Site) -> None:
    one, other, uid, answers = chest(seed=1), chest(seed=2), generate_uid(), Answers()
    assert send(site.port, one, other) == [0, 0]
    with asking(site.port, answers) as association:
        for number, image in enumerate((one, one, other), 1):
            assert ask(association, request(uid, references(image))) == 0x0000
            wait_until(lambda number=number: len(answers.taken) == number, "the answer comes")  # type: ignore[misc]
    assert [answers.reasons(index) for index in range(3)] == [
        {one.SOPInstanceUID: None},
        {one.SOPInstanceUID: None},
        {other.SOPInstanceUID: FailureReason.DUPLICATE_TRANSACTION_UID},
    ]
    assert len(rows(site)) == 2


def _without(keyword: str) -> Dataset:
    information = request(generate_uid(), [Reference(str(DigitalXRayImageStorageForPresentation), ABSENT)])
    delattr(information, keyword)
    return information


def _with_item(**values: str) -> Dataset:
    information = _without("ReferencedSOPSequence")
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    information.ReferencedSOPSequence = [item]
    return information


def test_a_request_that_cannot_be_understood_gets_its_status_and_the_association_goes_on(site: Site) -> None:
    bad = _with_item(ReferencedSOPClassUID="1.2.3")
    good = _with_item(ReferencedSOPClassUID="1.2.3", ReferencedSOPInstanceUID="1.2.3")
    with asking(site.port) as association:
        for information in (_without("TransactionUID"), _without("ReferencedSOPSequence"), bad, None):
            assert ask(association, information) == 0x0115
        assert ask(association, good, action=2) == 0x0123
        assert ask(association, good, instance="1.2.3") == 0x0112
        assert not rows(site)
        assert ask(association, good) == 0x0000
    assert len(rows(site)) == 1


def test_a_request_that_cannot_be_recorded_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise LedgerUnavailable

    monkeypatch.setattr(CommitmentRequests, "register", refuse)
    with asking(site.port) as association:
        assert ask(association, request(generate_uid(), references(chest()))) == 0x0213


def test_an_answer_to_a_transaction_that_is_not_ours_is_refused(site: Site) -> None:
    with asking(site.port) as association:
        information = request(generate_uid(), references(chest()))
        status, _ = cast(Any, association).send_n_event_report(
            information, 1, StorageCommitmentPushModel, WELL_KNOWN_INSTANCE
        )
    assert status.Status == 0x0115


def test_a_service_that_the_class_does_not_have_ends_the_association_and_leaves_nothing_behind(site: Site) -> None:
    with asking(site.port) as association:
        association.send_n_get([], StorageCommitmentPushModel, WELL_KNOWN_INSTANCE)
        wait_until(lambda: not association.is_established, "the association ends")
    with asking(site.port) as association:
        assert ask(association, request(generate_uid(), references(chest()))) == 0x0000


@pytest.mark.proves(Invariant.COMMITMENT_REQUESTS_BOUNDED)
@pytest.mark.parametrize("number", [MOST_REFERENCES + 1, 100_000])
def test_a_request_about_more_instances_than_any_study_has_is_refused_and_the_association_goes_on(
    site: Site, number: int
) -> None:
    uids = [f"2.25.{10**30 + index}" for index in range(number)]
    with raw(site) as association:
        association.request(action_command(), b"".join(information("1.2.3", uids)), 1)
        assert association.message().number(0x0900) == 0x0213
        assert not rows(site)
        association.request(action_command(), b"".join(information("1.2.3", uids[:MOST_REFERENCES])), 1)
        assert association.message().number(0x0900) == 0x0000
    assert len(rows(site)[0].referenced) == MOST_REFERENCES


def test_an_answer_that_is_larger_than_any_of_ours_is_refused_and_the_association_goes_on(site: Site) -> None:
    data = b"".join(information("1.2.3", [f"2.25.{10**30 + index}" for index in range(20_000)]))
    with raw(site) as association:
        association.request(event_command(), data, 1)
        assert association.message().number(0x0900) == 0x0213
        association.request(echo_command(), None, 3)
        assert association.message().number(0x0900) == 0x0000


def test_a_modality_that_asks_without_an_end_and_hears_nothing_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.dicom.commitment.listening._MOST_HERE", 3)
    site.listener._commitment.patience = 60.0
    with raw(site) as association:
        statuses = []
        for _ in range(5):  # the same one each time: one row, but an answer for each
            association.request(action_command(), b"".join(information("1.2.3", ["1.2.4"])), 1)
            statuses.append(association.message().number(0x0900))
    assert statuses == [0x0000] * 3 + [0x0213] * 2
    assert len(rows(site)) == 1


def test_answers_that_come_all_at_once_are_taken_one_after_the_other(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pynetdicom would start a thread for each."""
    go_on, began = threading.Event(), threading.Event()

    def wait(*_: object) -> None:
        began.set()
        assert go_on.wait(20)

    monkeypatch.setattr(site.listener._commitment._commitments, "answer", wait)
    with raw(site) as association:
        before = threading.active_count()
        data = b"".join(information("1.2.3", ["1.2.4"]))
        for _ in range(50):
            association.request(event_command(), data, 1)
        assert began.wait(20)
        time.sleep(0.3)
        during = threading.active_count()
        go_on.set()
        assert [association.message().number(0x0900) for _ in range(50)] == [0x0115] * 50
    assert during - before <= 2


def test_a_peer_that_answers_without_a_status_is_told_of_and_harms_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with raw(site) as association:
        association.request(action_command(), b"".join(information("1.2.3", ["1.2.4"])), 1)
        assert association.message().number(0x0900) == 0x0000
        told = association.message()
        assert told.number(0x0100) == N_EVENT_REPORT
        association.request(event_response(told.number(0x0110) or 0, None), None, 1)
        wait_until(lambda: "a peer answered N-EVENT-REPORT with no status" in caplog.text, "it is told", 10)
        association.request(echo_command(), None, 3)
        assert association.message().number(0x0900) == 0x0000
    assert rows(site)[0].state == CommitmentState.WAITING


def raw(site: Site) -> RawAssociation:
    """Associate for storage commitment in both roles, and for C-ECHO."""
    contexts = [(1, COMMITMENT, (EXPLICIT,)), (3, VERIFICATION, (EXPLICIT,))]
    return RawAssociation(site.port, contexts, calling="MODALITY", roles=(COMMITMENT,))


def test_an_instance_that_is_both_held_and_failed_counts_as_failed() -> None:
    information = request(generate_uid(), [Reference("1.2.3", ABSENT)])
    assert parse_request(information)[1] == [Reference("1.2.3", ABSENT)]
    information.FailedSOPSequence = information.ReferencedSOPSequence
    information.FailedSOPSequence[0].FailureReason = 0x0112
    said = parse_answer(information)
    assert (said.held, said.failed) == (frozenset(), {ABSENT: 0x0112})
