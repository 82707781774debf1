"""The messenger, over the fake channel: a receiver that is away, refuses, or is told in the middle of a crash."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from service.ledger import DueMessage, Subscription
from service.ledger.views import StudyHistory
from service.settings import DestinationSettings, ReceiverSettings
from service.vocabulary.errors import LedgerUnavailable, PermanentDeliveryFailure, TransientDeliveryFailure
from service.vocabulary.facts import CloseSource, MessageEvent, Supersession
from service.vocabulary.states import DeliveryState
from tests.invariants import Invariant
from tests.service.sample_site import SampleSite
from worker.channels import CHANNELS
from worker.channels.contract import Surroundings
from worker.channels.fake import FakeChannel
from worker.channels.messenger import Messenger

RIS = ReceiverSettings(name="ris", events=frozenset(MessageEvent))


@dataclass
class Told:
    """A site, and a receiver of its messages."""

    site: SampleSite
    channel: FakeChannel = field(default_factory=FakeChannel)
    stop: threading.Event = field(default_factory=threading.Event)

    def messenger(self, owner: str = "messenger") -> Messenger:
        around = Surroundings(
            self.site.settings, self.site.ledger, self.site.store, Mock(), self.stop, lambda: self.site.now
        )
        return Messenger(around, RIS, owner, self.channel)

    def result(self, p_pneumonia: float = 0.9) -> None:
        self.site.receive()
        self.site.infer(p_pneumonia)

    def events(self) -> list[MessageEvent]:
        return [message.event for message, _ in self.channel.told]

    @property
    def states(self) -> dict[DeliveryState, int]:
        return dict(self.site.ledger.inspection.status().outbox.get("ris", {}))


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    site = SampleSite(tmp_path, subscriptions=(Subscription("ris", RIS.events),))
    yield Told(site)
    site.close()


def run(messenger: Messenger) -> int:
    handled = 0
    while step := messenger.step():
        handled += step
    return handled


@pytest.mark.proves(Invariant.EVENTS_ARE_TOLD_IN_ORDER)
def test_what_happened_is_told_in_its_order(told: Told) -> None:
    told.result()
    assert run(told.messenger()) == 2
    assert told.events() == [MessageEvent.RESULT, MessageEvent.PRIORITY_RAISED]
    assert told.states == {DeliveryState.CONFIRMED: 2}


def test_a_receiver_that_is_away_is_found_out_once_and_told_when_it_comes_back(told: Told) -> None:
    for _ in range(5):
        told.result(0.1)
    told.channel.script.append(TransientDeliveryFailure("nobody listens"))
    messenger = told.messenger()
    run(messenger)
    assert told.events() == []  # the script has one failure: the other four were not tried
    assert told.states == {DeliveryState.PENDING: 5}
    assert messenger.pause(60) > 0.5
    told.site.now += timedelta(minutes=1)
    run(messenger)
    assert told.events() == [MessageEvent.RESULT] * 5


def test_what_a_receiver_could_not_take_for_now_comes_again_under_the_same_id_and_in_the_same_bytes(told: Told) -> None:
    told.result(0.1)
    told.channel.script.append(TransientDeliveryFailure("busy", status=207))
    messenger = told.messenger()
    built: list[bytes | None] = []
    build = told.channel.build

    def noted(message: DueMessage, study: StudyHistory) -> bytes | None:
        built.append(build(message, study))
        return built[-1]

    told.channel.build = noted  # type: ignore[method-assign]
    run(messenger)
    told.site.now += timedelta(minutes=1)
    run(messenger)
    assert len(built) == 2
    assert built[0] == built[1]


def test_what_a_receiver_refuses_for_good_is_given_up_and_the_next_is_told(told: Told) -> None:
    told.result()
    told.channel.script.append(PermanentDeliveryFailure("refused"))
    run(told.messenger())
    assert told.events() == [MessageEvent.PRIORITY_RAISED]
    assert told.states == {DeliveryState.DEAD: 1, DeliveryState.CONFIRMED: 1}
    assert told.site.ledger.remedies.retry() == 1
    run(told.messenger())
    assert told.states == {DeliveryState.CONFIRMED: 2}


def test_a_receiver_that_stays_away_is_given_up_in_the_end(told: Told) -> None:
    told.result(0.1)
    told.channel.script.extend(TransientDeliveryFailure("nobody listens") for _ in range(2))
    run(told.messenger())
    told.site.now += timedelta(days=4)
    run(told.messenger())
    assert told.states == {DeliveryState.DEAD: 1}


def test_an_error_that_nobody_thought_of_delays_a_message_and_loses_none(told: Told) -> None:
    told.result(0.1)
    told.channel.build = Mock(side_effect=KeyError("Doe^John"))  # type: ignore[method-assign]
    run(told.messenger())
    del told.channel.build
    (view,) = told.site.ledger.inspection.history(_study(told)).messages  # type: ignore[union-attr]
    assert view.detail == "an unexpected error: KeyError"  # its text may name a patient
    told.site.now += timedelta(minutes=1)
    run(told.messenger())
    assert told.events() == [MessageEvent.RESULT]


def _study(told: Told) -> str:
    return told.site.ledger.reading_list.page(1).studies[0].study_instance_uid


def test_what_is_told_of_a_study_names_the_patient_that_stands_not_one_that_was_corrected(told: Told) -> None:
    first = told.site.receive(patient_id="P-1")
    told.site.infer(0.9)
    study, image = str(first.StudyInstanceUID), str(first.SOPInstanceUID)
    told.site.receive(study_instance_uid=study, sop_instance_uid=image, patient_id="P-2")
    told.site.infer(0.9, superseding=Supersession.IDENTITY_CORRECTED)
    assert told.site.ledger.readings.close(_study(told), CloseSource.COMMAND)
    run(told.messenger())
    said = [(message.event, message.instance.identity.patient_id) for message, _ in told.channel.told]
    assert said == [
        (MessageEvent.PRIORITY_RAISED, "P-2"),
        (MessageEvent.RESULT, "P-2"),
        (MessageEvent.STUDY_READ, "P-2"),
    ]


def test_a_message_that_says_nothing_to_a_receiver_is_settled(told: Told) -> None:
    told.result(0.1)
    told.channel.silent.add(_study(told))
    run(told.messenger())
    assert told.events() == []
    assert told.states == {DeliveryState.WITHDRAWN: 1}


@pytest.mark.proves(Invariant.EVENTS_ARE_TOLD_IN_ORDER)
def test_a_worker_that_dies_after_the_answer_tells_the_same_message_again_under_the_same_id(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    told.result(0.1)
    with monkeypatch.context() as patched:
        patched.setattr(told.site.ledger.messages, "save_taken", Mock(side_effect=LedgerUnavailable))
        with pytest.raises(LedgerUnavailable):
            run(told.messenger())
    assert not told.channel.is_open
    assert run(told.messenger("another")) == 0  # until the lease ends
    told.site.now += timedelta(minutes=5)
    run(told.messenger("another"))
    assert [message.attempts for message, _ in told.channel.told] == [1, 2]
    assert len({message.message_id for message, _ in told.channel.told}) == 1
    assert len({payload for _, payload in told.channel.told}) == 1


def test_what_waits_when_the_worker_is_stopped_is_given_back_untried(told: Told) -> None:
    told.result(0.1)
    told.stop.set()
    told.messenger().step()
    assert told.states == {DeliveryState.PENDING: 1}
    told.stop.clear()
    run(told.messenger("another"))
    assert told.channel.told[0][0].attempts == 1


def test_a_connection_that_is_idle_is_let_go(told: Told) -> None:
    told.result(0.1)
    messenger = told.messenger()
    run(messenger)
    assert told.channel.is_open
    told.site.now += timedelta(minutes=1)
    messenger.step()
    assert not told.channel.is_open


def test_dicom_is_one_of_the_channels() -> None:
    assert DestinationSettings in CHANNELS


def test_two_messengers_tell_each_message_once(told: Told) -> None:
    for _ in range(6):
        told.result()
    messengers: list[Any] = [told.messenger(f"messenger-{number}") for number in range(2)]
    threads = [threading.Thread(target=run, args=(messenger,)) for messenger in messengers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while any(run(messenger) for messenger in messengers):
        pass
    assert len(told.channel.told) == 12
    assert len({message.message_id for message, _ in told.channel.told}) == 12
