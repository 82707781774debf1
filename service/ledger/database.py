"""The ledger's database: SQLite for one machine, PostgreSQL for many; the tables come from migrations/."""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.ledger import folding
from service.ledger.trouble import obstacle, trouble
from service.texts import Sentence
from service.vocabulary.errors import LedgerUnavailable

#: The revision in migrations/ that this version's code is written for.
TABLES = "0029"

#: The oldest major version of PostgreSQL that knows all that our statements say: a search folds names by normalize().
OLDEST_POSTGRESQL = 13

#: What libpq is told where the URL says nothing else. A host that vanishes resets no connection, and the kernel would
#: wait a quarter of an hour for it to take what was sent, and two hours for what it has yet to answer: a C-STORE and a
#: lease are over long before.
_PATIENCE: Mapping[str, int] = {
    "connect_timeout": 10,  # seconds for each of the URL's hosts
    "tcp_user_timeout": 15_000,  # milliseconds for which what was sent may remain unacknowledged
    "keepalives_idle": 10,  # seconds of silence before the host is asked whether it is still there
    "keepalives_interval": 5,  # seconds until it is asked again
    "keepalives_count": 3,  # questions without an answer that end the connection
}

#: Seconds that a transaction waits for another one that writes, on SQLite.
_BUSY_S = 30
# SQLite lets those that wait sleep, ever longer, and look again; whoever comes at the right moment goes first. The
# threads of a process take turns before.
_TURNS: WeakKeyDictionary[Engine, threading.Lock] = WeakKeyDictionary()


def connect(url: str) -> Engine:
    """Return an engine whose commits are durable.

    SQLite runs in WAL mode with ``synchronous=FULL``: each commit is fsynced before it returns. An error that ends a
    process prints its text, so none quotes the values of its statement: they hold patient attributes.
    """
    if url.startswith("sqlite"):
        # A statement that sqlite3 caches keeps the values last bound to it, so each connection would grow with them.
        options = {"timeout": _BUSY_S, "check_same_thread": False, "cached_statements": 0}
        engine = create_engine(url, hide_parameters=True, connect_args=options)
        _TURNS[engine] = threading.Lock()
        event.listen(engine, "do_connect", _keep_private)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        connect_args={name: value for name, value in _PATIENCE.items() if name not in make_url(url).query},
    )
    event.listen(engine, "handle_error", _quote_no_row)
    # Before SQLAlchemy's own first question, whose answer it cannot read otherwise.
    event.listen(engine, "connect", _require_utf8, insert=True)
    event.listen(engine, "connect", _require_version, insert=True)
    event.listen(engine, "connect", _compile_nothing)
    return engine


def _compile_nothing(connection: Any, _record: object) -> None:
    """Have each statement run as it is: PostgreSQL compiles by a guess, for half a second, what looks at a few rows."""
    with connection.cursor() as cursor:
        cursor.execute("SET jit = off")
    connection.commit()


def _require_version(connection: Any, _record: object) -> None:
    """Refuse a server that does not understand our statements.

    Raises
    ------
    LedgerUnavailable
        When it is older than `OLDEST_POSTGRESQL`.
    """
    found = connection.info.server_version // 10_000
    if found < OLDEST_POSTGRESQL:
        connection.close()
        raise LedgerUnavailable(Sentence("trouble.server_old", found=found, oldest=OLDEST_POSTGRESQL))


def _require_utf8(connection: Any, _record: object) -> None:
    """Refuse a database that cannot hold every name as it was received.

    Raises
    ------
    LedgerUnavailable
        When its encoding is not UTF8.
    """
    encoding = connection.pgconn.parameter_status(b"server_encoding").decode("ascii", "replace")
    if encoding != "UTF8":
        connection.close()
        raise LedgerUnavailable(
            f"the database's encoding is {encoding}, and names in other scripts would be lost; create it with"
            " ENCODING 'UTF8' TEMPLATE template0"
        )


def _quote_no_row(context: ExceptionContext) -> None:
    """Take out of an error what PostgreSQL itself quotes: the row that it refused, or the value that it cannot read."""
    error: Any = context.original_exception
    if not hasattr(error, "diag"):  # no error of psycopg's
        return
    names = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
    obstacle_ = obstacle(str(error)) if context.connection is None else None
    told = " ".join(name for name in (type(error).__name__, error.sqlstate, *names, obstacle_) if name)
    error.args = (told,)
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (told,)


def _keep_private(_dialect: object, _record: object, arguments: Sequence[Any], _options: object) -> None:
    """Make the file, for its owner alone whatever its folder: SQLite gives -wal and -shm the mode that it has."""
    if arguments[0].startswith(("file:", ":memory:")):
        return
    with suppress(OSError, ValueError):  # SQLite tells what is wrong with it, in its own words
        os.close(os.open(arguments[0], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # sqlite3's own BEGIN would start a deferred transaction
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={1000 * _BUSY_S}"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function(folding.NAME, 1, folding.fold, deterministic=True)


def _begin_immediate(connection: Connection) -> None:
    # A deferred transaction that reads first and writes later fails at once when another has written meanwhile.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class LedgerSession(Session):
    """A transaction that writes; what it changes is counted (see `service.ledger.kept_counts`)."""


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Open a transaction that writes; it is durable once the block has ended.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached or written.
    """
    with (
        told(engine.url),
        _turn(engine),
        engine.connect().execution_options(writes=True) as connection,
        connection.begin(),
        LedgerSession(connection) as session,
    ):
        yield session
        session.flush()


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    turn = _TURNS.get(engine)
    if turn is None:
        yield
        return
    # Whoever has the turn may wait as long for another program: nobody waits for both, one after the other.
    if not turn.acquire(timeout=_BUSY_S):
        raise LedgerUnavailable(Sentence("trouble.file_locked", path=str(engine.url.database), name="SQLITE_BUSY"))
    try:
        yield
    finally:
        turn.release()


def takes_turns(engine: Engine) -> bool:
    """Return whether those that write wait for each other, as on SQLite, whatever rows they write."""
    return engine in _TURNS


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a transaction that only reads.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached.
    """
    with told(engine.url), Session(engine) as session:
        yield session


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Tell of a database that does not answer as every part of auscult does.

    Raises
    ------
    LedgerUnavailable
        When the block could not reach the database, or write to it; `LedgerDamaged` when what it holds is damaged.
    """
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        found = trouble(error, url)
        if found is None:
            raise
        raise found from None


def tables_problem(engine: Engine) -> Sentence | None:
    """Return why the tables cannot be used by this version, and what to do; None when they can.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached.
    """
    with reading(engine) as session:
        has_tables = inspect(engine).has_table("alembic_version")
        found = session.scalar(text("SELECT version_num FROM alembic_version")) if has_tables else None
    if found == TABLES:
        return None
    if found is None:
        return Sentence("trouble.no_tables")
    if found < TABLES:
        return Sentence("trouble.older_tables", found=found, ours=TABLES)
    return Sentence("trouble.newer_tables", found=found, ours=TABLES)
