"""The lower half of an association that we request: what the peer answers is read tolerantly, and can be put in words.

A destination that pads, leaves out or adds what PS3.8 does not have gets its reports all the same; one that refuses is
told of with its reason, and only one that nobody answers for "cannot be reached".
"""

from ssl import SSLContext
from typing import Any

from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_ASSOCIATE, MaximumLengthNotification, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation, AssociationSocket

from service.dicom.associate import AssociateAnswer, InvalidAssociate, abort_body, read_answer

_A_ASSOCIATE_AC, _A_ASSOCIATE_RJ, _A_ABORT = 0x02, 0x03, 0x07
_RECEIVED = {_A_ASSOCIATE_AC: "Evt3", _A_ASSOCIATE_RJ: "Evt4"}
_HEADER_BYTES = 6

#: Source and reason of A-ASSOCIATE-RJ (PS3.8 Table 9-21).
_REJECTIONS = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "it does not know our calling AE title",
    (1, 7): "it does not know the called AE title",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "as many associations stand as it allows",
}


class RequestorEntity(AE):
    """Our application entity as a requestor."""

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[SSLContext, str] | None
    ) -> AssociationSocket:
        # The first thing that is done with a new association.
        assoc.dul = RequestorUpperLayer(assoc)
        assoc.acse_timeout, assoc.network_timeout = self.acse_timeout, self.network_timeout
        created = RequestorSocket(assoc, address=address)
        created.tls_args = tls_args
        return created


class RequestorSocket(AssociationSocket):
    """A connection to a peer, which remembers how its answer began."""

    is_open = False
    began = b""

    def connect(self, primitive: Any) -> None:
        """Connect."""
        super().connect(primitive)
        self.is_open = self._is_connected

    def recv(self, nr_bytes: int) -> bytearray:
        """Return that many bytes, or fewer where the connection ends."""
        received = super().recv(nr_bytes)
        self.began += bytes(received[: _HEADER_BYTES - len(self.began)])
        return received


class _Answer:
    """A decoded PDU, as the state machine wants it."""

    def __init__(self, primitive: A_ASSOCIATE) -> None:
        self._primitive = primitive

    def to_primitive(self) -> A_ASSOCIATE:
        return self._primitive


class RequestorUpperLayer(DULServiceProvider):
    """The DICOM upper layer of one association that we request.

    Attributes
    ----------
    refusal
        How the peer said no, in words; none where it did not.
    """

    refusal: str | None = None

    def _decode_pdu(self, bytestream: bytearray) -> tuple[Any, str]:
        kind, body = bytestream[0], bytes(bytestream[_HEADER_BYTES:])
        if kind == _A_ASSOCIATE_AC:
            try:
                return _Answer(_acceptance(read_answer(body), self.assoc)), _RECEIVED[kind]
            except InvalidAssociate as error:
                self.refusal = f"its answer is no A-ASSOCIATE-AC of PS3.8: {error}; its software must be put right"
                raise
        if kind == _A_ASSOCIATE_RJ:
            codes = tuple(body[1:4].ljust(3, b"\0"))
            self.refusal = _rejection(*codes)
            return _Answer(_rejected(*codes)), _RECEIVED[kind]
        if kind == _A_ABORT:
            source, reason = body[2:4].ljust(2, b"\0")
            self.refusal = f"it aborted the association (source {source}, reason {reason}); its log says why"
            return super()._decode_pdu(bytestream[:_HEADER_BYTES] + abort_body(body))
        return super()._decode_pdu(bytestream)

    @property
    def silence(self) -> str:
        """What there was instead of an answer, in words."""
        connection = self.socket
        if not isinstance(connection, RequestorSocket) or not connection.is_open:
            return "cannot be reached; check its host, port and network"
        if not connection.began:
            return "takes the connection but does not answer; check its host and port, and whether it knows our address"
        if not _A_ASSOCIATE_AC <= connection.began[0] <= _A_ABORT:
            return "answers with something that is not DICOM; check its host and port"
        return "stopped within its answer, or ended the connection; check its network, and its log"


def _acceptance(answer: AssociateAnswer, assoc: Association) -> A_ASSOCIATE:
    """Return an answer as pynetdicom has it, with what was proposed alone."""
    proposed = {context.context_id: context for context in assoc.requestor.requested_contexts}
    accepted = A_ASSOCIATE()
    accepted.result = 0x00
    for said in answer.contexts:
        ours = proposed.get(said.context_id)
        if ours is None or said.result != 0 or said.transfer_syntax not in ours.transfer_syntax:
            continue
        context = PresentationContext()
        context.context_id = said.context_id
        context.transfer_syntax = [UID(said.transfer_syntax)]
        context.result = 0x00
        accepted.presentation_context_definition_results_list.append(context)
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = answer.information.maximum_length
    accepted.user_information.append(maximum)
    for uid in assoc.requestor.role_selection:
        if (roles := answer.information.roles.get(str(uid))) is not None:
            role = SCP_SCU_RoleSelectionNegotiation()
            role.sop_class_uid = uid
            role.scu_role, role.scp_role = roles
            accepted.user_information.append(role)
    return accepted


def _rejected(result: int, source: int, reason: int) -> A_ASSOCIATE:
    rejected = A_ASSOCIATE()
    rejected.result = 0x02 if result == 0x02 else 0x01
    rejected.result_source, rejected.diagnostic = (source, reason) if (source, reason) in _REJECTIONS else (1, 1)
    return rejected


def _rejection(result: int, source: int, reason: int) -> str:
    meaning = _REJECTIONS.get((source, reason), "a code that PS3.8 does not have")
    return (
        f"it rejected the association (result {result}, source {source}, reason {reason}: {meaning});"
        " check both AE titles and its list of known peers"
    )
