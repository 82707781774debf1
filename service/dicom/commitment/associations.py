"""Associations that we open for storage commitment: to ask a destination, and to tell a peer our answer."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from pydicom import Dataset
from pynetdicom import evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from service.dicom.commitment.messages import REQUEST, WELL_KNOWN_INSTANCE, request
from service.dicom.kept_association import KeptAssociation, broken
from service.settings import DestinationSettings, NodeSettings
from service.vocabulary.commitment import Reference
from service.vocabulary.errors import PermanentDeliveryFailure, TransientDeliveryFailure
from service.vocabulary.sop_classes import STORAGE_COMMITMENT

#: How long the end of an association waits until an answer that has come is recorded and responded to.
_SERVING_S = 10.0


class AskingAssociation(KeptAssociation):
    """An association for one request to a destination, kept open for a while: the answer may come on it.

    Nothing else is asked on it, for an answer that comes in the place of a response would break the association.

    Parameters
    ----------
    take
        Takes an answer's event, and returns the status of the response.
    """

    def __init__(
        self, destination: DestinationSettings, calling_ae_title: str, take: Callable[[evt.Event], int]
    ) -> None:
        # Verification tells a destination without storage commitment from one that takes no association.
        super().__init__(
            destination,
            calling_ae_title,
            (STORAGE_COMMITMENT, Verification),
            handlers=[(evt.EVT_N_EVENT_REPORT, self._answered)],
        )
        self._take = take
        self._asked_at = time.monotonic()
        self._is_answered = False
        self._serving: threading.Thread | None = None

    def establish(self) -> None:
        """Associate.

        Raises
        ------
        TransientDeliveryFailure
            When the destination cannot be reached.
        PermanentDeliveryFailure
            When it offers no storage commitment.
        """
        if not self.accepts(STORAGE_COMMITMENT):
            raise PermanentDeliveryFailure("the destination offers no storage commitment")

    def ask(self, transaction_uid: str, references: Iterable[Reference]) -> None:
        """Send the request (N-ACTION).

        Raises
        ------
        TransientDeliveryFailure
            When the destination does not take it.
        """
        self._asked_at = time.monotonic()
        try:
            response, _ = self._established().send_n_action(
                request(transaction_uid, references), REQUEST, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
            )
        except (RuntimeError, OSError, ValueError) as error:
            self.abort()
            raise TransientDeliveryFailure(broken(error)) from None
        status = self._status(response)
        if status != 0x0000:
            message = f"the destination answered the request for storage commitment with status 0x{status:04X}"
            raise TransientDeliveryFailure(message, status=status)

    def is_done(self, linger: float) -> bool:
        """Return whether the answer has come, or has not for `linger` seconds."""
        return self._is_answered or time.monotonic() - self._asked_at > linger

    def close(self) -> None:
        """Release the association; what the destination is saying on it gets its response first."""
        if self._serving is not None:
            self._serving.join(_SERVING_S)
        super().close()

    def _answered(self, event: evt.Event) -> tuple[int, None]:
        # pynetdicom serves it in a thread of its own, which sends the response when this has returned.
        self._serving = threading.current_thread()
        status = self._take(event)
        self._is_answered = True
        return status, None


class TellingAssociation(KeptAssociation):
    """An association in the role of the SCP, to tell a peer our answers (PS3.4 section J.3.3)."""

    def __init__(self, peer: NodeSettings, calling_ae_title: str) -> None:
        super().__init__(peer, calling_ae_title, (STORAGE_COMMITMENT,), as_scp=True)

    def tell(self, event_type: int, information: Dataset) -> None:
        """Send an answer (N-EVENT-REPORT).

        Raises
        ------
        TransientDeliveryFailure
            When the peer cannot be reached or does not take it.
        """
        association: Any = self._established()
        try:
            response, _ = association.send_n_event_report(
                information, event_type, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE
            )
        except (RuntimeError, OSError, ValueError) as error:
            self.abort()
            raise TransientDeliveryFailure(broken(error)) from None
        status = self._status(response)
        if status != 0x0000:
            raise TransientDeliveryFailure(
                f"the peer answered N-EVENT-REPORT with status 0x{status:04X}", status=status
            )
