"""What every process opens first: the ledger and the object store that the settings name."""

import os
import socket

from service.ledger import Ledger, database
from service.objects import LocalStore, ObjectStore
from service.settings import Settings
from service.vocabulary.errors import LedgerUnavailable


def open_ledger(settings: Settings) -> Ledger:
    """Return the ledger, with current tables.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached, or its tables are another version's.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = database.connect(settings.database_url)
    problem = database.tables_problem(engine)
    if problem is not None:
        engine.dispose()
        raise LedgerUnavailable(problem)
    return Ledger(engine, settings.worklist.reading_order)


def open_store(settings: Settings) -> ObjectStore:
    """Return the object store.

    Raises
    ------
    StoreUnavailable
        When its folder cannot be made.
    """
    reserve = settings.listener.minimum_free_bytes
    if settings.store.is_local:
        return LocalStore(settings.objects_dir, reserve)
    from service.objects.s3 import S3Store  # its client is slow to load

    return S3Store(settings.store, settings.objects_dir / "incoming", reserve)


def owner() -> str:
    """Return a name for this process's leases: no other process, now or later, has the same."""
    return f"{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"[:60]
