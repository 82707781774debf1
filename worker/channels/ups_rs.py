"""UPS-RS: work items at the owner of a worklist over HTTP.

Source: PS3.18 sections 11.4 (create), 11.6 (update), 11.7 (change state) and 11.8 (request cancellation).
"""

import json
from collections.abc import Mapping
from urllib.parse import quote

from pydicom import Dataset

from service.http_wire import bearer, delivered
from service.settings.receivers import UpsRsSettings
from service.vocabulary.errors import DeliveryFailed
from service.vocabulary.work_items import WorkItemState, WorkItemStatus

_DUPLICATE = WorkItemStatus.DUPLICATE
_UNKNOWN = WorkItemStatus.NO_SUCH_WORK_ITEM


class UpsRsConnection:
    """Asks one owner by HTTP; each method returns the status that DIMSE has for the answer."""

    def __init__(self, receiver: UpsRsSettings) -> None:
        self._receiver = receiver

    def create(self, uid: str, dataset: Dataset) -> int:
        """Create a work item."""
        return self._asked("POST", f"?workitem={uid}", dataset, {409: _DUPLICATE})

    def update(self, uid: str, dataset: Dataset) -> int:
        """Change what a work item says; with its Transaction UID in the data set once it is claimed."""
        key = dataset.get("TransactionUID")
        said = Dataset(dataset)
        if key:
            del said.TransactionUID
        query = f"?transaction-uid={quote(str(key))}" if key else ""
        refused = WorkItemStatus.WRONG_TRANSACTION_UID
        return self._asked("POST", f"/{uid}{query}", said, {404: _UNKNOWN, 409: refused})

    def change(self, uid: str, state: WorkItemState, key: str) -> int:
        """Change a work item's state."""
        wanted = Dataset()
        wanted.ProcedureStepState, wanted.TransactionUID = state.value, key
        # Nothing tells whether it is ours by now: the next step shows it.
        refused = WorkItemStatus.ALREADY_IN_PROGRESS
        return self._asked("PUT", f"/{uid}/state", wanted, {404: _UNKNOWN, 409: refused})

    def request_cancel(self, uid: str, dataset: Dataset) -> int:
        """Request that a work item be canceled."""
        refused = WorkItemStatus.COMPLETED_CANNOT_BE_CANCELED
        return self._asked("POST", f"/{uid}/cancelrequest", dataset, {404: _UNKNOWN, 409: refused})

    def close(self) -> None:
        """Nothing is kept open between two requests."""

    def _asked(self, method: str, place: str, dataset: Dataset, known: Mapping[int, WorkItemStatus]) -> int:
        url = f"{self._receiver.url.rstrip('/')}/workitems{place}"
        headers = {"Content-Type": "application/dicom+json", "Accept": "application/dicom+json"}
        body = json.dumps([dataset.to_json_dict()], ensure_ascii=False).encode()
        try:
            delivered(self._receiver, method, url, body, {**headers, **bearer(self._receiver.token_file)})
        except DeliveryFailed as error:
            if error.status is None or error.status not in known:
                raise
            return known[error.status]
        return WorkItemStatus.SUCCESS
