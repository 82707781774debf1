"""What is wrong with a database that does not do as it is told, and what a person does about it."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.vocabulary.errors import LedgerDamaged, LedgerUnavailable

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
    "53100": "cannot grow: its disk is full; free some of it where the server keeps its data",
    "53300": "takes no more connections; raise its max_connections, or run fewer processes",
    "42501": "does not let our user at its tables; grant them to it: docs/howto/run-with-postgresql-and-redis.md",
    "42P01": _OTHER_TABLES,
    "42703": _OTHER_TABLES,
}
#: What keeps a connection from coming about: its mark, libpq's words for it, and what they mean. A server that tells in
#: the language of its site is not understood.
_OBSTACLES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "TLS": (
        re.compile("certificate|private key|SSL error|SSL was required|no encryption"),
        (
            "cannot be reached over TLS ({name}); check sslmode, sslrootcert, sslcert and sslkey in `database.url`,"
            " those files, and the server's certificate and whom it lets in"
        ),
    ),
    "LOGIN": (
        re.compile("password authentication failed|no password supplied|pg_hba.conf|role .* does not exist"),
        (
            "refuses the login ({name}); check the user in `database.url`, its password (`database.password_file`), and"
            " whom pg_hba.conf lets in"
        ),
    ),
    "DATABASE": (
        re.compile('database ".*" does not exist'),
        "is not there ({name}); create it on the server, or correct its name in `database.url`",
    ),
    "HOST": (
        re.compile("could not translate host name|failed to resolve host|[Nn]ame or service not known"),
        "has an unknown host ({name}); correct the host in `database.url`, or this machine's name resolution",
    ),
    "CONNECTIONS": (
        re.compile("too many clients|remaining connection slots"),
        "takes no more connections ({name}); raise its max_connections, or run fewer processes",
    ),
    "SERVER": (
        re.compile("refused|timeout expired|timed out|[Nn]o route|unreachable|starting up|shutting down"),
        "does not answer ({name}); start its server, or correct host and port in `database.url`",
    ),
}


def obstacle(words: str) -> str | None:
    """Return the mark of what kept a connection from coming about, by libpq's words; None for what they do not tell."""
    return next((mark for mark, (pattern, _) in _OBSTACLES.items() if pattern.search(words)), None)


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
    _, told = _OBSTACLES.get(str(error).rpartition(" ")[2], (None, None))
    return LedgerUnavailable(f"the database {told.format(name=name)}") if told is not None else None
