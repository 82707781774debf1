"""Request: peers that ask whether we hold their images wait here for the answer."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.ledger.commitment_quota import make_room
from service.ledger.database import reading, writing
from service.ledger.leases import LOCK, REQUESTS
from service.ledger.records import CommitmentRequestRecord, InstanceRecord
from service.process.clock import Clock
from service.vocabulary.commitment import Reference
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.states import CommitmentState

#: Most references that one query looks up; databases bound the parameters of a statement.
_CHUNK = 500
_ATTEMPTS = 3
#: States of a request that somebody may still be answering.
_HOLDABLE = tuple(CommitmentState)


@dataclass(frozen=True)
class Holding:
    """What the ledger holds of an instance: its latest version's SOP class, and the key of its bytes."""

    sop_class_uid: str
    object_key: str


@dataclass(frozen=True)
class DueCommitment:
    """A request that is to be answered, under a lease.

    Attributes
    ----------
    is_duplicate
        Whether the peer used the Transaction UID before, for other instances.
    """

    id: int
    owner: str
    requestor_ae_title: str
    transaction_uid: str
    references: tuple[Reference, ...]
    requested_at: datetime
    attempts: int
    is_duplicate: bool


class CommitmentRequests:
    """Registers requests, and keeps what became of their answers."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def register(
        self,
        requestor_ae_title: str,
        transaction_uid: str,
        references: Sequence[Reference],
        answer_at: datetime,
        peers: Collection[str] = (),
    ) -> int:
        """Record a request; durable on return. The same request again is that one, and due to be answered again.

        Parameters
        ----------
        peers
            AE titles that we can tell our answer on an association of our own.

        Returns
        -------
        int
            The request's number.

        Raises
        ------
        LedgerUnavailable
            When the database cannot take it.
        TooManyWaiting
            When too many wait for their answers.
        """
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as session:
                    return _register(
                        session, requestor_ae_title, transaction_uid, references, answer_at, peers, self._clock()
                    )
            except IntegrityError:
                continue  # another listener wrote the same request a moment ago: look again
        raise LedgerUnavailable("the database refuses the row time and again; check its integrity")

    def next_due(self, requestor_ae_title: str) -> datetime | None:
        """Return when a peer's next answer is due, at the earliest; a look that takes no lock."""
        with reading(self._engine) as session:
            return session.scalars(
                select(CommitmentRequestRecord.next_attempt_at)
                .where(
                    CommitmentRequestRecord.requestor_ae_title == requestor_ae_title,
                    CommitmentRequestRecord.state == CommitmentState.WAITING.value,
                    CommitmentRequestRecord.lease_until.is_(None),
                )
                .order_by(CommitmentRequestRecord.next_attempt_at)
                .limit(1)
            ).first()

    def any_due(self, requestor_ae_title: str) -> bool:
        """Return whether an answer to a peer is due and nobody has it; a look that takes no lock."""
        with reading(self._engine) as session:
            return REQUESTS.any_due(session, _waiting(requestor_ae_title), self._clock())

    def claim(self, owner: str, requestor_ae_title: str, limit: int, lease: timedelta) -> list[DueCommitment]:
        """Take the requests of a peer whose answers are due, the oldest first."""
        now = self._clock()
        if not self.any_due(requestor_ae_title):
            return []
        with writing(self._engine) as session:
            waiting, order = _waiting(requestor_ae_title), (CommitmentRequestRecord.id,)
            rows = REQUESTS.claim(session, waiting, order, limit, owner=owner, now=now, lease=lease)
            return [_due_commitment(session, row, owner) for row in rows]

    def claim_one(self, owner: str, number: int, lease: timedelta) -> DueCommitment | None:
        """Take one request before its time, to answer it on its own association; None when another has it."""
        now = self._clock()
        with writing(self._engine) as session:
            row = session.scalars(
                select(CommitmentRequestRecord)
                .where(CommitmentRequestRecord.id == number, _is_waiting(), REQUESTS.is_free(now))
                .with_for_update(skip_locked=True, **LOCK)
            ).one_or_none()
            if row is None:
                return None
            REQUESTS.take(row, owner, now, lease)
            return _due_commitment(session, row, owner)

    def renew(self, due: Sequence[DueCommitment], lease: timedelta) -> list[DueCommitment]:
        """Begin leases anew, for a request's turn may come late in its batch; return what is still held."""
        with writing(self._engine) as session:
            return REQUESTS.renew(session, due, self._clock(), lease)

    def release(self, due: DueCommitment) -> None:
        """Give a request back untried."""
        with writing(self._engine) as session:
            REQUESTS.give_back(REQUESTS.held(session, due, _HOLDABLE))

    def hand_over(self, owner: str, number: int) -> None:
        """Make an answer due at once that nobody but its listener holds: the association that asked has ended."""
        with writing(self._engine) as session:
            row = session.get(CommitmentRequestRecord, number, with_for_update=LOCK)
            if row is None:  # settled, and gone to make room
                return
            if row.state == CommitmentState.WAITING.value and row.lease_owner in (None, owner):
                REQUESTS.put_off(row, self._clock(), self._clock())

    def save_answered(self, due: DueCommitment, detail: str) -> None:
        """Record that the peer took the answer."""
        with writing(self._engine) as session:
            row = REQUESTS.held(session, due, _HOLDABLE)
            row.state, row.detail = CommitmentState.ANSWERED.value, detail
            row.answered_at = self._clock()
            REQUESTS.settle(row)

    def save_retry(self, due: DueCommitment, retry_at: datetime, detail: str) -> None:
        """Put an answer off that the peer could not be told."""
        with writing(self._engine) as session:
            row = REQUESTS.held(session, due, _HOLDABLE)
            row.detail = detail
            REQUESTS.put_off(row, retry_at, self._clock())

    def save_dead(self, due: DueCommitment, detail: str) -> None:
        """Give an answer up; `auscult retry` starts it again."""
        with writing(self._engine) as session:
            row = REQUESTS.held(session, due, _HOLDABLE)
            row.state, row.detail = CommitmentState.DEAD.value, detail
            REQUESTS.settle(row)

    def holdings(self, sop_instance_uids: Iterable[str]) -> Mapping[str, Holding]:
        """Return what the ledger holds of each instance that it knows; whether the bytes are there is the store's."""
        uids = sorted(set(sop_instance_uids))
        held: dict[str, Holding] = {}
        with reading(self._engine) as session:
            for start in range(0, len(uids), _CHUNK):
                rows = session.execute(
                    select(InstanceRecord.sop_instance_uid, InstanceRecord.sop_class_uid, InstanceRecord.object_key)
                    .where(InstanceRecord.sop_instance_uid.in_(uids[start : start + _CHUNK]))
                    .order_by(InstanceRecord.version)
                )
                held |= {uid: Holding(sop_class_uid, key) for uid, sop_class_uid, key in rows}
        return held


def _register(
    session: Session,
    requestor_ae_title: str,
    transaction_uid: str,
    references: Sequence[Reference],
    answer_at: datetime,
    peers: Collection[str],
    now: datetime,
) -> int:
    referenced = [[reference.sop_class_uid, reference.sop_instance_uid] for reference in references]
    digest = hashlib.sha256(json.dumps(sorted(referenced)).encode()).hexdigest()
    row = session.scalars(
        _of_transaction(requestor_ae_title, transaction_uid).where(CommitmentRequestRecord.referenced_digest == digest)
    ).one_or_none()
    if row is None:
        make_room(session, requestor_ae_title, peers, now)
        row = CommitmentRequestRecord(
            requestor_ae_title=requestor_ae_title,
            transaction_uid=transaction_uid,
            referenced=referenced,
            referenced_digest=digest,
        )
        session.add(row)
    row.state, row.attempts, row.detail, row.answered_at = CommitmentState.WAITING.value, 0, None, None
    row.requested_at = now
    REQUESTS.put_off(row, answer_at, now)
    session.flush()
    return row.id


def _of_transaction(requestor_ae_title: str, transaction_uid: str) -> Select[CommitmentRequestRecord]:
    return select(CommitmentRequestRecord).where(
        CommitmentRequestRecord.requestor_ae_title == requestor_ae_title,
        CommitmentRequestRecord.transaction_uid == transaction_uid,
    )


def _waiting(requestor_ae_title: str) -> Select[CommitmentRequestRecord]:
    return select(CommitmentRequestRecord).where(
        CommitmentRequestRecord.requestor_ae_title == requestor_ae_title, _is_waiting()
    )


def _is_waiting() -> ColumnElement[bool]:
    return CommitmentRequestRecord.state == CommitmentState.WAITING.value


def _due_commitment(session: Session, row: CommitmentRequestRecord, owner: str) -> DueCommitment:
    earlier = _of_transaction(row.requestor_ae_title, row.transaction_uid).where(CommitmentRequestRecord.id < row.id)
    return DueCommitment(
        id=row.id,
        owner=owner,
        requestor_ae_title=row.requestor_ae_title,
        transaction_uid=row.transaction_uid,
        references=tuple(Reference(*pair) for pair in row.referenced),
        requested_at=row.requested_at,
        attempts=row.attempts,
        is_duplicate=session.scalars(earlier.limit(1)).first() is not None,
    )
