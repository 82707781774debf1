"""What is wrong with a database that does not do as it is told, and what a person does about it."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.texts import Sentence
from service.vocabulary.errors import LedgerDamaged, LedgerUnavailable

#: What to do about a damaged ledger.
RESTORE = Sentence("trouble.restore")
#: SQLite's primary result codes (https://sqlite.org/rescode.html), and what each means for the ledger's file.
_SQLITE: Mapping[int, str] = {
    1: "trouble.file_tables",  # SQLITE_ERROR: its statements are ours, so it is the tables that are not
    3: "trouble.file_permission",  # SQLITE_PERM
    5: "trouble.file_locked",  # SQLITE_BUSY
    8: "trouble.file_read_only",  # SQLITE_READONLY
    10: "trouble.file_disk_fails",  # SQLITE_IOERR
    13: "trouble.file_disk_full",  # SQLITE_FULL
    14: "trouble.file_not_opened",  # SQLITE_CANTOPEN
    15: "trouble.file_not_local",  # SQLITE_PROTOCOL
}
_SQLITE_DAMAGED = frozenset({11, 24, 26})  # SQLITE_CORRUPT, SQLITE_FORMAT, SQLITE_NOTADB
#: PostgreSQL's SQLSTATEs, or their classes, that psycopg does not raise as an `OperationalError`.
_POSTGRESQL: Mapping[str, str] = {
    "25006": "trouble.server_standby",
    "53100": "trouble.server_disk_full",
    "53300": "trouble.server_full",
    "42501": "trouble.server_rights",
    "42P01": "trouble.server_tables",
    "42703": "trouble.server_tables",
}
#: What keeps a connection from coming about: its mark, libpq's words for it, and what they mean. A server that tells in
#: the language of its site is not understood.
_OBSTACLES: Mapping[str, tuple[re.Pattern[str], str]] = {
    "TLS": (
        re.compile("certificate|private key|SSL error|SSL was required|no encryption"),
        "trouble.server_tls",
    ),
    "LOGIN": (
        re.compile("password authentication failed|no password supplied|pg_hba.conf|role .* does not exist"),
        "trouble.server_login",
    ),
    "DATABASE": (re.compile('database ".*" does not exist'), "trouble.server_no_database"),
    "HOST": (
        re.compile("could not translate host name|failed to resolve host|[Nn]ame or service not known"),
        "trouble.server_host",
    ),
    "CONNECTIONS": (re.compile("too many clients|remaining connection slots"), "trouble.server_full"),
    "SERVER": (
        re.compile("refused|timeout expired|timed out|[Nn]o route|unreachable|starting up|shutting down"),
        "trouble.server_silent",
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
    return LedgerUnavailable(Sentence("trouble.database", name=type(original).__name__))


def _of_sqlite(error: Any, path: str) -> LedgerUnavailable | None:
    name, code = getattr(error, "sqlite_errorname", ""), getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _SQLITE_DAMAGED:
        return LedgerDamaged(Sentence("trouble.file_damaged", path=path, name=name, restore=RESTORE))
    return LedgerUnavailable(Sentence(_SQLITE[code], path=path, name=name)) if code in _SQLITE else None


def _of_postgresql(error: Any) -> LedgerUnavailable | None:
    name, state = type(error).__name__, getattr(error, "sqlstate", None) or ""
    if state.startswith("XX"):  # internal error, DataCorrupted, IndexCorrupted
        return LedgerDamaged(Sentence("trouble.server_damaged", name=name, restore=RESTORE))
    if state in _POSTGRESQL:
        return LedgerUnavailable(Sentence(_POSTGRESQL[state], name=name))
    _, code = _OBSTACLES.get(str(error).rpartition(" ")[2], (None, None))
    return LedgerUnavailable(Sentence(code, name=name)) if code is not None else None
