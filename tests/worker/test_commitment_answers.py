"""A peer that asked and hung up is called back, as often as it takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset

from service.dicom.commitment.associations import TellingAssociation
from service.ledger.records import CommitmentRequestRecord
from service.settings import Settings
from service.vocabulary.commitment import Reference
from service.vocabulary.states import CommitmentState
from tests.fakes import awaiting_answers
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.servers import free_port
from tests.worker.conftest import Gateway
from worker.commitment_answers import CommitmentAnswers

UID = "1.2.826.0.1.3680043.8.498.77"


def peer(port: int) -> dict[str, Any]:
    return {"ae_title": "MODALITY", "host": "127.0.0.1", "port": port, "connect_timeout": 2}


def asked(gateway: Any, port: int) -> tuple[Gateway, Dataset]:
    """Return a gateway with one image that a modality asks for."""
    made: Gateway = gateway(peers=[peer(port)])
    image = chest()
    made.receive(image)
    reference = Reference(str(image.SOPClassUID), str(image.SOPInstanceUID))
    made.ledger.commitment_requests.register("MODALITY", UID, [reference], made.clock())
    return made, image


def answering(made: Gateway, owner: str = "answers-1") -> CommitmentAnswers:
    return CommitmentAnswers(made.settings, made.settings.peers[0], made.ledger, made.store, owner, made.clock)


def row(made: Gateway) -> CommitmentRequestRecord:
    (found,) = made.rows(CommitmentRequestRecord)
    return found  # type: ignore[no-any-return]


def test_the_peer_is_called_back_in_the_role_of_the_scp(gateway: Any) -> None:
    with awaiting_answers() as answers:
        made, image = asked(gateway, answers.port)
        rounds = answering(made)
        assert rounds.step() == 1
        assert rounds.step() == 0
        assert answers.reasons() == {image.SOPInstanceUID: None}
        assert answers.taken[0][1].TransactionUID == UID
    assert row(made).state == CommitmentState.ANSWERED


@pytest.mark.proves(Invariant.COMMITTED_IS_HELD)
def test_a_peer_that_is_away_is_called_again_with_pauses_that_grow_by_whatever_worker_lives(gateway: Any) -> None:
    port = free_port()
    made, image = asked(gateway, port)
    answering(made).step()
    first = row(made).next_attempt_at
    assert first is not None
    assert "cannot be reached" in str(row(made).detail)
    made.clock.turn(seconds=3)
    answering(made).step()
    second = row(made).next_attempt_at
    assert second is not None
    assert second - made.clock() >= timedelta(seconds=2)
    assert row(made).attempts == 2
    assert answering(made).pause(60) > 1
    made.clock.turn(minutes=1)
    made.store.path(made.instances[0].object_key).unlink()  # what was held then may be gone by now
    with awaiting_answers(port) as answers:
        answering(made).step()
        assert answers.reasons() == {image.SOPInstanceUID: 0x0112}
    assert row(made).state == CommitmentState.ANSWERED


def test_a_peer_that_refuses_the_answer_is_called_again_and_given_up_in_the_end(gateway: Any) -> None:
    with awaiting_answers() as answers:
        answers.status = 0x0110
        made, image = asked(gateway, answers.port)
        answering(made).step()
        assert (row(made).state, row(made).detail) == (
            CommitmentState.WAITING,
            "the peer answered N-EVENT-REPORT with status 0x0110",
        )
        made.clock.turn(days=4)
        answering(made).step()
        assert row(made).state == CommitmentState.DEAD
        assert made.ledger.inspection.status().commitment_requests == {CommitmentState.DEAD: 1}
        answers.status = 0x0000
        assert made.ledger.remedies.retry() == 1
        answering(made).step()
        assert answers.reasons() == {image.SOPInstanceUID: None}


def test_an_answer_that_another_worker_is_giving_is_left_to_it(gateway: Any) -> None:
    with awaiting_answers() as answers:
        made, _ = asked(gateway, answers.port)
        requests = made.ledger.commitment_requests
        (due,) = requests.claim("another", "MODALITY", 1, timedelta(minutes=2))
        requests.hand_over("listener-1", due.id)
        assert answering(made).step() == 0
        made.clock.turn(minutes=3)
        assert answering(made).step() == 1
    assert len(answers.taken) == 1


def test_a_slow_peer_and_a_second_worker_have_each_answer_given_once(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with awaiting_answers() as answers:
        made, image = asked(gateway, answers.port)
        references = [Reference(str(image.SOPClassUID), str(image.SOPInstanceUID))]
        for number in (1, 2):
            made.ledger.commitment_requests.register("MODALITY", f"{UID}.{number}", references, made.clock())
        tell, told = TellingAssociation.tell, []

        def tell_slowly(self: TellingAssociation, event_type: int, information: Dataset) -> None:
            told.append(str(information.TransactionUID))
            made.clock.turn(seconds=100)  # within a lease, and two are longer than one
            if len(told) == 2:
                answering(made, "answers-2").step()  # finds the third: its lease has ended
            tell(self, event_type, information)

        monkeypatch.setattr(TellingAssociation, "tell", tell_slowly)
        answering(made).step()
    assert sorted(told) == [UID, f"{UID}.1", f"{UID}.2"]
    assert {row.state for row in made.rows(CommitmentRequestRecord)} == {CommitmentState.ANSWERED}


def test_two_peers_of_one_ae_title_are_refused() -> None:
    with pytest.raises(ValueError, match="same AE title"):
        Settings(peers=[peer(1), peer(2)])
