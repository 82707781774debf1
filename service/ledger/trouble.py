"""What is wrong with a database that does not do as it is told, and what a person does about it."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.vocabulary.errors import LedgerDamaged, LedgerUnavailable

#: The mark on an error of a connection over TLS that failed before it began; see `service.ledger.database`.
TLS = "TLS"

#: What to do about a damaged ledger.
RESTORE = "stop auscult, keep the damaged ledger, and restore the last copy: docs/howto/back-up-and-restore.md"
_OTHER_TABLES = (
    "lacks tables or columns of this version; `auscult doctor` tells its version, `auscult db upgrade` mends"
)
#: SQLite's primary result codes (https://sqlite.org/rescode.html), and what each means for the ledger's file.
_SQLITE: Mapping[int, str] = {
    1: _OTHER_TABLES,  # SQLITE_ERROR: its statements are ours, so it is the tables that are not
    3: "may not be opened; give it and its folder to the user that auscult runs as",  # SQLITE_PERM
    5: "is locked by another program for longer than we wait; end it: a copy, or sqlite3 left open",  # SQLITE_BUSY
    8: "cannot be written; give it and its folder to the user that auscult runs as, or mount its disk for"
    " writing",  # SQLITE_READONLY
    10: "cannot be read or written: its disk fails or has gone; look into the system's log",  # SQLITE_IOERR
    13: "cannot grow: its disk is full; docs/howto/survive-a-full-disk.md",  # SQLITE_FULL
    14: "cannot be opened: it must be a file in a folder of the user that auscult runs as, and the process must have"
    " a file handle left (`ulimit -n`)",  # SQLITE_CANTOPEN
    15: "cannot be locked; data_dir must be on a local disk, not on a network share",  # SQLITE_PROTOCOL
}
_SQLITE_DAMAGED = frozenset({11, 24, 26})  # SQLITE_CORRUPT, SQLITE_FORMAT, SQLITE_NOTADB
#: PostgreSQL's SQLSTATEs, or their classes, that psycopg does not raise as an `OperationalError`.
_POSTGRESQL: Mapping[str, str] = {
    "25006": "takes no writing: it is a standby, or its transactions are read-only; name the primary in `database.url`",
    "42501": "does not let our user at its tables; grant them to it: docs/howto/run-with-postgresql-and-redis.md",
    "42P01": _OTHER_TABLES,
    "42703": _OTHER_TABLES,
}


def trouble(error: DBAPIError | PoolTimeout, url: URL) -> LedgerUnavailable | None:
    """Return what an error means; None where nothing ails the database, and its statement was wrong.

    A driver's message may quote a statement's values, so only its name and code are told.
    """
    original = error.orig if isinstance(error, DBAPIError) else error
    found = _of_sqlite(original, str(url.database)) if url.get_backend_name() == "sqlite" else _of_postgresql(original)
    if found is not None or not isinstance(error, (OperationalError, InterfaceError, PoolTimeout)):
        return found
    return LedgerUnavailable(
        f"the database cannot be reached or written ({type(original).__name__});"
        " check `database.url`, the user's password, the server and its disk"
    )


def _of_sqlite(error: Any, path: str) -> LedgerUnavailable | None:
    name, code = getattr(error, "sqlite_errorname", ""), getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _SQLITE_DAMAGED:
        return LedgerDamaged(f"the ledger {path} is damaged ({name}); {RESTORE}")
    return LedgerUnavailable(f"the ledger {path} {_SQLITE[code]} ({name})") if code in _SQLITE else None


def _of_postgresql(error: Any) -> LedgerUnavailable | None:
    name, state = type(error).__name__, getattr(error, "sqlstate", None) or ""
    if state.startswith("XX"):  # internal error, DataCorrupted, IndexCorrupted
        return LedgerDamaged(f"the ledger's database is damaged ({name}); {RESTORE}")
    if state in _POSTGRESQL:
        return LedgerUnavailable(f"the ledger's database {_POSTGRESQL[state]} ({name})")
    if not str(error).endswith(f" {TLS}"):
        return None
    return LedgerUnavailable(
        f"the database cannot be reached over TLS ({name}); check sslmode, sslrootcert, sslcert and sslkey in"
        " `database.url`, those files, and the server's certificate and whom it lets in"
    )
