"""Ledgers with current tables: migrations are run once for all of a process's SQLite files."""

import functools
import shutil
import tempfile
from pathlib import Path

from sqlalchemy import make_url

from service.ledger.migration import upgrade


def prepare(url: str) -> None:
    """Bring the tables of a ledger into place; where there is no file yet, an empty ledger is copied there."""
    place = make_url(url)
    if place.get_backend_name() != "sqlite" or place.database is None or Path(place.database).exists():
        upgrade(url)
    else:
        shutil.copy(_empty(), place.database)  # with its mode: nobody else may read it


@functools.cache
def _empty() -> Path:
    """Return an SQLite file with current tables and nothing in them."""
    path = Path(tempfile.mkdtemp(prefix="auscult-ledger-")) / "ledger.sqlite"
    upgrade(f"sqlite:///{path}")
    return path
