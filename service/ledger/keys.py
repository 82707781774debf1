"""Which objects of the store the ledger still needs.

A row is about to name an object, and the sweeper is about to remove it: both first lock its key, so that one of them
sees what the other did. An object that a row names and that does not say "removed" is there.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, BindParameter, ColumnElement, bindparam, func, select, union_all, update
from sqlalchemy.orm import Session

from service.ledger.records import InstanceRecord, ReportRecord
from service.vocabulary.errors import StoreUnavailable

#: Tells whether the store holds the object of a key.
Holds = Callable[[str], bool]

_TABLES: tuple[type[InstanceRecord] | type[ReportRecord], ...] = (InstanceRecord, ReportRecord)


def _is_removed(
    table: type[InstanceRecord] | type[ReportRecord], keys: Sequence[str] | BindParameter[str]
) -> tuple[ColumnElement[bool], ...]:
    return table.object_key.in_(keys), table.object_removed_at.is_not(None)


_REMOVED = union_all(
    *(select(table.id).where(*_is_removed(table, bindparam("keys", expanding=True))) for table in _TABLES)
)


_LOCK = select(
    func.pg_advisory_xact_lock(func.unnest(bindparam("numbers", type_=ARRAY(BigInteger()))).column_valued("number"))
)


def assumed(_key: str) -> bool:
    """Take for granted that the store holds an object."""
    return True


def lock(session: Session, *keys: str) -> None:
    """Lock keys, in this order, until the transaction ends.

    On SQLite a transaction that writes has everything locked already.
    """
    if session.get_bind().dialect.name == "postgresql":
        numbers = [int.from_bytes(bytes.fromhex(key[:16]), signed=True) for key in keys]
        session.connection().execute(_LOCK, {"numbers": numbers})


def name_objects(session: Session, keys: Sequence[str], holds: Holds) -> bool:
    """Let rows of this transaction name objects; return whether the bytes of one had been removed and are back.

    Raises
    ------
    StoreUnavailable
        When the sweeper removed an object since it was kept; the same call succeeds once it is kept again.
    """
    lock(session, *sorted(keys))  # two that name the same objects take them in one order
    if not all(map(holds, keys)):
        raise StoreUnavailable("the object was removed at this moment; it is to be sent again")
    # Asked first: it is so of next to none, and one look costs an arrival less than two updates.
    if session.connection().execute(_REMOVED, {"keys": keys}).first() is None:
        return False
    for table in _TABLES:
        session.execute(update(table).where(*_is_removed(table, keys)).values(object_removed_at=None))
    return True


def needed(session: Session, keys: Sequence[str]) -> set[str]:
    """Return the keys that a row names whose bytes are not removed."""
    return {
        key
        for table in _TABLES
        for key in session.scalars(
            select(table.object_key).where(table.object_key.in_(keys), table.object_removed_at.is_(None))
        )
    }


def known(session: Session, keys: Sequence[str]) -> set[str]:
    """Return the keys that a row names, its bytes removed or not."""
    return {
        key for table in _TABLES for key in session.scalars(select(table.object_key).where(table.object_key.in_(keys)))
    }


def mark_removed(session: Session, instance: InstanceRecord, at: datetime) -> list[str]:
    """Mark an instance's object, and those of its reports, as removed; return their keys."""
    instance.object_removed_at = at
    session.execute(update(ReportRecord).where(ReportRecord.instance_id == instance.id).values(object_removed_at=at))
    reports = session.scalars(select(ReportRecord.object_key).where(ReportRecord.instance_id == instance.id))
    return [instance.object_key, *reports]
