"""Workers that write about the same image at the same moment, on PostgreSQL: none waits for another in a circle."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from service.ledger import Arrival, ClaimedInstance, SentObject
from service.vocabulary.facts import Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.orders import HeardMessage, HeardOrder, OrderedPatient, OrderEvent
from service.vocabulary.states import DeliveryState, Priority, State
from service.vocabulary.uids import derive_uid
from service.vocabulary.work_items import WorkItemState, WorkItemStatus
from tests import phantoms
from tests.invariants import Invariant
from tests.service.sample_site import LEASE, SampleSite, identity_of, prediction

ROUNDS = 10


@pytest.fixture
def site(tmp_path: Path, postgres_url: str) -> Iterator[SampleSite]:
    """Give an empty site on PostgreSQL."""
    site = SampleSite(tmp_path / "data", postgres_url)
    yield site
    site.close()


def at_once(*work: Callable[[], object]) -> None:
    """Do it all at the same moment; raise what one of them raises."""
    barrier = threading.Barrier(len(work))

    def begin(action: Callable[[], object]) -> None:
        barrier.wait(10)
        action()

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(begin, action) for action in work]:
            done.result(30)


def save_replaced(site: SampleSite, claim: ClaimedInstance) -> None:
    """Keep the result of an image that takes another's place."""
    site.ledger.results.save_prediction(
        claim,
        prediction(0.9),
        pixel_digest="00" * 32,
        flags=(),
        priority=Priority.URGENT,
        superseding_reason=Supersession.IMAGE_REPLACED,
    )


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_couriers_of_two_destinations_settle_one_image_together(site: SampleSite) -> None:
    outbox, names = site.ledger.outbox, ("pacs", "archive")
    for _ in range(ROUNDS):
        site.receive()
        site.infer(0.1)
        site.report(*names)
        sent = [outbox.claim(f"courier {name}", name, DeliveryState.PENDING, 1, LEASE)[0] for name in names]
        at_once(*(lambda due=due: outbox.save_sent([SentObject(due, 0x0000, confirm_at=site.now)]) for due in sent))
        held = [outbox.claim(f"courier {name}", name, DeliveryState.SENT, 1, LEASE)[0] for name in names]
        at_once(*(lambda due=due: outbox.save_confirmed([due]) for due in held))
    assert site.ledger.inspection.status().states == {State.DELIVERED: ROUNDS}


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_a_person_gives_a_destination_up_while_couriers_send(site: SampleSite) -> None:
    outbox, names = site.ledger.outbox, ("pacs", "former")
    for _ in range(ROUNDS):
        site.receive()
        site.infer(0.1)
        site.report(*names)
        sent = [outbox.claim(f"courier {name}", name, DeliveryState.PENDING, 1, LEASE)[0] for name in names]
        at_once(
            lambda: site.ledger.abandonment.abandon("former"),
            *(lambda due=due: outbox.save_sent([SentObject(due, 0x0000)]) for due in sent),
        )
    view = site.ledger.inspection.status()
    assert view.states == {State.DELIVERED: ROUNDS}
    assert view.outbox == {name: {DeliveryState.SENT: ROUNDS} for name in names}, "that it was sent is a fact"


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_an_image_that_comes_again_while_its_result_is_saved_waits_for_nobody(site: SampleSite) -> None:
    results, admission = site.ledger.results, site.ledger.admission
    for _ in range(ROUNDS):
        dataset = site.receive()
        claim = site.claim()
        again = Arrival(identity_of(dataset), "1.2.840.10008.1.2.1", site.store.put(phantoms.encoded(dataset)), "AGAIN")
        at_once(
            lambda claim=claim: results.save_prediction(  # type: ignore[misc]
                claim, prediction(0.9), pixel_digest="00" * 32, flags=(), priority=Priority.URGENT
            ),
            lambda again=again: admission.register(again),  # type: ignore[misc]
        )
    assert site.ledger.inspection.status().states == {State.INFERRED: ROUNDS}


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_a_version_that_supersedes_one_that_is_being_sent_waits_for_nobody(site: SampleSite) -> None:
    outbox = site.ledger.outbox
    for number in range(ROUNDS):
        first = site.receive()
        site.infer(0.1)
        site.report(f"pacs {number}")
        (due,) = outbox.claim("courier", f"pacs {number}", DeliveryState.PENDING, 1, LEASE)
        site.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=str(first.StudyInstanceUID))
        claim = site.claim()
        at_once(
            partial(save_replaced, site, claim),
            lambda due=due: outbox.save_sent([SentObject(due, 0x0000, confirm_at=site.now)]),  # type: ignore[misc]
        )
    assert site.ledger.inspection.status().states[State.SUPERSEDED] == ROUNDS


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_couriers_settle_documents_about_one_study_while_its_images_are_replaced(site: SampleSite) -> None:
    """What is written about a document concerns all images of its study."""
    rounds = 3
    outbox, reporting, names = site.ledger.outbox, site.ledger.reporting, ("one", "two")
    for number in range(rounds):
        study = f"1.2.3.{number}"
        images = [site.receive(study_instance_uid=study) for _ in range(2)]
        for _ in images:
            site.infer(0.1)
            (due,) = reporting.claim("builder", 1, LEASE)
            document = site._report(due.sop_instance_uid, due.object_key, "study_text_sr", Outcome.NEGATIVE, names)
            reporting.save(due, [document], study=reporting.study(due))
            sent = [outbox.claim(f"courier {name}", name, DeliveryState.PENDING, 1, LEASE)[0] for name in names]
        site.receive(study_instance_uid=study, sop_instance_uid=str(images[0].SOPInstanceUID))
        claim = site.claim()
        at_once(
            *(lambda due=due: outbox.save_sent([SentObject(due, 0x0000)]) for due in sent),
            partial(save_replaced, site, claim),
        )
        (due,) = reporting.claim("builder", 1, LEASE)
        reporting.save(due, [], study=reporting.study(due))
    states = site.ledger.inspection.status().states
    assert states == {State.DELIVERED: 2 * rounds, State.SUPERSEDED: rounds}


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_images_and_orders_of_studies_that_share_accession_numbers_wait_for_nobody_in_a_circle(
    site: SampleSite,
) -> None:
    patient: dict[str, Any] = {"patient_id": "P-1", "patient_name": "Lam^Anh"}
    said = partial(HeardOrder, OrderEvent.ORDERED, OrderedPatient((("P-1", ()),)), priority=Priority.URGENT)
    uids = [derive_uid("study", "one"), derive_uid("study", "other")]
    for accession in ("A", "B"):
        for uid in uids:  # both numbers are of both studies
            site.receive(study_instance_uid=uid, accession_number=accession, **patient)

    def image(uid: str, accession: str) -> Arrival:
        dataset = phantoms.chest(next(seeds), study_instance_uid=uid, accession_number=accession, **patient)
        return Arrival(identity_of(dataset), "1.2.840.10008.1.2.1", site.store.put(phantoms.encoded(dataset)), "CR")

    seeds = count(1000)
    for number in range(4):
        # Of no study that is there: so the next image looks at all that have its accession number.
        for accession in ("A", "B"):
            waiting = said(study_instance_uid=f"2.25.{number}", accession_number=accession)
            site.ledger.orders.hear(HeardMessage("RIS", f"{accession}{number}", f"{number:064x}", (waiting,)))
        heard = [
            HeardMessage("RIS", f"{name}{number}", f"{number:064x}", tuple(said(accession_number=one) for one in name))
            for name in ("AB", "BA")
        ]
        at_once(
            partial(site.ledger.admission.register, image(uids[0], "A")),
            partial(site.ledger.admission.register, image(uids[1], "B")),
            *(partial(site.ledger.orders.hear, one) for one in heard),
            partial(site.ledger.remedies.release, uids[1]),
        )
    assert site.ledger.inspection.status().states == {State.RECEIVED: 4 + 2 * 4}


@pytest.mark.proves(Invariant.NO_CIRCULAR_WAIT)
def test_one_of_two_workstations_claims_a_reading_while_others_look_at_the_list_and_its_results_come(
    site: SampleSite,
) -> None:
    work = site.ledger.work_items
    for _ in range(ROUNDS):
        site.receive()
        answers: list[int] = []

        def claim(key: str, uid: str, answers: list[int] = answers) -> None:
            answers.append(work.change(uid, WorkItemState.IN_PROGRESS, key, f"WS{key[-1]}").status)

        at_once(*(lambda: work.of_studies(work.offered()) for _ in range(2)))  # the same one is made by both
        uid = work.of_studies(work.offered())[-1].sop_instance_uid
        at_once(
            partial(claim, "1.2.1", uid),
            partial(claim, "1.2.2", uid),
            lambda: work.of_studies(work.offered()),
            lambda: site.infer(0.9),
        )
        assert sorted(answers) == [WorkItemStatus.SUCCESS, WorkItemStatus.WRONG_TRANSACTION_UID]
        found = work.find(uid)
        assert found is not None
        key = f"1.2.{(found.performer or '')[-1]}"
        assert work.change(uid, WorkItemState.COMPLETED, key, "WS").status == WorkItemStatus.SUCCESS
