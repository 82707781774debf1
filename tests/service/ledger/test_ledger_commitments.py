"""The two desks of storage commitment, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.ledger import DueDelivery, commitment_quota
from service.vocabulary.commitment import FailureReason, Reference
from service.vocabulary.errors import TooManyWaiting
from service.vocabulary.states import CommitmentState, DeliveryState, State
from tests.invariants import Invariant
from tests.service.ward import LEASE, Ward

REFERENCES = [Reference("1.2.4", "1.2.5"), Reference("1.2.4", "1.2.6")]


@pytest.fixture(params=["sqlite", "postgresql"])
def ward(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ward]:
    """Give an empty ward on each kind of database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    ward = Ward(tmp_path / "data", url)
    yield ward
    ward.close()


def sent(ward: Ward) -> list[DueDelivery]:
    """Return the two reports of one image, sent and held for their confirmation."""
    ward.receive()
    ward.infer(0.9)
    ward.report("pacs")
    ward.deliver("pacs", DeliveryState.SENT)
    return ward.ledger.outbox.claim("courier", "pacs", DeliveryState.SENT, 10, LEASE)


def test_an_answer_confirms_what_is_held_and_makes_due_what_is_not(ward: Ward) -> None:
    held, missing = sent(ward)
    desk = ward.ledger.commitments
    desk.open("1.2.3", "pacs", [held, missing], ward.now + timedelta(minutes=5))
    assert ward.ledger.outbox.claim("courier", "pacs", DeliveryState.SENT, 10, LEASE) == []

    answered = desk.answer(
        "1.2.3", {held.sop_instance_uid}, {missing.sop_instance_uid: FailureReason.NO_SUCH_INSTANCE}, "ARCHIVE"
    )

    assert answered is not None
    assert (answered.confirmed, answered.failed) == (1, 1)
    (due,) = ward.ledger.outbox.claim("courier", "pacs", DeliveryState.SENT, 10, LEASE)
    assert (due.sop_instance_uid, due.answers) == (missing.sop_instance_uid, (FailureReason.NO_SUCH_INSTANCE,))
    assert set(ward.ledger.inspection.status().states) == {State.REPORTED}


def test_a_request_is_claimed_once_and_again_when_its_lease_is_over(ward: Ward) -> None:
    desk = ward.ledger.commitment_requests
    number = desk.register("MODALITY", "1.2.3", REFERENCES, ward.now)
    assert desk.register("MODALITY", "1.2.3", list(reversed(REFERENCES)), ward.now) == number
    assert desk.register("ANOTHER", "1.2.3", REFERENCES, ward.now) != number

    (due,) = desk.claim("one", "MODALITY", 10, LEASE)
    assert (due.references, due.is_duplicate) == (tuple(REFERENCES), False)
    assert desk.claim("two", "MODALITY", 10, LEASE) == []
    assert desk.claim_one("two", number, LEASE) is None
    ward.now += 2 * LEASE
    (again,) = desk.claim("two", "MODALITY", 10, LEASE)
    desk.save_answered(again, "none held")

    assert desk.next_due("MODALITY") is None
    assert ward.ledger.inspection.status().commitment_requests == {
        CommitmentState.ANSWERED: 1,
        CommitmentState.WAITING: 1,
    }


@pytest.mark.proves(Invariant.COMMITMENT_REQUESTS_BOUNDED)
def test_nobody_whom_the_settings_do_not_name_fills_the_database_or_takes_a_peer_s_place(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_quota, "MOST_OF_OTHERS", 3)
    desk, peers, soon = ward.ledger.commitment_requests, {"MODALITY"}, ward.now + timedelta(seconds=2)
    for number in range(3):
        desk.register(f"STRANGER{number}", "1.2.3", REFERENCES, soon, peers)
    with pytest.raises(TooManyWaiting):
        desk.register("STRANGER9", "1.2.3", REFERENCES, soon, peers)
    desk.register("STRANGER1", "1.2.3", REFERENCES, soon, peers)  # the same one again
    assert desk.register("MODALITY", "1.2.3", REFERENCES, soon, peers)

    # On its association, the last one has an answer under way; the time of the others is over.
    ward.now += timedelta(seconds=3)
    (under_way,) = desk.claim("listener", "STRANGER0", 1, LEASE)
    for number in range(10, 30):
        desk.register(f"STRANGER{number}", "1.2.3", REFERENCES, ward.now, peers)
    desk.save_answered(under_way, "none held")
    assert ward.ledger.inspection.status().commitment_requests == {
        CommitmentState.ANSWERED: 1,
        CommitmentState.WAITING: 3,
    }
    assert desk.claim("worker", "MODALITY", 10, LEASE)


def test_of_a_peer_the_oldest_that_are_answered_make_room_and_none_that_waits(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commitment_quota, "MOST_OF_A_PEER", 3)
    desk, peers = ward.ledger.commitment_requests, {"MODALITY"}
    gone = desk.register("MODALITY", "1.2.0", REFERENCES, ward.now, peers)
    (due,) = desk.claim("worker", "MODALITY", 1, LEASE)
    desk.save_answered(due, "none held")
    waiting = [desk.register("MODALITY", f"1.2.{number}", REFERENCES, ward.now, peers) for number in range(1, 4)]
    ward.now += timedelta(days=30)
    with pytest.raises(TooManyWaiting):
        desk.register("MODALITY", "1.2.9", REFERENCES, ward.now, peers)
    assert [due.id for due in desk.claim("worker", "MODALITY", 10, LEASE)] == waiting
    desk.hand_over("listener", gone)


def test_the_latest_version_says_what_is_held(ward: Ward) -> None:
    first = ward.receive()
    uid = str(first.SOPInstanceUID)
    before = ward.ledger.commitment_requests.holdings([uid])[uid]
    ward.receive(sop_instance_uid=uid, study_instance_uid=str(first.StudyInstanceUID))
    after = ward.ledger.commitment_requests.holdings([uid, *(f"1.2.{number}" for number in range(600))])
    assert list(after) == [uid]
    assert after[uid].object_key != before.object_key
