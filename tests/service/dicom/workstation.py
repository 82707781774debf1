"""What a workstation asks about work items, by pynetdicom's SCU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.association import Association

from service.vocabulary.sop_classes import UPS_PULL, UPS_PUSH, UPS_QUERY, UPS_WATCH
from tests.service.listening import associated


class Workstation:
    """What a workstation asks, over one association."""

    def __init__(self, association: Association) -> None:
        self.association: Any = association

    def find(self, sop_class: str = UPS_PULL, **keys: Any) -> list[Dataset]:
        wanted = Dataset()
        for keyword, value in {"SOPInstanceUID": "", "PatientID": "", "ProcedureStepState": "", **keys}.items():
            setattr(wanted, keyword, value)
        answers = list(self.association.send_c_find(wanted, sop_class))
        self.status = answers[-1][0].Status
        return [found for _, found in answers if found is not None]

    def get(self, uid: str, tags: list[int] | None = None) -> tuple[int, Any]:
        status, found = self.association.send_n_get(tags or [], UPS_PUSH, uid, meta_uid=UPS_PULL)
        return status.Status, found

    def set(self, uid: str, **values: Any) -> int:
        said = Dataset()
        for keyword, value in values.items():
            setattr(said, keyword, value)
        return int(self.association.send_n_set(said, UPS_PUSH, uid, meta_uid=UPS_PULL)[0].Status)

    def change(self, uid: str, state: str, key: str) -> int:
        return self.act(uid, 1, ProcedureStepState=state, TransactionUID=key)

    def act(self, uid: str, action: int, context: str = UPS_PULL, **values: Any) -> int:
        said = Dataset()
        for keyword, value in values.items():
            setattr(said, keyword, value)
        return int(self.association.send_n_action(said, action, UPS_PUSH, uid, meta_uid=context)[0].Status)


@contextmanager
def workstation(port: int, title: str = "WS1") -> Iterator[Workstation]:
    contexts = [(sop_class, str(ImplicitVRLittleEndian)) for sop_class in (UPS_PULL, UPS_WATCH, UPS_QUERY)]
    with associated(port, *contexts, calling=title) as association:
        assert association.is_established
        yield Workstation(association)
