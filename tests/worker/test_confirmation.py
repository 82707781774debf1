"""CONFIRMED means that the archive commits to the report: whichever way it answers, late, wrongly or never."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]

from service.dicom.commitment.listening import CommitmentService
from service.dicom.commitment.messages import WELL_KNOWN_INSTANCE
from service.dicom.scu import DestinationAssociation
from service.intake import Intake
from service.ledger import Commitments
from service.scp import Listener
from service.settings import Settings
from service.vocabulary.commitment import FailureReason
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.states import DeliveryState, State
from tests.fakes import ScriptedPacs, commitment_answer, scripted_pacs
from tests.phantoms import chest
from tests.servers import free_port, wait_until
from tests.worker.conftest import Gateway, destination
from worker.courier import Courier


def sent(gateway: Any, pacs: ScriptedPacs, **changes: Any) -> tuple[Gateway, Courier]:
    """Return a gateway whose reports the PACS took, their commitment due."""
    confirming = destination(pacs.port, **{"confirm": "commitment", "reports": ["text_sr"], **changes})
    made: Gateway = gateway(confirming, delivery={"commitment_timeout": 60})
    made.receive(chest())
    assert made.infer() == 1
    assert made.build() == 1
    courier = made.courier()
    courier.step()
    assert {row.state for row in made.deliveries} == {DeliveryState.SENT}
    made.clock.turn(seconds=1)
    return made, courier


def states(made: Gateway) -> list[str]:
    return [row.state for row in made.deliveries]


def answer_here(pacs: ScriptedPacs, failed: dict[str, int] | None = None, index: int = -1) -> int:
    """Let the PACS answer on the association of the request; return the status of the response."""
    association, information = pacs.commitments[index]
    event_type, event = commitment_answer(information, failed)
    status, _ = cast(Any, association).send_n_event_report(
        event, event_type, StorageCommitmentPushModel, WELL_KNOWN_INSTANCE
    )
    return int(status.Status)


def answer_there(made: Gateway, information: Dataset, failed: dict[str, int] | None = None) -> int:
    """Let the PACS answer on an association that it opens to the listener, in the role of the SCP."""
    settings = made.settings.listener.model_copy(update={"port": 0})
    intake = Intake(made.settings, made.store, made.ledger.admission, made.waker)
    service = CommitmentService(made.settings, made.ledger, made.store, made.waker, "listener-1")
    entity = AE("SCRIPTED")
    entity.add_requested_context(StorageCommitmentPushModel)
    with Listener(settings, intake, service, made.trail) as listener:
        association = entity.associate(
            "127.0.0.1",
            listener.port or 0,
            ae_title="AUSCULT",
            ext_neg=[build_role(StorageCommitmentPushModel, scp_role=True)],
        )
        assert association.is_established
        (context,) = association.accepted_contexts
        assert (context.as_scu, context.as_scp) == (False, True)
        event_type, event = commitment_answer(information, failed)
        status, _ = association.send_n_event_report(event, event_type, StorageCommitmentPushModel, WELL_KNOWN_INSTANCE)
        association.release()
    return int(status.Status)


def test_a_report_set_is_asked_for_in_one_request_and_confirmed_on_the_same_association(gateway: Any) -> None:
    with scripted_pacs(commits=True, finds=False) as pacs:
        made, courier = sent(gateway, pacs, reports=["text_sr", "measurement_sr", "secondary_capture"])
        assert courier.step() == 3
        (_, information), *others = pacs.commitments
        assert not others
        assert {item.ReferencedSOPInstanceUID for item in information.ReferencedSOPSequence} == set(pacs.uids())
        assert states(made) == [DeliveryState.SENT] * 3
        assert made.instances[0].state == State.REPORTED  # nobody has said yet that it is held
        assert answer_here(pacs) == 0x0000
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED] * 3
    assert made.instances[0].state == State.DELIVERED


def test_the_answer_may_come_on_an_association_that_the_archive_opens(gateway: Any) -> None:
    with scripted_pacs(commits=True, finds=False) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        courier.close()
        assert answer_there(made, pacs.commitments[0][1]) == 0x0000
        assert states(made) == [DeliveryState.CONFIRMED]
        assert answer_there(made, pacs.commitments[0][1]) == 0x0000  # told twice, it stays what it is
    assert states(made) == [DeliveryState.CONFIRMED]
    assert made.instances[0].state == State.DELIVERED


def test_what_the_archive_does_not_hold_is_sent_again_in_the_same_bytes_and_asked_for_again(gateway: Any) -> None:
    with scripted_pacs(commits=True, finds=False) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        uid = pacs.uids()[0]
        answer_there(made, pacs.commitments[0][1], {uid: FailureReason.NO_SUCH_INSTANCE})
        assert states(made) == [DeliveryState.SENT]
        assert "0x0112" in str(made.deliveries[0].detail)
        courier.step()
        assert states(made) == [DeliveryState.PENDING]
        for _ in range(2):
            made.clock.turn(seconds=5)
            courier.step()
        assert pacs.uids() == [uid, uid]
        assert pacs.received[0] == pacs.received[1]
        assert len(pacs.commitments) == 2
        assert answer_here(pacs) == 0x0000
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED]


def test_an_archive_that_never_holds_what_it_takes_is_given_up_in_the_end(gateway: Any) -> None:
    with scripted_pacs(commits=True, finds=False) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        made.clock.turn(days=4)
        answer_there(made, pacs.commitments[0][1], {pacs.uids()[0]: FailureReason.NO_SUCH_INSTANCE})
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.DEAD]
    assert made.instances[0].state == State.FAILED


def test_another_object_under_the_report_s_uid_calls_a_person(gateway: Any) -> None:
    with scripted_pacs(commits=True) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        assert answer_here(pacs, {pacs.uids()[0]: FailureReason.CLASS_INSTANCE_CONFLICT}) == 0x0000
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.DEAD]
    assert "another SOP class" in str(made.deliveries[0].detail)


def test_an_archive_that_never_answers_is_asked_again_and_then_by_c_find(gateway: Any) -> None:
    with scripted_pacs(commits=True) as pacs:
        made, courier = sent(gateway, pacs)
        for number in (1, 2, 3):
            assert courier.step() == 1
            assert courier.step() == 0  # not before its time
            assert len(pacs.commitments) == number
            assert "has not answered" in str(made.deliveries[0].detail)
            made.clock.turn(seconds=61)
        courier.step()
        courier.close()
    assert len(pacs.commitments) == 3
    assert len({information.TransactionUID for _, information in pacs.commitments}) == 3
    assert states(made) == [DeliveryState.CONFIRMED]


def test_an_answer_to_a_request_that_was_repeated_meanwhile_still_counts(gateway: Any) -> None:
    with scripted_pacs(commits=True) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        made.clock.turn(seconds=61)
        courier.step()
        courier.close()
        failed = {pacs.uids()[0]: int(FailureReason.NO_SUCH_INSTANCE)}
        assert answer_there(made, pacs.commitments[0][1], failed) == 0x0000
        later = made.deliveries[0].next_attempt_at
        assert later is not None
        assert later > made.clock()  # the later request decides
        assert answer_there(made, pacs.commitments[0][1]) == 0x0000
    assert states(made) == [DeliveryState.CONFIRMED]


def test_a_failure_for_now_leaves_the_object_to_the_next_request(gateway: Any) -> None:
    with scripted_pacs(commits=True) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        assert answer_here(pacs, {pacs.uids()[0]: FailureReason.RESOURCE_LIMITATION}) == 0x0000
        assert courier.step() == 0
        made.clock.turn(seconds=61)
        courier.step()
        assert len(pacs.commitments) == 2
        assert len(pacs.received) == 1
        courier.close()


@pytest.mark.parametrize(("finds", "expected"), [(True, DeliveryState.CONFIRMED), (False, DeliveryState.UNCONFIRMABLE)])
def test_an_archive_without_storage_commitment_is_asked_by_c_find(gateway: Any, finds: bool, expected: str) -> None:
    with scripted_pacs(commits=False, finds=finds) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        assert "offers no storage commitment" in str(made.deliveries[0].detail)
        courier.step()
        courier.close()
    assert states(made) == [expected]


def test_a_class_that_the_archive_does_not_commit_to_is_asked_for_by_c_find(gateway: Any) -> None:
    with scripted_pacs(commits=True) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        assert answer_here(pacs, {pacs.uids()[0]: FailureReason.CLASS_NOT_SUPPORTED}) == 0x0000
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED]


def test_a_request_that_the_archive_refuses_is_repeated_later(gateway: Any) -> None:
    with scripted_pacs(commits=True, action_status=0x0213) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        assert "0x0213" in str(made.deliveries[0].detail)
        for _ in range(3):
            made.clock.turn(seconds=30)
            courier.step()
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED]  # by C-FIND, in the end


def test_a_late_answer_takes_its_rows_out_of_the_next_request_and_leaves_the_others_in(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_pacs(commits=True, finds=False) as pacs:
        made, courier = sent(gateway, pacs, reports=["text_sr", "measurement_sr"])
        courier.step()
        made.clock.turn(minutes=2)  # nothing was answered: both are asked for again
        association, first = pacs.commitments[0]
        late = [str(item.ReferencedSOPInstanceUID) for item in first.ReferencedSOPSequence][:1]
        opened, commitments = Commitments.open, made.ledger.commitments

        def open_late(self: Commitments, *arguments: Any) -> Any:
            commitments.answer(str(first.TransactionUID), late, {}, "the listener")
            return opened(self, *arguments)

        monkeypatch.setattr(Commitments, "open", open_late)
        courier.step()
        (_, second) = pacs.commitments[-1]
        asked = [str(item.ReferencedSOPInstanceUID) for item in second.ReferencedSOPSequence]
        assert sorted(late + asked) == sorted(pacs.uids())
        assert answer_here(pacs) == 0x0000
        wait_until(lambda: states(made) == [DeliveryState.CONFIRMED] * 2, "both are confirmed", 5)
        courier.close()
    assert not association.is_aborted


def test_what_was_put_aside_is_given_back_when_the_ledger_goes_away_before_it_is_asked_for(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted_pacs(commits=True, finds=False) as pacs:
        made, courier = sent(gateway, pacs, reports=["text_sr", "measurement_sr"])
        with monkeypatch.context() as patch:
            patch.setattr(Commitments, "open", Mock(side_effect=LedgerUnavailable))
            with pytest.raises(LedgerUnavailable):
                courier.step()
        assert [row.lease_owner for row in made.deliveries] == [None, None]
        assert isinstance(courier._archive, DestinationAssociation)
        assert courier._archive._association is None, "an archive has few places for associations"
        courier.step()
        courier.close()
        assert len(pacs.commitments) == 1


def test_an_archive_that_is_away_is_asked_when_it_is_back(gateway: Any) -> None:
    port = free_port()
    with scripted_pacs(commits=True, port=port) as pacs:
        made, courier = sent(gateway, pacs)
        courier.close()
    courier = made.courier()
    courier.step()
    assert "cannot be reached" in str(made.deliveries[0].detail)
    made.clock.turn(seconds=5)
    with scripted_pacs(commits=True, port=port) as pacs:
        courier.step()
        assert answer_here(pacs) == 0x0000
        courier.close()
    assert states(made) == [DeliveryState.CONFIRMED]


def test_what_the_archive_does_not_hold_is_not_sent_again_once_it_is_superseded(gateway: Any) -> None:
    with scripted_pacs(commits=True) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        made.receive(chest(patient_name="Corrected^Name"))
        assert made.infer() == 1
        answer_here(pacs, {pacs.uids()[0]: FailureReason.NO_SUCH_INSTANCE})
        courier.step()
        made.clock.turn(seconds=30)
        courier.step()
        courier.close()
    assert states(made) == [DeliveryState.WITHDRAWN]
    assert len(pacs.received) == 1


def test_an_association_whose_answer_came_is_released(gateway: Any) -> None:
    with scripted_pacs(commits=True) as pacs:
        made, courier = sent(gateway, pacs)
        courier.step()
        assert answer_here(pacs) == 0x0000
        courier.step()
        wait_until(lambda: not pacs.commitments[0][0].is_established, "the association ends")
        courier.close()
        assert made.ledger.commitments.answer("1.2.3", [], {}, "SCRIPTED") is None


@pytest.mark.parametrize(("old", "new"), [(True, "find"), (False, "none"), ("commitment", "commitment")])
def test_the_setting_of_version_0_1_means_what_it_meant(tmp_path: Path, old: object, new: str) -> None:
    settings = Settings(data_dir=tmp_path, destinations=[destination(confirm=old)])
    assert settings.destinations[0].confirm == new
