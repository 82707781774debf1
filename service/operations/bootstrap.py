"""What every process opens first: the ledger and the object store that the settings name."""

import os
import socket
from collections.abc import Sequence
from datetime import timedelta

from service.audit import AuditTrail
from service.audit.administration_events import AuditedChange, administered
from service.ledger import Lasting, Ledger, Subscription, database
from service.objects import LocalStore, ObjectStore
from service.settings import Settings
from service.vocabulary.errors import LedgerUnavailable, SettingsInvalid
from service.vocabulary.shadow import ShadowSource


def make_data_dir(settings: Settings) -> None:
    """Make the folder of ledger and objects, for its owner alone, unless it is there.

    Raises
    ------
    SettingsInvalid
        When it cannot be made or used.
    """
    folder = settings.data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        raise SettingsInvalid(f"data_dir = {folder}: cannot be made ({error.strerror}); name another folder") from None
    if not usable:
        raise SettingsInvalid(
            f"data_dir = {folder}: this user may not use it; give it to the user that auscult runs as, or mount its"
            " disk for writing"
        )


def open_ledger(settings: Settings) -> Ledger:
    """Return the ledger, with current tables.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached, or its tables are another version's.
    """
    make_data_dir(settings)
    engine = database.connect(settings.database_url)
    problem = database.tables_problem(engine)
    if problem is not None:
        engine.dispose()
        raise LedgerUnavailable(problem)
    look_again = [timedelta(seconds=seconds) for seconds in settings.delivery.confirm_again]
    told = [Subscription(receiver.name, receiver.told, receiver.not_analysed) for receiver in settings.receivers]
    limit = timedelta(seconds=settings.work_items.claim_limit)
    sessions = settings.web.sessions
    lasting = Lasting(timedelta(seconds=sessions.idle), timedelta(seconds=sessions.longest))
    ledger = Ledger(
        engine,
        settings.worklist.reading_order,
        look_again=look_again,
        subscriptions=told,
        claim_limit=limit,
        lasting=lasting,
    )
    # Kept by the ledger from now on: that a later settings file forgets one must not begin to send.
    _note_shadow(settings, ledger.shadow.enter_named(settings.shadow.ae_titles))
    return ledger


def _note_shadow(settings: Settings, sources: Sequence[ShadowSource]) -> None:
    if sources:
        trail = AuditTrail(settings)
        for source in sources:
            what = f"{source} was put in shadow by shadow.ae_titles"
            trail.note(administered, trail.node, "", "", change=AuditedChange.SOFTWARE, what=what)
        trail.close()


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
