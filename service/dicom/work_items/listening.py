"""What the listener does with work items: finds, shows and changes them, for who may."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_FIND, N_ACTION, N_GET, N_SET

from service.dicom.acceptor.contract import Oversized, Peer
from service.dicom.auditor import Auditor
from service.dicom.identity import is_valid_uid
from service.dicom.work_items.content import PERFORMED, labels_of, performed_of, work_item
from service.dicom.work_items.matching import matches, selected
from service.dicom.work_items.subscribing import Subscribing
from service.ledger import Ledger, WorkItems, WorkItemView
from service.operations.wake import Task, Waker
from service.process.log import get_logger
from service.settings import Settings, WorkItemSettings
from service.vocabulary.errors import Unavailable
from service.vocabulary.sop_classes import UPS_OFFERED
from service.vocabulary.work_items import WorkItemAction, WorkItemState, WorkItemStatus

log = get_logger(__name__)

_PENDING = 0xFF00
_CANCELED = 0xFE00
#: Work items that are looked up at once for a query.
_PAGE = 100
#: Most bytes of what a performer sets.
_MOST_SAID = 1 << 16
_KEY = "TransactionUID"

_Answer = tuple[int, Dataset | None]


class _InvalidRequest(ValueError):
    """A data set breaks the rules of work items; its text never quotes what the peer sent."""


@dataclass(frozen=True)
class WorkItemService:
    """The listener's handlers for requests about work items; no error leaves them."""

    settings: WorkItemSettings
    work_items: WorkItems
    subscribing: Subscribing
    auditor: Auditor
    waker: Waker

    @property
    def sop_classes(self) -> tuple[str, ...]:
        """The SOP classes that are offered: none where nobody may use them."""
        return UPS_OFFERED if self.settings.ae_titles else ()

    def find(self, event: evt.Event) -> Iterator[_Answer]:
        """Answer C-FIND, in the order of reading."""
        try:
            if isinstance(cast(C_FIND, event.request).Identifier, Oversized):
                yield WorkItemStatus.RESOURCE_LIMITATION, None
                return
            if not self._may(event):
                yield WorkItemStatus.NOT_AUTHORIZED, None
                return
            keys = event.identifier
            for view in self._candidates(keys):
                if event.is_cancelled:
                    yield _CANCELED, None
                    return
                item = self._shown(view)
                if item is not None and matches(keys, item):
                    yield _PENDING, selected(keys, item)
        except Exception as error:  # noqa: BLE001 - pydicom raises whatever a broken data set leads it to
            self._refuse(event, "query", error)
            yield WorkItemStatus.UNABLE_TO_PROCESS, None

    def get(self, event: evt.Event) -> _Answer:
        """Answer N-GET: what is asked for of a work item, or all of it."""
        request = cast(N_GET, event.request)
        if not self._may(event):
            return WorkItemStatus.NOT_AUTHORIZED, None
        try:
            view = self.work_items.find(str(request.RequestedSOPInstanceUID))
            item = self._shown(view) if view is not None else None
        except Exception as error:  # noqa: BLE001 - as above
            return self._refuse(event, "question", error), None
        if item is None:
            return WorkItemStatus.NO_SUCH_WORK_ITEM, None
        answer = Dataset()
        for tag in event.attribute_identifiers or item.keys():
            if tag in item:
                answer[tag] = item[tag]
        answer.SpecificCharacterSet = item.SpecificCharacterSet
        return WorkItemStatus.SUCCESS, answer

    def set(self, event: evt.Event) -> _Answer:
        """Answer N-SET: what the performer says of its work is kept; what was scheduled is ours to change."""
        request = cast(N_SET, event.request)
        if not self._may(event):
            return WorkItemStatus.NOT_AUTHORIZED, None
        if isinstance(request.ModificationList, Oversized):
            return WorkItemStatus.RESOURCE_LIMITATION, None
        try:
            said = event.modification_list
            kept = performed_of(said)
            if len(str(kept)) > _MOST_SAID:
                return WorkItemStatus.RESOURCE_LIMITATION, None
            # What is kept can be read again, whatever it is.
            Dataset.from_json(kept)
            status = self.work_items.set_performed(str(request.RequestedSOPInstanceUID), str(said.get(_KEY, "")), kept)
        except Exception as error:  # noqa: BLE001 - as above
            return self._refuse(event, "word", error), None
        self.waker.wake(Task.DELIVER)
        left_out = {element.keyword for element in said} - {*PERFORMED, _KEY, "SpecificCharacterSet"}
        return WorkItemStatus.NOT_ALL_KEPT if not status and left_out else status, None

    def act(self, event: evt.Event) -> _Answer:
        """Answer N-ACTION: a change of state, a subscription, or somebody's wish that the performer cancels."""
        request = cast(N_ACTION, event.request)
        if not self._may(event):
            return WorkItemStatus.NOT_AUTHORIZED, None
        if isinstance(request.ActionInformation, Oversized):
            return WorkItemStatus.RESOURCE_LIMITATION, None
        try:
            return self._act(event, request, str(request.RequestedSOPInstanceUID)), None
        except Exception as error:  # noqa: BLE001 - as above
            return self._refuse(event, "action", error), None
        finally:
            self.waker.wake(Task.DELIVER)

    def _act(self, event: evt.Event, request: N_ACTION, uid: str) -> WorkItemStatus:
        match request.ActionTypeID:
            case WorkItemAction.CHANGE_STATE:
                return self._change(event, uid)
            case WorkItemAction.REQUEST_CANCEL:
                said = event.action_information if request.ActionInformation else Dataset()
                said.RequestingAE = cast(Peer, event.assoc).calling_ae_title
                return self.work_items.request_cancel(uid, said.to_json_dict())
            case WorkItemAction.SUBSCRIBE | WorkItemAction.UNSUBSCRIBE | WorkItemAction.SUSPEND as action:
                return self.subscribing.act(WorkItemAction(action), uid, event.action_information)
        return WorkItemStatus.NO_SUCH_ACTION

    def _change(self, event: evt.Event, uid: str) -> WorkItemStatus:
        asked, title = event.action_information, cast(Peer, event.assoc).calling_ae_title
        key = str(asked.get(_KEY, ""))
        try:
            wanted = WorkItemState(str(asked.get("ProcedureStepState", "")))
        except ValueError:
            raise _InvalidRequest("it names no state of a work item") from None
        if not is_valid_uid(key):
            return WorkItemStatus.WRONG_TRANSACTION_UID
        changed = self.work_items.change(uid, wanted, key, title)
        log.info("%s asks for %s of work item %s: 0x%04X", ascii(title), wanted, uid[:64], changed.status)
        if changed.closed is not None:
            self.auditor.closed(changed.closed.instances[0].identity)
        return changed.status

    def _may(self, event: evt.Event) -> bool:
        return cast(Peer, event.assoc).calling_ae_title in {title.strip() for title in self.settings.ae_titles}

    def _candidates(self, keys: Dataset) -> Iterator[WorkItemView]:
        """Yield the work items among which a query finds its own: those that ended where it names them."""
        named = keys.get("SOPInstanceUID") or ()
        uids = [named] if isinstance(named, str) else list(named)
        if uids:
            yield from (view for uid in uids if (view := self.work_items.find(uid)) is not None)
            return
        state = str(keys.get("ProcedureStepState", ""))
        if state in (WorkItemState.COMPLETED, WorkItemState.CANCELED):
            yield from self.work_items.ended()
            return
        numbers = self.work_items.offered()
        for start in range(0, len(numbers), _PAGE):
            yield from self.work_items.of_studies(numbers[start : start + _PAGE])

    def _shown(self, view: WorkItemView) -> Dataset | None:
        """Return a work item's data set; None where nothing of its study stands any more."""
        return work_item(view, labels_of(self.settings)) if view.study.instances else None

    @staticmethod
    def _refuse(event: evt.Event, what: str, error: Exception) -> WorkItemStatus:
        # Any other error's text may quote the data set.
        is_ours = isinstance(error, _InvalidRequest | Unavailable)
        reason = str(error) if is_ours else type(error).__name__
        title = cast(Peer, event.assoc).calling_ae_title
        log.warning("%s about work items from %s refused: %s", what, ascii(title), reason)
        is_away = isinstance(error, Unavailable)
        return WorkItemStatus.RESOURCE_LIMITATION if is_away else WorkItemStatus.INVALID_ARGUMENT


def work_items_of(settings: Settings, ledger: Ledger, auditor: Auditor, waker: Waker) -> WorkItemService:
    """Return the listener's service of work items."""
    subscribing = Subscribing(ledger.work_item_outbox, {peer.ae_title.strip() for peer in settings.peers})
    return WorkItemService(settings.work_items, ledger.work_items, subscribing, auditor, waker)
