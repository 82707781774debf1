"""The words of the reading as a work item that ledger, listener, workers and page share.

A work item is a Unified Procedure Step: the reading of one study. What may follow what, and what is answered to whom,
stands here as tables.

References
----------
PS3.4 sections CC.1.1 (states), CC.2.1 to CC.2.7 (statuses)
"""

from enum import IntEnum, StrEnum


class WorkItemState(StrEnum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"

    @property
    def is_final(self) -> bool:
        """Whether nothing follows."""
        return self in (WorkItemState.COMPLETED, WorkItemState.CANCELED)


class WorkItemStatus(IntEnum):
    """What is answered to a request about a work item."""

    SUCCESS = 0x0000
    NOT_ALL_KEPT = 0x0001
    """Requested optional attributes are not supported."""
    ALREADY_CANCELED = 0xB304
    ALREADY_COMPLETED = 0xB306
    DUPLICATE = 0x0111
    """N-CREATE: there is a work item of this UID; as an SCP we create none."""
    NO_SUCH_INSTANCE = 0x0112
    """What some say instead of 0xC307."""
    INVALID_ARGUMENT = 0x0115
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORIZED = 0x0124
    RESOURCE_LIMITATION = 0x0213
    UNABLE_TO_PROCESS = 0xC000
    """C-FIND: the ledger cannot be asked, or the identifier is not understood."""
    MAY_NO_LONGER_BE_UPDATED = 0xC300
    WRONG_TRANSACTION_UID = 0xC301
    ALREADY_IN_PROGRESS = 0xC302
    ONLY_SCHEDULED_BY_CREATION = 0xC303
    """The state may become SCHEDULED by N-CREATE alone."""
    NO_SUCH_WORK_ITEM = 0xC307
    UNKNOWN_RECEIVING_AE = 0xC308
    NOT_IN_PROGRESS = 0xC310
    COMPLETED_CANNOT_BE_CANCELED = 0xC311
    PERFORMER_CANNOT_BE_CONTACTED = 0xC312
    NOT_CANCELED = 0xC313
    """Refused: the performer chooses not to cancel."""
    ACTION_NOT_APPROPRIATE = 0xC314
    """For the instance that it names."""


class WorkItemAction(IntEnum):
    """Action Type ID of an N-ACTION (PS3.4 Tables CC.2.1-1, CC.2.2-1 and CC.2.3-1)."""

    CHANGE_STATE = 1
    REQUEST_CANCEL = 2
    SUBSCRIBE = 3
    UNSUBSCRIBE = 4
    SUSPEND = 5
    """Be told of no work item to come; those that were subscribed to singly stay."""


class WorkItemEvent(IntEnum):
    """Event Type ID of an N-EVENT-REPORT (PS3.4 Table CC.2.4-1)."""

    STATE = 1
    CANCEL_REQUESTED = 2
    PROGRESS = 3


_S, _STATUS = WorkItemState, WorkItemStatus
#: What is answered to who asks for a state and names the right Transaction UID (PS3.4 Table CC.1.1-2).
_ANSWERS: dict[tuple[WorkItemState, WorkItemState], WorkItemStatus] = {
    (_S.SCHEDULED, _S.IN_PROGRESS): _STATUS.SUCCESS,
    (_S.IN_PROGRESS, _S.IN_PROGRESS): _STATUS.ALREADY_IN_PROGRESS,
    (_S.COMPLETED, _S.IN_PROGRESS): _STATUS.MAY_NO_LONGER_BE_UPDATED,
    (_S.CANCELED, _S.IN_PROGRESS): _STATUS.MAY_NO_LONGER_BE_UPDATED,
    (_S.SCHEDULED, _S.COMPLETED): _STATUS.NOT_IN_PROGRESS,
    (_S.IN_PROGRESS, _S.COMPLETED): _STATUS.SUCCESS,
    (_S.COMPLETED, _S.COMPLETED): _STATUS.ALREADY_COMPLETED,
    (_S.CANCELED, _S.COMPLETED): _STATUS.MAY_NO_LONGER_BE_UPDATED,
    (_S.SCHEDULED, _S.CANCELED): _STATUS.NOT_IN_PROGRESS,
    (_S.IN_PROGRESS, _S.CANCELED): _STATUS.SUCCESS,
    (_S.COMPLETED, _S.CANCELED): _STATUS.MAY_NO_LONGER_BE_UPDATED,
    (_S.CANCELED, _S.CANCELED): _STATUS.ALREADY_CANCELED,
}


def answer_to_change(now: WorkItemState, wanted: WorkItemState, *, is_performer: bool) -> WorkItemStatus:
    """Return what is answered to a change of state; the state changes with SUCCESS alone.

    Parameters
    ----------
    is_performer
        Whether the Transaction UID is the one that the work item was claimed with.
    """
    if wanted is WorkItemState.SCHEDULED:
        return WorkItemStatus.ONLY_SCHEDULED_BY_CREATION
    if now is not WorkItemState.SCHEDULED and not is_performer:
        return WorkItemStatus.WRONG_TRANSACTION_UID
    return _ANSWERS[now, wanted]
