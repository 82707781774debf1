"""The ledger's database: SQLite for one machine, PostgreSQL for many; the tables come from migrations/."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.core.errors import LedgerUnavailable

#: The revision in migrations/ that this version's code is written for.
TABLES = "0004"


def connect(url: str) -> Engine:
    """Return an engine whose commits are durable.

    SQLite runs in WAL mode with ``synchronous=FULL``: each commit is fsynced before it returns. An error that ends a
    process prints its text, so none quotes the values of its statement: they hold patient attributes.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": 30, "check_same_thread": False})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    return create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        connect_args={"connect_timeout": 10},
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # sqlite3's own BEGIN would start a deferred transaction
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another has written meanwhile.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Open a transaction that writes; it is durable once the block has ended.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached or written.
    """
    try:
        with (
            engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
            Session(connection) as session,
        ):
            yield session
            session.flush()
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise LedgerUnavailable(_reason(error)) from None


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a transaction that only reads.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached.
    """
    try:
        with Session(engine) as session:
            yield session
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise LedgerUnavailable(_reason(error)) from None


def _reason(error: Exception) -> str:
    # A driver's message may quote a statement's values, so only its type is told.
    original = error.orig if isinstance(error, DBAPIError) else error
    name = type(original).__name__
    return f"the database cannot be reached or written ({name}); check `database.url`, its server and its disk"


def is_current(engine: Engine) -> bool:
    """Return whether the tables are those of this version.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached.
    """
    with reading(engine) as session:
        if not inspect(engine).has_table("alembic_version"):
            return False
        return bool(session.scalar(text("SELECT version_num FROM alembic_version")) == TABLES)
