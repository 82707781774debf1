"""Who is told of which work items: subscriptions as peers ask for them (PS3.4 section CC.2.3)."""

from collections.abc import Collection
from dataclasses import dataclass

from pydicom import Dataset

from service.ledger import WorkItemOutbox
from service.vocabulary.sop_classes import UPS_FILTERED, UPS_GLOBAL
from service.vocabulary.work_items import WorkItemAction, WorkItemStatus

#: What is said of the subscription itself, and matches nothing.
_OF_SUBSCRIPTION = ("ReceivingAE", "DeletionLock", "SpecificCharacterSet")


@dataclass(frozen=True)
class Subscribing:
    """Begins and ends subscriptions; every deletion lock is granted, for no work item is ever deleted.

    Attributes
    ----------
    peers
        AE titles whose addresses we know.
    """

    outbox: WorkItemOutbox
    peers: Collection[str]

    def act(self, action: WorkItemAction, uid: str, asked: Dataset) -> WorkItemStatus:
        """Subscribe, unsubscribe or suspend; return what is answered."""
        title, is_global = str(asked.get("ReceivingAE", "")).strip(), uid in (UPS_GLOBAL, UPS_FILTERED)
        if title not in self.peers:
            return WorkItemStatus.UNKNOWN_RECEIVING_AE
        if action is WorkItemAction.SUSPEND and not is_global:
            return WorkItemStatus.ACTION_NOT_APPROPRIATE
        number = None if is_global else uid
        if action is not WorkItemAction.SUBSCRIBE:
            return self.outbox.unsubscribe(title, number, keeps_single=action is WorkItemAction.SUSPEND)
        keys = None
        if uid == UPS_FILTERED:
            keys = Dataset(asked)
            for keyword in _OF_SUBSCRIPTION:
                keys.pop(keyword, None)
        return self.outbox.subscribe(title, number, keys.to_json_dict() if keys is not None else None)
