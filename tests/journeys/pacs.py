"""A PACS that counts: every C-STORE that it answered, the bytes of each object, and what it was asked for."""

import hashlib
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator
from io import BytesIO
from types import TracebackType
from typing import Any, Self, cast

from pydicom import Dataset, dcmread
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

from service.dicom.latency import without_delay


class CountingPacs:
    """Storage SCP and Query SCP on 127.0.0.1 that keeps the header of each object and a digest for each time it came.

    Parameters
    ----------
    tls
        For a server that takes TLS alone.

    Attributes
    ----------
    digests
        SHA-256 (hex) of the encoded data set, once for each C-STORE that was answered, by SOP Instance UID.
    refusal
        The status that each C-STORE is answered with while it is set; nothing is kept then.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._lock = threading.Lock()
        self._headers: dict[str, Dataset] = {}
        self.digests: dict[str, list[str]] = defaultdict(list)
        self.refusal: int | None = None
        ae = AE("PACS")
        ae.supported_contexts = StoragePresentationContexts
        ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        ae.add_supported_context(Verification)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, without_delay),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
        ]
        server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=tls)
        self._server = cast(ThreadedAssociationServer, server)  # what a call that does not block returns

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return int(self._server.server_address[1])

    def objects(self, study_instance_uid: str | None = None) -> list[Dataset]:
        """Return the headers of the objects it holds, of one study or all, in order of first arrival."""
        with self._lock:
            headers = list(self._headers.values())
        return [item for item in headers if study_instance_uid in (None, item.StudyInstanceUID)]

    def of(self, source: Dataset) -> list[Dataset]:
        """Return the reports on one image, in order of arrival."""
        uid = str(source.SOPInstanceUID)
        return [item for item in self.objects(str(source.StudyInstanceUID)) if uid in _references(item)]

    def _store(self, event: evt.Event) -> int:
        if self.refusal is not None:
            return self.refusal
        header = dcmread(BytesIO(event.encoded_dataset()), stop_before_pixels=True)
        request = cast(C_STORE, event.request)
        uid = str(request.AffectedSOPInstanceUID)
        # The data set alone: the file meta information that the receiver writes is none of the sender's.
        encoded = cast(BytesIO, request.DataSet).getvalue()
        with self._lock:
            self._headers.setdefault(uid, header)
            self.digests[uid].append(hashlib.sha256(encoded).hexdigest())
        return 0x0000

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        uid = str(event.identifier.get("SOPInstanceUID", ""))
        if uid in self.digests:
            answer = Dataset()
            answer.QueryRetrieveLevel = "IMAGE"
            answer.SOPInstanceUID = uid
            yield 0xFF00, answer

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _references(dataset: Dataset) -> set[str]:
    """Return every SOP Instance UID that an object refers to."""
    return {str(element.value) for element in dataset.iterall() if element.keyword == "ReferencedSOPInstanceUID"}


def predecessors(report: Dataset) -> set[str]:
    """Return the UIDs of the documents that a report takes the place of."""
    return {
        str(item.ReferencedSOPInstanceUID)
        for study in report.get("PredecessorDocumentsSequence", [])
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }


def sentences(report: Dataset) -> list[str]:
    """Return the text values of a Structured Report, in reading order."""
    return [str(element.value) for element in report.iterall() if element.keyword == "TextValue"]
