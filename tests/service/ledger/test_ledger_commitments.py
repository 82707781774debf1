"""The two parts of storage commitment, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.ledger import DueDelivery, commitment_quota
from service.vocabulary.commitment import FailureReason, Reference
from service.vocabulary.errors import TooManyWaiting
from service.vocabulary.states import CommitmentState, DeliveryState, State
from tests.invariants import Invariant
from tests.service.sample_site import LEASE, SampleSite

REFERENCES = [Reference("1.2.4", "1.2.5"), Reference("1.2.4", "1.2.6")]


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty site on each kind of database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    site = SampleSite(tmp_path / "data", url)
    yield site
    site.close()


def sent(site: SampleSite) -> list[DueDelivery]:
    """Return the two reports of one image, sent and held for their confirmation."""
    site.receive()
    site.infer(0.9)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.SENT)
    return site.ledger.outbox.claim("courier", "pacs", DeliveryState.SENT, 10, LEASE)


def test_an_answer_confirms_what_is_held_and_makes_due_what_is_not(site: SampleSite) -> None:
    held, missing = sent(site)
    part = site.ledger.commitments
    part.open("1.2.3", "pacs", [held, missing], site.now + timedelta(minutes=5))
    assert site.ledger.outbox.claim("courier", "pacs", DeliveryState.SENT, 10, LEASE) == []

    answered = part.answer(
        "1.2.3", {held.sop_instance_uid}, {missing.sop_instance_uid: FailureReason.NO_SUCH_INSTANCE}, "ARCHIVE"
    )

    assert answered is not None
    assert (answered.confirmed, answered.failed) == (1, 1)
    (due,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.SENT, 10, LEASE)
    assert (due.sop_instance_uid, due.answers) == (missing.sop_instance_uid, (FailureReason.NO_SUCH_INSTANCE,))
    assert set(site.ledger.inspection.status().states) == {State.REPORTED}


def test_a_request_is_claimed_once_and_again_when_its_lease_is_over(site: SampleSite) -> None:
    part = site.ledger.commitment_requests
    number = part.register("MODALITY", "1.2.3", REFERENCES, site.now)
    assert part.register("MODALITY", "1.2.3", list(reversed(REFERENCES)), site.now) == number
    assert part.register("ANOTHER", "1.2.3", REFERENCES, site.now) != number

    (due,) = part.claim("one", "MODALITY", 10, LEASE)
    assert (due.references, due.is_duplicate) == (tuple(REFERENCES), False)
    assert part.claim("two", "MODALITY", 10, LEASE) == []
    assert part.claim_one("two", number, LEASE) is None
    site.now += 2 * LEASE
    (again,) = part.claim("two", "MODALITY", 10, LEASE)
    part.save_answered(again, "none held")

    assert part.next_due("MODALITY") is None
    assert site.ledger.inspection.status().commitment_requests == {
        CommitmentState.ANSWERED: 1,
        CommitmentState.WAITING: 1,
    }


@pytest.mark.proves(Invariant.COMMITMENT_REQUESTS_BOUNDED)
def test_nobody_whom_the_settings_do_not_name_fills_the_database_or_takes_a_peer_s_place(
    site: SampleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_quota, "MOST_OF_OTHERS", 3)
    part, peers, soon = site.ledger.commitment_requests, {"MODALITY"}, site.now + timedelta(seconds=2)
    for number in range(3):
        part.register(f"STRANGER{number}", "1.2.3", REFERENCES, soon, peers)
    with pytest.raises(TooManyWaiting):
        part.register("STRANGER9", "1.2.3", REFERENCES, soon, peers)
    part.register("STRANGER1", "1.2.3", REFERENCES, soon, peers)  # the same one again
    assert part.register("MODALITY", "1.2.3", REFERENCES, soon, peers)

    # On its association, the last one has an answer under way; the time of the others is over.
    site.now += timedelta(seconds=3)
    (under_way,) = part.claim("listener", "STRANGER0", 1, LEASE)
    for number in range(10, 30):
        part.register(f"STRANGER{number}", "1.2.3", REFERENCES, site.now, peers)
    part.save_answered(under_way, "none held")
    assert site.ledger.inspection.status().commitment_requests == {
        CommitmentState.ANSWERED: 1,
        CommitmentState.WAITING: 3,
    }
    assert part.claim("worker", "MODALITY", 10, LEASE)


def test_of_a_peer_the_oldest_that_are_answered_make_room_and_none_that_waits(
    site: SampleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_quota, "MOST_OF_A_PEER", 3)
    part, peers = site.ledger.commitment_requests, {"MODALITY"}
    gone = part.register("MODALITY", "1.2.0", REFERENCES, site.now, peers)
    (due,) = part.claim("worker", "MODALITY", 1, LEASE)
    part.save_answered(due, "none held")
    waiting = [part.register("MODALITY", f"1.2.{number}", REFERENCES, site.now, peers) for number in range(1, 4)]
    site.now += timedelta(days=30)
    with pytest.raises(TooManyWaiting):
        part.register("MODALITY", "1.2.9", REFERENCES, site.now, peers)
    assert [due.id for due in part.claim("worker", "MODALITY", 10, LEASE)] == waiting
    part.hand_over("listener", gone)


def test_the_latest_version_says_what_is_held(site: SampleSite) -> None:
    first = site.receive()
    uid = str(first.SOPInstanceUID)
    before = site.ledger.commitment_requests.holdings([uid])[uid]
    site.receive(sop_instance_uid=uid, study_instance_uid=str(first.StudyInstanceUID))
    after = site.ledger.commitment_requests.holdings([uid, *(f"1.2.{number}" for number in range(600))])
    assert list(after) == [uid]
    assert after[uid].object_key != before.object_key
