"""One cache of compiled statements for all engines of a process: a test has a ledger, and so an engine, of its own.

SQLAlchemy keeps what it compiled with the engine, and knows a dialect by the object: each test would compile every
statement again, which takes as long as running it.
"""

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

_STATEMENTS: LRUCache[Any, Any] = LRUCache(5000)


def share() -> None:
    """Let all engines from now on have one cache, and dialects of one kind be equal."""
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        dialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
        dialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    event.listen(Engine, "engine_connect", _use)


def _use(connection: Connection) -> None:
    connection.execution_options(compiled_cache=_STATEMENTS)
