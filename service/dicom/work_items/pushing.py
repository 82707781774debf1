"""An association to the owner of a worklist, to push work items onto it and to keep them right (PS3.4 Annex CC)."""

from collections.abc import Callable
from typing import Any

from pydicom import Dataset

from service.dicom.kept_association import KeptAssociation, broken
from service.settings import NodeSettings
from service.vocabulary.errors import PermanentDeliveryFailure, TransientDeliveryFailure
from service.vocabulary.sop_classes import UPS_PULL, UPS_PUSH
from service.vocabulary.work_items import WorkItemAction, WorkItemState


class PushingAssociation(KeptAssociation):
    """Creates and changes work items; each method returns the status of the answer.

    Each raises TransientDeliveryFailure when no answer comes, and PermanentDeliveryFailure when the owner has not what
    is wanted of it.
    """

    def __init__(self, owner: NodeSettings, calling_ae_title: str) -> None:
        super().__init__(owner, calling_ae_title, (UPS_PUSH, UPS_PULL))

    def create(self, uid: str, dataset: Dataset) -> int:
        """Create a work item (N-CREATE)."""
        return self._asked(UPS_PUSH, lambda association: association.send_n_create(dataset, UPS_PUSH, uid))

    def update(self, uid: str, dataset: Dataset) -> int:
        """Change what a work item says (N-SET); with its Transaction UID in the data set once it is claimed."""
        return self._asked(
            UPS_PULL, lambda association: association.send_n_set(dataset, UPS_PUSH, uid, meta_uid=UPS_PULL)
        )

    def change(self, uid: str, state: WorkItemState, key: str) -> int:
        """Change a work item's state (N-ACTION)."""
        wanted = Dataset()
        wanted.ProcedureStepState, wanted.TransactionUID = state.value, key
        action = WorkItemAction.CHANGE_STATE
        return self._asked(
            UPS_PULL,
            lambda association: association.send_n_action(wanted, int(action), UPS_PUSH, uid, meta_uid=UPS_PULL),
        )

    def request_cancel(self, uid: str, dataset: Dataset) -> int:
        """Request that a work item be canceled (N-ACTION)."""
        action = WorkItemAction.REQUEST_CANCEL
        return self._asked(UPS_PUSH, lambda association: association.send_n_action(dataset, int(action), UPS_PUSH, uid))

    def _asked(self, sop_class_uid: str, ask: Callable[[Any], tuple[Dataset, Dataset | None]]) -> int:
        if not self.accepts(sop_class_uid):
            what = "Push" if sop_class_uid == UPS_PUSH else "Pull"
            raise PermanentDeliveryFailure(f"the owner of the worklist does not offer UPS {what}")
        try:
            answer, _ = ask(self._established())
        except (RuntimeError, OSError, ValueError) as error:
            self.abort()
            raise TransientDeliveryFailure(broken(error), in_doubt=True) from None
        return self._status(answer)
