"""The words of storage commitment that ledger, listener and couriers share (PS3.4 Annex J)."""

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True)
class Reference:
    """One instance that somebody is asked to commit to."""

    sop_class_uid: str
    sop_instance_uid: str


class FailureReason(IntEnum):
    """Why an instance is not committed to: Failure Reason (0008,1197), PS3.3 section C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    CLASS_NOT_SUPPORTED = 0x0122
    DUPLICATE_TRANSACTION_UID = 0x0131
    RESOURCE_LIMITATION = 0x0213


#: Reasons that asking again later cannot change; the others leave the object to the next request.
FINAL_REASONS = frozenset(
    {FailureReason.NO_SUCH_INSTANCE, FailureReason.CLASS_INSTANCE_CONFLICT, FailureReason.CLASS_NOT_SUPPORTED}
)
