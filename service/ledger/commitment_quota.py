"""How many requests for storage commitment are kept: no peer can fill the database with what it asks."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.orm import Session

from service.ledger.leases import REQUESTS
from service.ledger.records import CommitmentRequestRecord
from service.vocabulary.errors import TooManyWaiting
from service.vocabulary.states import CommitmentState

#: Most requests of a peer of the settings, and of all other AE titles together: anybody may type any title.
MOST_OF_A_PEER = 10_000
MOST_OF_OTHERS = 1_000


def make_room(session: Session, requestor_ae_title: str, peers: Collection[str], now: datetime) -> None:
    """Remove the oldest requests of a peer that are settled, where there would be too many with one more.

    Those of an AE title that is no peer's can only be answered on the association that asked; once its time is over,
    they are settled too.

    Raises
    ------
    TooManyWaiting
        When too many wait for their answers.
    """
    row = CommitmentRequestRecord
    settled: ColumnElement[bool] = row.state != CommitmentState.WAITING.value
    if requestor_ae_title in peers:
        of_requestor, most = row.requestor_ae_title == requestor_ae_title, MOST_OF_A_PEER
    else:
        of_requestor, most = row.requestor_ae_title.not_in(sorted(peers)), MOST_OF_OTHERS
        settled = or_(settled, and_(row.next_attempt_at <= now, REQUESTS.is_free(now)))
    excess = session.scalars(select(func.count()).select_from(row).where(of_requestor)).one() + 1 - most
    if excess <= 0:
        return
    numbers = session.scalars(
        select(row.id).where(of_requestor, settled).order_by(row.id).limit(excess).with_for_update(skip_locked=True)
    ).all()
    if len(numbers) < excess:
        raise TooManyWaiting
    session.execute(delete(row).where(row.id.in_(numbers)))
