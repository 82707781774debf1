"""A stand-in for a PACS, for the demo: takes whatever is stored, keeps the headers in memory, and answers C-FIND."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, cast

from pydicom import Dataset
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from service.dicom.latency import without_delay
from service.process.clock import utc_now

_LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass(frozen=True)
class Held:
    """An instance that the stand-in holds: its header without the pixels, and when it arrived."""

    dataset: Dataset
    arrived_at: datetime


class StandInPacs:
    """A PACS for a demonstration: Storage SCP and Query SCP (Study Root) on 127.0.0.1; it keeps no pixels.

    Parameters
    ----------
    ae_title
        Its AE title.
    port
        0 lets the system choose one.
    """

    def __init__(self, ae_title: str = "PACS", port: int = 0) -> None:
        self.ae_title = ae_title
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        ae = AE(ae_title=ae_title)
        ae.supported_contexts = StoragePresentationContexts
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        ae.add_supported_context(Verification)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, without_delay),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
        ]
        server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self._server = cast(ThreadedAssociationServer, server)  # what a call that does not block returns

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._server.server_address[1])

    def held(self) -> list[Held]:
        """Return what it holds, in order of arrival."""
        with self._lock:
            return list(self._held.values())

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()

    def _store(self, event: evt.Event) -> int:
        dataset = event.dataset
        uid = str(dataset.SOPInstanceUID)
        if "PixelData" in dataset:
            del dataset.PixelData
        with self._lock:
            self._held[uid] = Held(dataset, utc_now())
        return 0x0000

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        query = event.identifier
        key = _LEVELS.get(query.get("QueryRetrieveLevel", ""))
        if key is None:
            yield 0xA900, None
            return
        seen = set()
        for held in self.held():
            value = str(held.dataset.get(key, ""))
            if value in seen or not _matches(query, held.dataset):
                continue
            seen.add(value)
            answer = Dataset()
            answer.QueryRetrieveLevel = query.QueryRetrieveLevel
            for element in query:
                if element.keyword != "QueryRetrieveLevel" and element.keyword in held.dataset:
                    answer.add(held.dataset[element.keyword])
            yield 0xFF00, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _matches(query: Dataset, dataset: Dataset) -> bool:
    """Tell whether a data set has every single UID that a query names (PS3.4 C.2.2.2.1)."""
    uids = [element for element in query if element.VR == "UI" and element.value]
    return all(str(dataset.get(element.keyword, "")) == str(element.value) for element in uids)
