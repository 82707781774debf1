"""Telling: an event becomes a message for each destination that wants it, in the transaction of the event itself.

So no event is told that did not come about, and none that did is forgotten (a transactional outbox). Nothing is locked
here: a message belongs to an image, whose row the transaction holds already.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from service.ledger.message_records import MessageRecord
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.work_item_events import note_study
from service.vocabulary.facts import MessageEvent, Supersession
from service.vocabulary.states import DeliveryState

#: Events that change the reading as a work item; the study's row is locked then.
_OF_WORK_ITEMS = (MessageEvent.RESULT, MessageEvent.PRIORITY_RAISED, MessageEvent.STUDY_READ)


@dataclass(frozen=True)
class Subscription:
    """What one destination wants to be told.

    Attributes
    ----------
    not_analysed
        Of which images that are not analysed it is told.
    """

    destination: str
    events: frozenset[MessageEvent]
    not_analysed: Literal["none", "chest_only", "all"] = "chest_only"


class Subscriptions:
    """Who is told what; its methods are called within a transaction of the caller."""

    def __init__(self, subscriptions: Sequence[Subscription] = ()) -> None:
        self._subscriptions = subscriptions

    def tell(
        self,
        session: Session,
        event: MessageEvent,
        study: StudyRecord,
        instance: InstanceRecord,
        at: datetime,
        supersession: Supersession | None = None,
    ) -> None:
        """Write a message of an event for each destination that wants it, and tell who subscribed to work items.

        Of an image in shadow nobody is told.

        Parameters
        ----------
        instance
            The version of an image that the event is of, or through which it came about.
        supersession
            Why the version was superseded, where that is the event.
        """
        if instance.shadow_id is not None:
            return
        for subscription in self._subscriptions:
            if event in subscription.events and _is_wanted(session, subscription, event, instance):
                session.add(
                    MessageRecord(
                        # Twenty characters are what HL7 v2 has room for (MSH-10).
                        message_id=secrets.token_hex(10),
                        event=event.value,
                        destination=subscription.destination,
                        study_id=study.id,
                        instance_id=instance.id,
                        priority=study.priority,
                        priority_source=study.priority_source,
                        supersession=supersession.value if supersession is not None else None,
                        state=DeliveryState.PENDING.value,
                        occurred_at=at,
                        created_at=at,
                        next_attempt_at=at,
                    )
                )
        if event in _OF_WORK_ITEMS:
            note_study(session, study, at)


def _is_wanted(session: Session, subscription: Subscription, event: MessageEvent, instance: InstanceRecord) -> bool:
    if event is MessageEvent.RESULT and instance.reason is not None:
        return subscription.not_analysed == "all" or (subscription.not_analysed == "chest_only" and instance.is_chest)
    if event is MessageEvent.RESULT_SUPERSEDED and MessageEvent.RESULT in subscription.events:
        # A message that may have gone out; what was never told needs no taking back. One of an earlier version counts:
        # where this one was to correct it, and never was told, nothing else takes that back.
        tried = exists(
            select(MessageRecord.id)
            .join(InstanceRecord, InstanceRecord.id == MessageRecord.instance_id)
            .where(
                InstanceRecord.sop_instance_uid == instance.sop_instance_uid,
                InstanceRecord.version <= instance.version,
                MessageRecord.destination == subscription.destination,
                MessageRecord.event == MessageEvent.RESULT.value,
                MessageRecord.attempts > 0,
            )
        )
        return bool(session.scalar(select(tried)))
    return True


def withdraw_messages(session: Session, instance: InstanceRecord) -> None:
    """Take what was not yet told of a version that another took the place of out of the outbox, for good."""
    untold = select(MessageRecord).where(
        MessageRecord.instance_id == instance.id,
        MessageRecord.event.in_([MessageEvent.RESULT.value, MessageEvent.REPORTS_BUILT.value]),
        MessageRecord.state.in_([DeliveryState.PENDING.value, DeliveryState.DEAD.value]),
    )
    for message in session.scalars(untold):
        message.state, message.next_attempt_at = DeliveryState.WITHDRAWN.value, None
