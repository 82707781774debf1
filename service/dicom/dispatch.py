"""Which service answers a request that is not for storage: that of the presentation context on which it comes."""

from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pynetdicom import evt

from service.dicom.commitment.listening import CommitmentService
from service.dicom.work_items.listening import WorkItemService


def handlers(commitment: CommitmentService, work_items: WorkItemService | None) -> Sequence[tuple[evt.EventType, Any]]:
    """Return the handlers of an association."""
    ours: list[tuple[evt.EventType, Any]] = [(evt.EVT_N_EVENT_REPORT, commitment.answered)]
    if work_items is None:
        return [*ours, (evt.EVT_N_ACTION, commitment.requested)]

    def act(event: evt.Event) -> tuple[int, Dataset | None]:
        is_ours = event.context.abstract_syntax in work_items.sop_classes
        return work_items.act(event) if is_ours else commitment.requested(event)

    return [
        *ours,
        (evt.EVT_N_ACTION, act),
        (evt.EVT_C_FIND, work_items.find),
        (evt.EVT_N_GET, work_items.get),
        (evt.EVT_N_SET, work_items.set),
    ]
