"""Ledgers with current tables: migrations are run once a process for SQLite, and once a server for PostgreSQL."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import psycopg
from sqlalchemy import URL, make_url

from service.ledger.migration import upgrade

#: On each PostgreSQL server, the database that others are copied from.
_CURRENT = "current_tables"


def prepare(url: str) -> None:
    """Bring the tables of a ledger into place; where there is nothing yet, an empty ledger is copied there."""
    place = make_url(url)
    if place.get_backend_name() == "postgresql" and _is_empty(place):
        _copy_current(place)
    elif place.get_backend_name() == "sqlite" and place.database is not None and not Path(place.database).exists():
        shutil.copy(_empty(), place.database)  # with its mode: nobody else may read it
    else:
        upgrade(url)


@functools.cache
def _empty() -> Path:
    """Return an SQLite file with current tables and nothing in them."""
    folder = tempfile.mkdtemp(prefix="auscult-ledger-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / "ledger.sqlite"
    upgrade(f"sqlite:///{path}")
    return path


def _connect(place: URL, database: str | None) -> psycopg.Connection:
    server = place.set(drivername="postgresql", database=database).render_as_string(hide_password=False)
    return psycopg.connect(server, autocommit=True, connect_timeout=10)


def _is_empty(place: URL) -> bool:
    with _connect(place, place.database) as connection:
        tables = connection.execute("SELECT FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return tables is None


def _copy_current(place: URL) -> None:
    """Put a copy of the database with current tables, which is made where there is none, in an empty one's place."""
    with _connect(place, "postgres") as connection:
        known = connection.execute("SELECT FROM pg_database WHERE datname = %s", (_CURRENT,)).fetchone()
        if known is None:
            connection.execute(f"CREATE DATABASE {_CURRENT}")
            upgrade(place.set(database=_CURRENT).render_as_string(hide_password=False))
        connection.execute(f'DROP DATABASE "{place.database}"')
        connection.execute(f'CREATE DATABASE "{place.database}" TEMPLATE {_CURRENT}')
