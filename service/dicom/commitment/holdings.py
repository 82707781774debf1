"""Our answer to a peer: which of its instances we hold.

References
----------
PS3.4 section J.3.3; PS3.3 section C.14.1.1 (Failure Reason)
"""

from dataclasses import dataclass

from service.ledger import CommitmentRequests, DueCommitment
from service.objects import ObjectStore
from service.vocabulary.commitment import FailureReason, Reference


@dataclass(frozen=True)
class Holdings:
    """What we hold of a request's instances, and why not the rest."""

    held: tuple[Reference, ...]
    failed: tuple[tuple[Reference, FailureReason], ...]

    def __str__(self) -> str:
        return f"{len(self.held)} held, {len(self.failed)} not"


def judge(due: DueCommitment, requests: CommitmentRequests, store: ObjectStore) -> Holdings:
    """Look at ledger and store, now: an instance is held when its row is there and the store has the row's bytes.

    The peer may delete its own copy on our word, so what retention removed since is not held, and the row of the latest
    version counts: an older one may be what the peer has corrected.

    Raises
    ------
    Unavailable
        When the ledger or the store cannot be asked.
    """
    holdings = requests.holdings(reference.sop_instance_uid for reference in due.references)

    def failure(reference: Reference) -> FailureReason | None:
        if due.is_duplicate:
            return FailureReason.DUPLICATE_TRANSACTION_UID
        holding = holdings.get(reference.sop_instance_uid)
        if holding is None or not store.holds(holding.object_key):
            return FailureReason.NO_SUCH_INSTANCE
        if holding.sop_class_uid != reference.sop_class_uid:
            return FailureReason.CLASS_INSTANCE_CONFLICT
        return None

    reasons = [(reference, failure(reference)) for reference in due.references]
    return Holdings(
        held=tuple(reference for reference, reason in reasons if reason is None),
        failed=tuple((reference, reason) for reference, reason in reasons if reason is not None),
    )
