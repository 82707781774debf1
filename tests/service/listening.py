"""A listener on a ledger and a store of its own, as tests want it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynetdicom
from pydicom.dataset import Dataset
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.audit import AuditTrail
from service.dicom.auditor import Auditor
from service.dicom.commitment.listening import CommitmentService
from service.dicom.work_items.listening import work_items_of
from service.intake import Intake
from service.ledger import Ledger
from service.ledger.database import connect
from service.ledger.records import EventRecord, InstanceRecord, StudyRecord
from service.objects import LocalStore
from service.operations.wake import Task
from service.scp import Listener
from service.settings import Settings, load
from tests import ledgers


@dataclass
class NotingWaker:
    """Notes what it was asked to wake up."""

    tasks: list[Task] = field(default_factory=list)

    def wake(self, task: Task) -> None:
        self.tasks.append(task)


@dataclass
class Site:
    """A listener and what stands behind it."""

    settings: Settings
    engine: Engine
    store: LocalStore
    waker: NotingWaker
    intake: Intake
    listener: Listener

    @property
    def port(self) -> int:
        assert self.listener.port is not None
        return self.listener.port

    @property
    def tls_port(self) -> int:
        assert self.listener.tls_port is not None
        return self.listener.tls_port

    @property
    def instances(self) -> list[InstanceRecord]:
        with Session(self.engine) as session:
            return list(session.scalars(select(InstanceRecord).order_by(InstanceRecord.id)))

    @property
    def studies(self) -> list[StudyRecord]:
        with Session(self.engine) as session:
            return list(session.scalars(select(StudyRecord).order_by(StudyRecord.id)))

    @property
    def events(self) -> list[str]:
        with Session(self.engine) as session:
            return list(session.scalars(select(EventRecord.event).order_by(EventRecord.id)))

    @property
    def half_received(self) -> list[Path]:
        return list((self.settings.objects_dir / "incoming").iterdir())

    def stored(self, index: int = -1) -> bytes:
        return self.store.read(self.instances[index].object_key)


def prepare(data_dir: Path, *, tables: dict[str, Any] | None = None, **listener: Any) -> Settings:
    """Return settings for a site in a folder, its tables in place."""
    options = {"port": 0, "minimum_free_bytes": 0} | listener
    settings = load(data_dir=data_dir, listener=options, **(tables or {}))
    data_dir.mkdir(exist_ok=True)
    ledgers.prepare(settings.database_url)
    return settings


@contextmanager
def listening(data_dir: Path, *, tables: dict[str, Any] | None = None, **listener: Any) -> Iterator[Site]:
    """Run a listener on port 0 until the block ends.

    Parameters
    ----------
    tables
        Settings by table; keyword arguments are those of `[listener]`.
    """
    settings = prepare(data_dir, tables=tables, **listener)
    engine = connect(settings.database_url)
    store = LocalStore(settings.objects_dir, settings.listener.minimum_free_bytes)
    waker = NotingWaker()
    ledger = Ledger(engine)
    intake = Intake(settings, store, ledger.admission, waker)
    commitment = CommitmentService(settings, ledger, store, waker, "listener-1")
    try:
        with AuditTrail(settings) as trail:
            auditor = Auditor(trail, settings.listener.ae_title)
            work_items = work_items_of(settings, ledger, auditor, waker)
            with Listener(settings.listener, intake, commitment, trail, work_items=work_items) as server:
                yield Site(settings, engine, store, waker, intake, server)
    finally:
        engine.dispose()


@contextmanager
def associated(
    port: int, *contexts: tuple[str, str], calling: str = "MODALITY"
) -> Iterator[pynetdicom.association.Association]:
    """Associate by pynetdicom's SCU, with (SOP class, transfer syntax) pairs."""
    entity = pynetdicom.AE(calling)
    for abstract, syntax in contexts:
        entity.add_requested_context(abstract, syntax)
    assoc = entity.associate("127.0.0.1", port, ae_title="AUSCULT")
    try:
        yield assoc
    finally:
        if assoc.is_established:
            assoc.release()


def send(port: int, *datasets: Dataset, calling: str = "MODALITY", priority: int = 2) -> list[int]:
    """Send data sets over one association; return the statuses."""
    contexts = {(str(ds.SOPClassUID), str(ds.file_meta.TransferSyntaxUID)) for ds in datasets}
    with associated(port, *sorted(contexts), calling=calling) as assoc:
        return [assoc.send_c_store(ds, priority=priority).Status for ds in datasets]
