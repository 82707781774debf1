"""What the ledger's rows are made of: the base of all tables, and of those that are queues."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Integer, MetaData, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.ledger.moment import Moment


def where(condition: str) -> dict[str, Any]:
    """Make an index of the rows that a look is about, a few among all that history leaves behind."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Record(DeclarativeBase):
    """Base of all rows."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: Moment(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        list[list[str]]: JSON(),
        # SQLite numbers rows by itself only for a column declared INTEGER.
        int: BigInteger().with_variant(Integer(), "sqlite"),
    }


class LeasedRecord(Record):
    """A row of a queue: one worker at a time holds it; see `service.ledger.leases`."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True)
    # Its earlier value is wanted also where it was not read before it was set.
    state: Mapped[str] = mapped_column(String(16), active_history=True)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None]
    #: When the lease or the pause that stands was set: what lies in the future was set by a clock that ran ahead.
    timed_at: Mapped[datetime | None]
