"""An association in the role of the SCP, to tell a subscriber of work items (PS3.4 section CC.2.4)."""

from typing import Any

from pydicom import Dataset

from service.dicom.kept_association import KeptAssociation, broken
from service.settings import NodeSettings
from service.vocabulary.errors import TransientDeliveryFailure
from service.vocabulary.sop_classes import UPS_EVENT, UPS_PUSH
from service.vocabulary.work_items import WorkItemEvent


class EventAssociation(KeptAssociation):
    """Sends N-EVENT-REPORT to one subscriber."""

    def __init__(self, subscriber: NodeSettings, calling_ae_title: str) -> None:
        super().__init__(subscriber, calling_ae_title, (UPS_EVENT,), as_scp=True)

    def tell(self, uid: str, event: WorkItemEvent, said: Dataset) -> None:
        """Tell of an event.

        Raises
        ------
        TransientDeliveryFailure
            When the subscriber cannot be reached or does not take it.
        """
        association: Any = self._established()
        try:
            answer, _ = association.send_n_event_report(said, int(event), UPS_PUSH, uid, meta_uid=UPS_EVENT)
        except (RuntimeError, OSError, ValueError) as error:
            self.abort()
            raise TransientDeliveryFailure(broken(error)) from None
        status = self._status(answer)
        if status >= 0xC000 or 0x0100 <= status < 0x0300:
            why = f"the subscriber answered N-EVENT-REPORT with status 0x{status:04X}"
            raise TransientDeliveryFailure(why, status=status)
