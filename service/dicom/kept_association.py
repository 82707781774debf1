"""An association to a peer, kept open between what is asked of it."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_role, evt
from pynetdicom.association import Association

from service.dicom.contexts import IMPLEMENTATION_VERSION_NAME
from service.dicom.destination_tls import DestinationTls
from service.dicom.latency import without_delay
from service.dicom.release import cut, release
from service.dicom.requestor import RequestedAssociation, RequestorEntity
from service.dicom.requestor_connection import RequestorUpperLayer
from service.settings import NodeSettings
from service.vocabulary.errors import TransientDeliveryFailure
from service.vocabulary.uids import IMPLEMENTATION_CLASS_UID

# Each in a presentation context of its own: a peer that takes both leaves us the choice, and a report goes out as
# it is encoded. Deflated and big endian, which pynetdicom would propose too, are not for archives to choose: viewers
# stumble.
_TRANSFER_SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]

#: What is said of a peer whose response does not come.
NO_ANSWER = "the destination did not answer in time"


class KeptAssociation:
    """An association to one peer, opened when it is first needed and again after a failure.

    Nagle's algorithm is off: with it a report of 7 KB takes 47 ms instead of 5.5.

    Parameters
    ----------
    sop_classes
        What is proposed.
    as_scp
        Proposes the SOP classes in the role of their SCP (PS3.7 Annex D.3.3.4).
    handlers
        For requests that the destination sends on the association.
    """

    def __init__(
        self,
        destination: NodeSettings,
        calling_ae_title: str,
        sop_classes: Sequence[str],
        *,
        as_scp: bool = False,
        handlers: Iterable[tuple[evt.EventType, Any]] = (),
    ) -> None:
        self._destination = destination
        self._ae = RequestorEntity(ae_title=calling_ae_title)
        self._ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        self._ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        self._ae.connection_timeout = destination.connect_timeout
        self._ae.acse_timeout = destination.connect_timeout
        self._ae.dimse_timeout = destination.response_timeout
        # pynetdicom would abort a kept association that was silent for so long, and the reactor that does it does not
        # look whether a message has just been begun. The courier releases idle ones; an answer has the limit above.
        self._ae.network_timeout = None
        for sop_class in sop_classes:
            for transfer_syntax in _TRANSFER_SYNTAXES:
                self._ae.add_requested_context(sop_class, transfer_syntax)
        self._roles: list[Any] = [build_role(sop_class, scp_role=True) for sop_class in sop_classes] if as_scp else []
        self._handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, without_delay),
            (evt.EVT_ABORTED, cut),
            *handlers,
        ]
        self._association: RequestedAssociation | None = None

    def accepts(self, sop_class_uid: str) -> bool:
        """Return whether the destination takes instances of a SOP class.

        Raises
        ------
        TransientDeliveryFailure
            When it cannot be reached.
        """
        return _takes(self._established(), sop_class_uid)

    def lacks(self, sop_class_uid: str) -> bool:
        """Return whether the destination refused a SOP class when it was associated with last; it is not asked."""
        return self._association is not None and not _takes(self._association, sop_class_uid)

    def _established(self) -> RequestedAssociation:
        if self._association is not None and self._association.is_established:
            return self._association
        destination = self._destination
        tls = DestinationTls.of(destination)
        association = self._ae.request_association(
            destination, self._roles, self._handlers, None if tls is None else tls.arguments
        )
        if not association.is_established:
            raise TransientDeliveryFailure(_why_not(association, tls))
        self._association = association
        return association

    def _status(self, response: Dataset) -> int:
        if "Status" not in response:
            self.abort()
            raise TransientDeliveryFailure(NO_ANSWER)
        return int(response.Status)

    def close(self) -> None:
        """Release the association, if there is one."""
        if self._association is not None and self._association.is_established:
            with suppress(RuntimeError, OSError):
                release(self._association)
        self._association = None

    def abort(self) -> None:
        """Drop the association without a word that the peer would have to answer."""
        if self._association is not None and self._association.is_established:
            self._association.abort()
        self._association = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _takes(association: Association, sop_class_uid: str) -> bool:
    return any(context.abstract_syntax == sop_class_uid for context in association.accepted_contexts)


def broken(error: Exception) -> str:
    """Return what is said of an association that ended where a response was due."""
    return f"the association broke ({type(error).__name__})"


def _why_not(association: Association, tls: DestinationTls | None) -> str:
    if tls is not None and tls.problem is not None:
        return f"TLS with the destination failed ({tls.problem}); check its certificate and destinations.tls"
    upper_layer = association.dul
    refusal = upper_layer.refusal if isinstance(upper_layer, RequestorUpperLayer) else None
    if refusal is not None:
        return f"the destination did not take the association: {refusal}"
    if association.acceptor.primitive is not None:
        return "the destination accepted none of the presentation contexts"
    silence = upper_layer.silence if isinstance(upper_layer, RequestorUpperLayer) else "does not answer"
    certificate = "" if tls is None else "; check also whether it accepts our certificate"
    return f"the destination {silence}{certificate}"
