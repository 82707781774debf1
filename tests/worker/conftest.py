"""A small gateway without processes: ledger, store and the shipped network, on one clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from models.checkpoint import Checkpoint
from models.predictor import Predictor
from models.runtimes import NetworkOutput, Runtime
from service.audit import AuditTrail
from service.ledger import Arrival, Ledger, database
from service.ledger.admission import Receipt
from service.ledger.records import DeliveryRecord, EventRecord, InstanceRecord, ReportRecord, StudyRecord
from service.objects import LocalStore
from service.settings import Settings
from service.vocabulary.facts import PrioritySource
from service.vocabulary.identity import Identity
from service.vocabulary.states import Priority
from tests import ledgers, phantoms
from tests.fakes import CountingWaker, TurnedClock
from worker.courier import Courier
from worker.inference import Inference
from worker.network import Network, load_network
from worker.networks import Networks
from worker.report_building import ReportBuilding


@dataclass
class Remembering:
    """A runtime that computes each batch once: most tests look at the same few images."""

    runtime: Runtime
    known: dict[bytes, NetworkOutput] = field(default_factory=dict)

    def run(self, images_N3HW: NDArray[np.float32]) -> NetworkOutput:
        """Return what the runtime returns."""
        batch = images_N3HW.tobytes()
        if batch not in self.known:
            self.known[batch] = self.runtime.run(images_N3HW)
        return self.known[batch]

    def fingerprint(self) -> dict[str, str | int]:
        """Return the runtime's own."""
        return self.runtime.fingerprint()


@cache
def network() -> Network:
    """The shipped checkpoint, loaded once."""
    loaded = load_network(Settings().analysis)
    runtime = Remembering(loaded.predictor._runtime)
    return replace(loaded, predictor=Predictor(loaded.checkpoint, runtime, loaded.predictor._batch_size))


@dataclass
class Gateway:
    """Everything behind the socket, driven step by step."""

    settings: Settings
    ledger: Ledger
    store: LocalStore
    clock: TurnedClock
    waker: CountingWaker = field(default_factory=CountingWaker)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.trail = AuditTrail(self.settings, self.clock)

    def receive(self, dataset: Dataset, priority: Priority = Priority.ROUTINE) -> Receipt:
        """Admit an instance as the listener does."""
        identity = Identity(
            sop_class_uid=str(dataset.SOPClassUID),
            sop_instance_uid=str(dataset.SOPInstanceUID),
            study_instance_uid=str(dataset.StudyInstanceUID),
            series_instance_uid=str(dataset.SeriesInstanceUID),
            patient_id=str(dataset.get("PatientID", "")),
            patient_name=str(dataset.get("PatientName", "")),
            birth_date=str(dataset.get("PatientBirthDate", "")),
            sex=str(dataset.get("PatientSex", "")),
            accession_number=str(dataset.get("AccessionNumber", "")),
        )
        stored = self.store.put(phantoms.encoded(dataset))
        syntax = str(dataset.file_meta.TransferSyntaxUID)
        return self.ledger.admission.register(
            Arrival(
                identity, syntax, stored, "MODALITY", order_priority=priority, priority_source=PrioritySource.AE_TITLE
            )
        )

    def inference(self, *networks: Network, **changes: Any) -> Inference:
        """Return an inference worker with the networks, or the shipped one."""
        members = Networks(networks or (network(),), self.settings.scope)
        arguments: dict[str, Any] = {"networks": members, "owner": "infer-1", "stop": self.stop, **changes}
        return Inference(self.settings, self.ledger, self.store, waker=self.waker, clock=self.clock, **arguments)

    def infer(self) -> int:
        """Analyse what is due."""
        worker = self.inference()
        try:
            return worker.run_until_idle()
        finally:
            worker.close()

    def build(self, *checkpoints: Checkpoint, **changes: Any) -> int:
        """Build the reports that are due, with the checkpoints at hand, or the shipped one."""
        known = checkpoints or (network().checkpoint,)
        building = ReportBuilding(self.settings, self.ledger, self.store, known, "build-1", self.clock, **changes)
        return building.run_until_idle()

    def courier(self, number: int = 0, owner: str = "courier-1") -> Courier:
        """Return a courier to one of the destinations."""
        destination = self.settings.destinations[number]
        return Courier(self.settings, destination, self.ledger, self.store, owner, self.trail, self.stop, self.clock)

    def rows(self, record: Any) -> list[Any]:
        """Return all rows of a table, by id."""
        with Session(self.ledger.engine) as session:
            return list(session.scalars(select(record).order_by(record.id)))

    @property
    def instances(self) -> list[InstanceRecord]:
        return self.rows(InstanceRecord)

    @property
    def studies(self) -> list[StudyRecord]:
        return self.rows(StudyRecord)

    @property
    def reports(self) -> list[ReportRecord]:
        return self.rows(ReportRecord)

    @property
    def deliveries(self) -> list[DeliveryRecord]:
        return self.rows(DeliveryRecord)

    @property
    def events(self) -> list[str]:
        return [row.event for row in self.rows(EventRecord)]


def destination(port: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the settings of a destination on this machine."""
    return {"name": "pacs", "ae_title": "SCRIPTED", "host": "127.0.0.1", "port": port, "connect_timeout": 2, **changes}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Any]:
    """Give ``gateway(destinations=[...])``."""
    engines: list[Engine] = []
    gateways: list[Gateway] = []

    def make(*destinations: dict[str, Any], **settings: Any) -> Gateway:
        clock = TurnedClock()
        # Phantoms are unlike radiographs; what becomes of such images has tests of its own.
        settings = {"scope": {"unlike_training": "ignore"}, **settings}
        made = Settings(data_dir=tmp_path, destinations=destinations, **settings)
        ledgers.prepare(made.database_url)
        engine = database.connect(made.database_url)
        engines.append(engine)
        ledger = Ledger(engine, made.worklist.reading_order, clock)
        gateways.append(Gateway(made, ledger, LocalStore(made.objects_dir), clock))
        return gateways[-1]

    yield make
    for opened in gateways:
        opened.trail.close()
    for engine in engines:
        engine.dispose()
