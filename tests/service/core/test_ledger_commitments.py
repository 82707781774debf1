"""The two desks of storage commitment, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.core.commitment import FailureReason, Reference
from service.core.ledger import DueDelivery
from service.core.states import CommitmentState, DeliveryState, State
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


def test_the_latest_version_says_what_is_held(ward: Ward) -> None:
    first = ward.receive()
    uid = str(first.SOPInstanceUID)
    before = ward.ledger.commitment_requests.holdings([uid])[uid]
    ward.receive(sop_instance_uid=uid, study_instance_uid=str(first.StudyInstanceUID))
    after = ward.ledger.commitment_requests.holdings([uid, *(f"1.2.{number}" for number in range(600))])
    assert list(after) == [uid]
    assert after[uid].object_key != before.object_key
