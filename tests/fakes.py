"""Peers that misbehave on purpose, and a clock that tests turn."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from service.core.wake import Task
from service.dicom.latency import without_delay
from service.dicom.scu import STORED_SOP_CLASSES


@dataclass
class TurnedClock:
    """A clock that stands still until it is turned."""

    now: datetime = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **parts: float) -> None:
        """Go forward by a `timedelta` of these parts."""
        self.now += timedelta(**parts)


@dataclass
class CountingWaker:
    """Counts wake-ups instead of waking anybody."""

    woken: list[Task] = field(default_factory=list)

    def wake(self, task: Task) -> None:
        self.woken.append(task)


@dataclass
class ScriptedPacs:
    """A PACS whose C-STORE answers follow a script; after its end every answer is success.

    `holds` decides what its C-FIND admits to.
    """

    port: int
    script: list[int]
    received: list[Dataset]
    holds: bool = True

    def uids(self) -> list[str]:
        return [str(dataset.SOPInstanceUID) for dataset in self.received]


@contextmanager
def scripted_pacs(
    statuses: Iterable[int] = (), *, sop_classes: Iterable[str] = STORED_SOP_CLASSES, finds: bool = True, port: int = 0
) -> Iterator[ScriptedPacs]:
    """Start a scripted PACS on 127.0.0.1."""
    pacs = ScriptedPacs(0, list(statuses), [])
    lock = threading.Lock()

    def store(event: evt.Event) -> int:
        with lock:
            status = pacs.script.pop(0) if pacs.script else 0x0000
            if status == 0x0000 or status & 0xF000 == 0xB000:
                pacs.received.append(event.dataset)
            return status

    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        uid = str(event.identifier.SOPInstanceUID)
        if pacs.holds and uid in pacs.uids():
            answer = Dataset()
            answer.QueryRetrieveLevel = "IMAGE"
            answer.SOPInstanceUID = uid
            yield 0xFF00, answer

    ae = AE(ae_title="SCRIPTED")
    for sop_class in sop_classes:
        ae.add_supported_context(sop_class)
    if finds:
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    handlers: list[Any] = [(evt.EVT_CONN_OPEN, without_delay), (evt.EVT_C_STORE, store), (evt.EVT_C_FIND, find)]
    server = cast(ThreadedAssociationServer, ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers))
    pacs.port = int(server.server_address[1])
    try:
        yield pacs
    finally:
        server.shutdown()
