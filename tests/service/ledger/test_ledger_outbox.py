"""Reports, the outbox and the remedies."""

import pytest

from service.ledger import NewReport
from service.vocabulary.facts import Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.states import DeliveryState, State
from tests.service.ward import LEASE, Ward


def _state(ward: Ward) -> State:
    (state,) = ward.ledger.inspection.status().states
    return state


def test_an_image_is_delivered_once_every_destination_confirmed_every_report(ward: Ward) -> None:
    ward.receive()
    ward.infer(0.9)
    ward.report("pacs", "archive")
    ward.deliver("pacs")
    assert _state(ward) is State.REPORTED

    ward.deliver("archive")

    assert _state(ward) is State.DELIVERED


def test_a_dead_delivery_fails_the_image_and_a_retry_brings_it_back(ward: Ward) -> None:
    ward.receive()
    ward.infer(0.1)
    ward.report("pacs")
    ward.deliver("pacs", DeliveryState.DEAD)
    assert _state(ward) is State.FAILED

    assert ward.ledger.remedies.retry() == 1
    ward.deliver("pacs")

    assert _state(ward) is State.DELIVERED
    assert ward.ledger.remedies.retry() == 0


def test_nothing_of_a_superseded_version_is_sent_any_more(ward: Ward) -> None:
    first = ward.receive()
    ward.infer(0.4)
    ward.report("pacs")
    ward.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=str(first.StudyInstanceUID))
    ward.infer(0.9, superseding=Supersession.IMAGE_REPLACED)

    assert ward.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE) == []
    assert ward.ledger.inspection.status().outbox == {"pacs": {DeliveryState.WITHDRAWN: 1}}


def test_a_failure_keeps_its_reason_when_its_report_is_built(ward: Ward) -> None:
    dataset = ward.receive()
    ward.fail("the pixel data cannot be decoded")
    ward.report("pacs")

    instance = ward.ledger.inspection.instance(str(dataset.SOPInstanceUID))
    assert instance is not None
    assert instance.detail == "the pixel data cannot be decoded"


@pytest.mark.parametrize("way", ["superseded", "retried"])
def test_an_image_that_is_not_analysed_is_told_once_the_one_that_was_told_of_is_analysed(ward: Ward, way: str) -> None:
    first = ward.receive()
    study = str(first.StudyInstanceUID)
    ward.fail("out of memory")
    ward.report("pacs")
    ward.deliver("pacs")
    if way == "superseded":
        ward.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=study)
    else:
        ward.ledger.remedies.retry()
    ward.infer(0.1, superseding=Supersession.ANALYSED_AGAIN)
    ward.report("pacs")
    ward.deliver("pacs")

    ward.receive(study_instance_uid=study)
    ward.fail("out of memory")
    ward.report("pacs")

    (told,) = ward.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE)
    assert told.outcome == Outcome.NOT_ANALYSED.value


def test_a_report_that_says_the_same_again_keeps_its_first_bytes(ward: Ward) -> None:
    """An image that fails twice alike, with nobody to tell, gives one and the same UID twice."""
    ward.receive()
    for _ in range(2):
        ward.fail("out of memory")
        (due,) = ward.ledger.reporting.claim("builder", 1, LEASE)
        report = ward._report(due.sop_instance_uid, due.object_key, "text_sr", Outcome.NOT_ANALYSED, ())
        ward.ledger.reporting.save(due, [report])
        assert ward.ledger.remedies.retry() == 1

    found = ward.ledger.inspection.report(report.sop_instance_uid)
    assert found is not None
    assert found.object_key == report.object_key


def test_a_report_that_is_known_goes_to_a_destination_that_is_new(ward: Ward) -> None:
    ward.receive()
    ward.fail("out of memory")
    (due,) = ward.ledger.reporting.claim("builder", 1, LEASE)
    report = ward._report(due.sop_instance_uid, due.object_key, "text_sr", Outcome.NOT_ANALYSED, ())
    ward.ledger.reporting.save(due, [report])
    ward.ledger.remedies.retry()
    ward.fail("out of memory")
    (due,) = ward.ledger.reporting.claim("builder", 1, LEASE)
    again = NewReport(**{**vars(report), "destinations": ("pacs",)})
    ward.ledger.reporting.save(due, [again])

    (delivery,) = ward.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE)
    assert delivery.sop_instance_uid == report.sop_instance_uid
