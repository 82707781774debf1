"""Counts that are kept and not counted, so that a look at them costs the same after years as on the first day.

Each transaction that moves a row adds what it changed, as rows of its own: nobody waits for anybody, as all would for
one row that holds a sum. A look adds them up, and the sweep puts them together. What a process of an earlier version
wrote is missing until everything is counted anew, which the sweep does when it starts.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    bindparam,
    delete,
    event,
    exists,
    func,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy.orm import Session, UOWTransaction

from service.ledger.counts import CountRecord
from service.ledger.database import LedgerSession, reading, writing
from service.ledger.message_records import MessageRecord
from service.ledger.order_records import OrderRecord
from service.ledger.record_base import Record
from service.ledger.records import DeliveryRecord, InstanceRecord, PredictionRecord, StudyRecord
from service.ledger.shadow import is_shadowed
from service.vocabulary.states import DeliveryState, State

#: Versions that are not in force: no row of the worklist stands for them.
SILENT = (State.OWN.value, State.DUPLICATE.value, State.SUPERSEDED.value)

#: The names of the counts; what each is told apart by stands behind it.
STATES = "states"  # state of a version
OUT_OF_SCOPE = "out of scope"  # reason
FAILED = "failed"  # reason
UNREPORTED = "unreported"  # nothing: versions out of scope whose report was given up
OUTCOMES = "outcomes"  # outcome of a result in force
STUDIES = "studies"  # nothing: studies of the worklist, read or not
OPEN = "open studies"  # nothing: those of them that nobody has read
ORDERS = "orders"  # state of what was heard
_RECOUNTS = "recounts"  # how often all was counted anew; of two who count at once, one is too late

CountKey = tuple[str, str]


def outbox(state: DeliveryState | str) -> str:
    """Return the name of the counts of objects and messages in a state, by destination."""
    return f"outbox {DeliveryState(state).value}"


class KeptCounts:
    """Puts the rows of the counts together, and counts anew."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put_together(self, at_least: int = 1000) -> None:
        """Replace the rows of the counts by one for each, where there are many."""
        own = CountRecord.name != _RECOUNTS
        with reading(self._engine) as session:
            if session.scalars(select(func.count()).select_from(CountRecord)).one() < at_least:
                return
        with writing(self._engine) as session:
            columns = (CountRecord.name, CountRecord.label, CountRecord.value)
            sums: Counter[CountKey] = Counter()
            for name, label, value in session.execute(delete(CountRecord).where(own).returning(*columns)):
                sums[name, label] += value
            _add(session, sums)

    def recount(self) -> None:
        """Count everything, and add what the kept counts lack.

        Both are read in one snapshot. What others commit meanwhile adds rows of its own, so the difference stays true.
        """
        with reading(self._engine) as session:
            if self._engine.dialect.name == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            turn = session.scalars(select(CountRecord.value).where(CountRecord.name == _RECOUNTS)).one()
            lacking = Counter(dict(_counted(session)))
            lacking.subtract(kept(session))
        with writing(self._engine) as session:
            mine = update(CountRecord).where(CountRecord.name == _RECOUNTS, CountRecord.value == turn)
            if session.scalars(mine.values(value=turn + 1).returning(CountRecord.id)).first() is not None:
                _add(session, lacking)


def kept(session: Session) -> dict[CountKey, int]:
    """Return the counts that are not 0."""
    name, label = CountRecord.name, CountRecord.label
    sums = select(name, label, func.sum(CountRecord.value)).where(name != _RECOUNTS).group_by(name, label)
    return {(one, other): int(value) for one, other, value in session.execute(sums) if value}


def is_listed() -> ColumnElement[bool]:
    """Return the condition on studies of the worklist.

    One that consists of our own objects alone is none, nor is one of what was out of scope when it came, as CT is.
    """
    return exists(select(InstanceRecord.id).where(InstanceRecord.study_id == StudyRecord.id, _stand()))


def is_open() -> ColumnElement[bool]:
    """Return the condition on studies that nobody has read."""
    return StudyRecord.closed_at.is_(None)


def _stand() -> ColumnElement[bool]:
    """Return the condition on versions that stand for their study on the worklist; see `_stands`."""
    is_recorded_only = (InstanceRecord.state == State.OUT_OF_SCOPE.value) & InstanceRecord.analysed_at.is_(None)
    return InstanceRecord.state.not_in(SILENT) & ~is_recorded_only & ~is_shadowed()


def _stands(value: Callable[[str], Any]) -> bool:
    """Return whether a version stands for its study: nobody has to look at what no worker had to, nor in shadow."""
    state = value("state")
    return (
        value("shadow_id") is None
        and state not in SILENT
        and not (state == State.OUT_OF_SCOPE.value and value("analysed_at") is None)
    )


def count_arrival(session: Session, values: Mapping[str, Any], *, is_first: bool, is_read: bool) -> None:
    """Count a version that is about to be written.

    Parameters
    ----------
    values
        Its columns.
    is_first
        Whether its study has no other.
    is_read
        Whether its study is.
    """
    changes = Counter(_counts_of_version(values.get))
    if _stands(values.get) and (is_first or not _has_standing(session, values["study_id"], 0)):
        changes.update(_counts_of_listed(is_read=is_read))
    _add(session, changes)


_COUNTS = insert(CountRecord)
_STANDING = (
    select(InstanceRecord.id)
    .where(InstanceRecord.study_id == bindparam("study_id"), _stand(), InstanceRecord.id != bindparam("besides"))
    .limit(1)
)


@event.listens_for(LedgerSession, "before_flush")
def _keep(session: LedgerSession, _context: UOWTransaction, _instances: object) -> None:
    """Add what a flush is about to change."""
    changes: Counter[CountKey] = Counter()
    with session.no_autoflush:
        for row in session.new:
            changes.update(_counts_of(row, partial(getattr, row)))
            if isinstance(row, InstanceRecord) and _stands(partial(getattr, row)) and not _has_another(session, row):
                changes.update(_listed(session, row))
        for row in session.dirty:
            changes.update(_counts_of(row, partial(getattr, row)))
            changes.subtract(_counts_of(row, partial(_before, row)))
            if isinstance(row, InstanceRecord) and row.state in SILENT and _before(row, "state") not in SILENT:
                if _stands(partial(_before, row)) and not _has_another(session, row):
                    changes.subtract(_listed(session, row))
                if row.prediction is not None:
                    changes[OUTCOMES, row.prediction.outcome] -= 1
            if isinstance(row, StudyRecord):
                opened = (row.closed_at is None) - (_before(row, "closed_at") is None)
                changes[OPEN, ""] += opened and opened * listed(session, row)
        for row in session.deleted:
            changes.subtract(_counts_of(row, partial(_before, row)))
        _add(session, changes)


def _listed(session: Session, row: InstanceRecord) -> list[CountKey]:
    """Return the counts that the study of a version stands in while it is listed."""
    study = session.get(StudyRecord, row.study_id) if row.study_id else row.study
    return _counts_of_listed(is_read=study is not None and study.closed_at is not None)


def _counts_of_listed(*, is_read: bool) -> list[CountKey]:
    return [(STUDIES, "")] if is_read else [(STUDIES, ""), (OPEN, "")]


def listed(session: Session, study: StudyRecord) -> bool:
    """Return whether a study stands on the worklist, read or not."""
    return session.scalars(select(StudyRecord.id).where(StudyRecord.id == study.id, is_listed())).first() is not None


def _counts_of(row: object, value: Callable[[str], Any]) -> Iterator[CountKey]:
    """Give the counts that a row stands in, by itself."""
    if isinstance(row, PredictionRecord):
        yield OUTCOMES, value("outcome")
    elif isinstance(row, OrderRecord):
        yield ORDERS, value("state")
    elif isinstance(row, DeliveryRecord | MessageRecord):
        yield outbox(value("state")), value("destination")
    elif isinstance(row, InstanceRecord):
        yield from _counts_of_version(value)


def _counts_of_version(value: Callable[[str], Any]) -> Iterator[CountKey]:
    state = value("state")
    yield STATES, state
    if state == State.OUT_OF_SCOPE.value:
        yield OUT_OF_SCOPE, value("reason") or ""
        if value("detail") is not None and not value("reports_due"):
            yield UNREPORTED, ""
    elif state == State.FAILED.value:
        yield FAILED, value("reason") or ""


def _before(row: Record, column: str) -> Any:
    history = inspect(row).attrs[column].history
    return history.deleted[0] if history.deleted else getattr(row, column)


def _has_another(session: Session, row: InstanceRecord) -> bool:
    """Return whether a version besides one stands for its study on the worklist."""
    study = row.study_id or row.study.id
    # Without a number, it is as new as the row.
    return bool(study) and _has_standing(session, study, row.id or 0)


def _has_standing(session: Session, study_id: int, besides: int) -> bool:
    asked = {"study_id": study_id, "besides": besides}
    return session.connection().execute(_STANDING, asked).first() is not None


def _add(session: Session, changes: Counter[CountKey]) -> None:
    # Differences are added as rows and summed later: two who count at once would wait for each other on one sum.
    rows = [{"name": name, "label": label, "value": value} for (name, label), value in changes.items() if value]
    if rows:
        session.connection().execute(_COUNTS, rows)


def _counted(session: Session) -> Iterator[tuple[CountKey, int]]:
    """Give what the kept counts ought to be, by counting."""
    instance, delivery, prediction = InstanceRecord, DeliveryRecord, PredictionRecord
    unreported = (instance.state == State.OUT_OF_SCOPE.value, instance.detail.is_not(None), ~instance.reports_due)
    results = select(prediction.outcome, func.count()).join(instance).where(instance.state.not_in(SILENT))
    counts: list[tuple[str, Any]] = [
        (STATES, select(instance.state, func.count()).group_by(instance.state)),
        (OUT_OF_SCOPE, _reasons(State.OUT_OF_SCOPE)),
        (FAILED, _reasons(State.FAILED)),
        (UNREPORTED, select(func.count()).select_from(instance).where(*unreported)),
        (OUTCOMES, results.group_by(prediction.outcome)),
        (STUDIES, select(func.count()).select_from(StudyRecord).where(is_listed())),
        (OPEN, select(func.count()).select_from(StudyRecord).where(is_listed(), is_open())),
        (ORDERS, select(OrderRecord.state, func.count()).group_by(OrderRecord.state)),
    ]
    for name, query in counts:
        for *label, count in session.execute(query):
            yield (name, label[0] or "" if label else ""), count
    for row in (delivery, MessageRecord):
        rows = select(row.state, row.destination, func.count()).group_by(row.state, row.destination)
        for state, destination, count in session.execute(rows):
            yield (outbox(state), destination), count


def _reasons(state: State) -> Select[str | None, int]:
    of_state = select(InstanceRecord.reason, func.count()).where(InstanceRecord.state == state.value)
    return of_state.group_by(InstanceRecord.reason)
