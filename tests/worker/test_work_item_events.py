"""Who subscribed to work items is told what becomes of them, in their order, as often as it takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydicom import Dataset

from service.dicom.work_items.subscribing import Subscribing
from service.ledger import WorkItemView
from service.vocabulary.facts import CloseSource
from service.vocabulary.sop_classes import UPS_EVENT, UPS_FILTERED, UPS_GLOBAL
from service.vocabulary.work_items import WorkItemAction, WorkItemEvent, WorkItemState, WorkItemStatus
from tests.fakes import awaiting_answers
from tests.phantoms import chest
from tests.servers import free_port
from tests.worker.conftest import Gateway
from worker.work_item_events import WorkItemEvents

KEY = "1.2.3.4"
OK = WorkItemStatus.SUCCESS


def made_for(gateway: Any, port: int) -> Gateway:
    peer = {"ae_title": "MODALITY", "host": "127.0.0.1", "port": port, "connect_timeout": 2}
    made: Gateway = gateway(peers=[peer], work_items={"ae_titles": ["MODALITY"]})
    return made


def subscribe(made: Gateway, uid: str, action: WorkItemAction = WorkItemAction.SUBSCRIBE, **keys: Any) -> int:
    asked = Dataset()
    for keyword, value in {"ReceivingAE": "MODALITY", "DeletionLock": "FALSE", **keys}.items():
        setattr(asked, keyword, value)
    return Subscribing(made.ledger.work_item_outbox, {"MODALITY"}).act(action, uid, asked)


def item(made: Gateway, index: int = 0) -> WorkItemView:
    return made.ledger.work_items.of_studies(made.ledger.work_items.offered())[index]


def tell(made: Gateway) -> None:
    rounds = WorkItemEvents(made.settings, made.settings.peers[0], made.ledger, "events-1", made.clock)
    while rounds.step():
        pass


def told(answers: Any) -> list[tuple[int, str]]:
    return [(event, information.get("ProcedureStepState", "")) for event, information in answers.taken]


def test_a_subscriber_is_told_of_every_change_in_its_order(gateway: Any) -> None:
    with awaiting_answers(sop_class=UPS_EVENT) as answers:
        made = made_for(gateway, answers.port)
        made.receive(chest())
        uid = item(made).sop_instance_uid
        assert subscribe(made, uid) == OK
        made.ledger.work_items.change(uid, WorkItemState.IN_PROGRESS, KEY, "WS1")
        made.ledger.work_items.set_performed(uid, KEY, {"00741002": {"vr": "SQ", "Value": []}})
        assert made.ledger.work_items.request_cancel(uid, {"00741238": {"vr": "LT", "Value": ["why"]}}) == OK
        made.ledger.work_items.change(uid, WorkItemState.COMPLETED, KEY, "WS1")
        tell(made)
    assert told(answers) == [
        (WorkItemEvent.STATE, "SCHEDULED"),
        (WorkItemEvent.STATE, "IN PROGRESS"),
        (WorkItemEvent.PROGRESS, ""),
        (WorkItemEvent.CANCEL_REQUESTED, ""),
        (WorkItemEvent.STATE, "COMPLETED"),
    ]
    assert answers.taken[0][1].InputReadinessState == "READY"
    assert answers.taken[3][1].ReasonForCancellation == "why"


def test_who_subscribed_to_all_hears_of_new_studies_and_of_what_is_read_elsewhere(gateway: Any) -> None:
    with awaiting_answers(sop_class=UPS_EVENT) as answers:
        made = made_for(gateway, answers.port)
        assert subscribe(made, UPS_GLOBAL) == OK
        made.receive(chest())
        uid = item(made).study.study_instance_uid
        made.ledger.readings.close(uid, CloseSource.PAGE)
        tell(made)
        assert told(answers) == [(WorkItemEvent.STATE, "SCHEDULED"), (WorkItemEvent.STATE, "CANCELED")]
        assert subscribe(made, UPS_GLOBAL, WorkItemAction.UNSUBSCRIBE) == OK
        made.ledger.readings.reopen(uid)
        tell(made)
        assert subscribe(made, UPS_GLOBAL) == OK
        made.receive(chest(seed=2))
        assert made.ledger.work_item_outbox.any_due("MODALITY")
        assert subscribe(made, UPS_GLOBAL, WorkItemAction.UNSUBSCRIBE) == OK
        tell(made)  # what waited to be told is taken back with the subscription
    assert len(answers.taken) == 2


def test_of_all_work_items_those_alone_are_told_that_match(gateway: Any) -> None:
    with awaiting_answers(sop_class=UPS_EVENT) as answers:
        made = made_for(gateway, answers.port)
        assert subscribe(made, UPS_FILTERED, PatientID="P-2") == OK
        made.receive(chest(seed=1, patient_id="P-1"))
        made.receive(chest(seed=2, patient_id="P-2"))
        tell(made)
    assert len(answers.taken) == 1


def test_a_subscriber_that_is_away_is_told_when_it_is_back(gateway: Any) -> None:
    port = free_port()
    made = made_for(gateway, port)
    made.receive(chest())
    subscribe(made, item(made).sop_instance_uid)
    tell(made)
    made.clock.turn(minutes=1)
    with awaiting_answers(port, sop_class=UPS_EVENT) as answers:
        tell(made)
    assert told(answers) == [(WorkItemEvent.STATE, "SCHEDULED")]
    assert made.ledger.work_item_outbox.claim("one", "MODALITY", 10, timedelta(minutes=1)) == []


def test_what_nobody_brings_away_is_forgotten_after_a_while(gateway: Any) -> None:
    made = made_for(gateway, free_port())
    made.receive(chest())
    subscribe(made, item(made).sop_instance_uid)
    made.ledger.work_item_outbox.forget()
    assert made.ledger.work_item_outbox.any_due("MODALITY")
    made.clock.turn(minutes=60 * 24 * 8)
    made.ledger.work_item_outbox.forget()
    assert not made.ledger.work_item_outbox.any_due("MODALITY")


@pytest.mark.parametrize(
    ("uid", "action", "changes", "status"),
    [
        (UPS_GLOBAL, WorkItemAction.SUBSCRIBE, {"ReceivingAE": "NOBODY"}, WorkItemStatus.UNKNOWN_RECEIVING_AE),
        ("1.2.3", WorkItemAction.SUBSCRIBE, {}, WorkItemStatus.NO_SUCH_WORK_ITEM),
        ("1.2.3", WorkItemAction.UNSUBSCRIBE, {}, WorkItemStatus.NO_SUCH_WORK_ITEM),
        ("1.2.3", WorkItemAction.SUSPEND, {}, WorkItemStatus.ACTION_NOT_APPROPRIATE),
        (UPS_GLOBAL, WorkItemAction.SUSPEND, {}, WorkItemStatus.SUCCESS),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(
    gateway: Any, uid: str, action: WorkItemAction, changes: dict[str, str], status: int
) -> None:
    assert subscribe(made_for(gateway, free_port()), uid, action, **changes) == status
