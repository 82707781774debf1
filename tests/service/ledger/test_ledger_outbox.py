"""Reports, the outbox and the remedies."""

import pytest
from sqlalchemy import select

from service.ledger import NewReport, SentObject
from service.ledger.database import reading
from service.ledger.records import DeliveryRecord
from service.vocabulary.facts import Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.states import DeliveryState, State
from tests.service.sample_site import LEASE, SampleSite


def _state(site: SampleSite) -> State:
    (state,) = site.ledger.inspection.status().states
    return state


def test_an_image_is_delivered_once_every_destination_confirmed_every_report(site: SampleSite) -> None:
    site.receive()
    site.infer(0.9)
    site.report("pacs", "archive")
    site.deliver("pacs")
    assert _state(site) is State.REPORTED

    site.deliver("archive")

    assert _state(site) is State.DELIVERED


def test_a_dead_delivery_fails_the_image_and_a_retry_brings_it_back(site: SampleSite) -> None:
    site.receive()
    site.infer(0.1)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.DEAD)
    assert _state(site) is State.FAILED

    assert site.ledger.remedies.retry() == 1
    site.deliver("pacs")

    assert _state(site) is State.DELIVERED
    assert site.ledger.remedies.retry() == 0


def test_nothing_of_a_superseded_version_is_sent_any_more(site: SampleSite) -> None:
    first = site.receive()
    site.infer(0.4)
    site.report("pacs")
    site.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=str(first.StudyInstanceUID))
    site.infer(0.9, superseding=Supersession.IMAGE_REPLACED)

    assert site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE) == []
    assert site.ledger.inspection.status().outbox == {"pacs": {DeliveryState.WITHDRAWN: 1}}


@pytest.mark.parametrize("analysed", [False, True])
def test_what_was_withdrawn_and_sent_all_the_same_is_not_sent_again_where_it_is_lost(
    site: SampleSite, analysed: bool
) -> None:
    """That the image was not analysed would arrive after its result."""
    outbox = site.ledger.outbox
    site.receive()
    site.fail("out of memory")
    site.report("pacs")
    (under_way,) = outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    site.ledger.remedies.retry()
    outbox.save_sent([SentObject(under_way, 0x0000, confirm_at=site.now)])
    if analysed:
        site.now += LEASE
        site.infer(0.1)
        (due,) = site.ledger.reporting.claim("builder", 1, LEASE)
        site.ledger.reporting.save(due, [site._report("other", due.object_key, "text_sr", Outcome.NEGATIVE, ("pacs",))])
    (asked,) = outbox.claim("courier", "pacs", DeliveryState.SENT, 1, LEASE)
    outbox.save_missing(asked, site.now)
    sent = [row.outcome for row in outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE)]
    assert sent == ([Outcome.NEGATIVE] if analysed else [])


def test_a_report_that_is_given_up_is_built_on_a_retry_though_an_earlier_one_was_built(site: SampleSite) -> None:
    site.receive()
    site.fail("out of memory")
    site.report("pacs")
    site.ledger.remedies.retry()
    site.infer(0.1)
    (due,) = site.ledger.reporting.claim("builder", 1, LEASE)
    site.ledger.reporting.save_failure(due, "MemoryError", site.now, 1)
    assert _state(site) is State.FAILED

    assert site.ledger.remedies.retry() == 1
    (again,) = site.ledger.reporting.claim("builder", 1, LEASE)
    assert again.prediction is not None


def test_what_is_withdrawn_before_it_is_sent_was_never_tried(site: SampleSite) -> None:
    """What takes its place names it as no predecessor."""
    site.receive()
    site.fail("out of memory")
    site.report("pacs")
    (due,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    site.ledger.remedies.retry()
    site.ledger.outbox.release(due)
    site.infer(0.1)
    (due_report,) = site.ledger.reporting.claim("builder", 1, LEASE)
    assert due_report.predecessors == ()


@pytest.mark.parametrize("ends", ["given up", "put off"])
def test_what_is_withdrawn_while_it_is_under_way_is_never_sent(site: SampleSite, ends: str) -> None:
    outbox = site.ledger.outbox
    site.receive()
    site.fail("out of memory")
    site.report("pacs")
    (under_way,) = outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    assert site.ledger.remedies.retry() == 1, "the image is analysed again, and that it was not holds no more"

    if ends == "given up":
        outbox.save_dead(under_way, 0xA900, "refused")
    else:
        outbox.save_retry(under_way, site.now, None, "away")

    assert site.ledger.remedies.retry() == 0
    with reading(site.engine) as session:
        (row,) = session.scalars(select(DeliveryRecord)).all()
        assert (row.state, row.lease_owner, row.next_attempt_at) == (DeliveryState.WITHDRAWN, None, None)


def test_what_a_person_gives_up_while_it_is_sent_is_recorded_as_sent(site: SampleSite) -> None:
    site.receive()
    site.infer(0.1)
    site.report("pacs")
    (under_way,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    assert site.ledger.abandonment.abandon("pacs") == 1
    assert site.ledger.outbox.save_sent([SentObject(under_way, 0x0000)]) == ()
    assert site.ledger.inspection.status().outbox == {"pacs": {DeliveryState.SENT: 1}}


def test_a_failure_keeps_its_reason_when_its_report_is_built(site: SampleSite) -> None:
    dataset = site.receive()
    site.fail("the pixel data cannot be decoded")
    site.report("pacs")

    instance = site.ledger.inspection.instance(str(dataset.SOPInstanceUID))
    assert instance is not None
    assert instance.detail == "the pixel data cannot be decoded"


@pytest.mark.parametrize("way", ["superseded", "retried"])
def test_an_image_that_is_not_analysed_is_told_once_the_one_that_was_told_of_is_analysed(
    site: SampleSite, way: str
) -> None:
    first = site.receive()
    study = str(first.StudyInstanceUID)
    site.fail("out of memory")
    site.report("pacs")
    site.deliver("pacs")
    if way == "superseded":
        site.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=study)
    else:
        site.ledger.remedies.retry()
    site.infer(0.1, superseding=Supersession.ANALYSED_AGAIN)
    site.report("pacs")
    site.deliver("pacs")

    site.receive(study_instance_uid=study)
    site.fail("out of memory")
    site.report("pacs")

    (told,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE)
    assert told.outcome == Outcome.NOT_ANALYSED.value


def test_a_report_that_says_the_same_again_keeps_its_first_bytes(site: SampleSite) -> None:
    """An image that fails twice alike, with nobody to tell, gives one and the same UID twice."""
    site.receive()
    for _ in range(2):
        site.fail("out of memory")
        (due,) = site.ledger.reporting.claim("builder", 1, LEASE)
        report = site._report(due.sop_instance_uid, due.object_key, "text_sr", Outcome.NOT_ANALYSED, ())
        site.ledger.reporting.save(due, [report])
        assert site.ledger.remedies.retry() == 1

    found = site.ledger.inspection.report(report.sop_instance_uid)
    assert found is not None
    assert found.object_key == report.object_key


@pytest.mark.parametrize("before", ["not in the settings", "withdrawn unsent", "given up by a person"])
def test_a_report_that_is_known_goes_to_a_destination_that_it_has_not_reached(site: SampleSite, before: str) -> None:
    site.receive()
    site.fail("out of memory")
    (due,) = site.ledger.reporting.claim("builder", 1, LEASE)
    destinations = () if before == "not in the settings" else ("pacs",)
    report = site._report(due.sop_instance_uid, due.object_key, "text_sr", Outcome.NOT_ANALYSED, destinations)
    site.ledger.reporting.save(due, [report])
    if before == "given up by a person":
        assert site.ledger.abandonment.abandon("pacs") == 1
    site.ledger.remedies.retry()
    assert not site.ledger.outbox.any_due("pacs")
    site.fail("out of memory")
    (due,) = site.ledger.reporting.claim("builder", 1, LEASE)
    again = NewReport(**{**vars(report), "destinations": ("pacs",)})
    site.ledger.reporting.save(due, [again])

    (delivery,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 10, LEASE)
    assert delivery.sop_instance_uid == report.sop_instance_uid
