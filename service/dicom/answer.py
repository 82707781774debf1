"""What a peer answers to our association request, as pynetdicom has it and in words."""

from pydicom.uid import UID
from pynetdicom.association import ServiceUser
from pynetdicom.pdu_primitives import A_ASSOCIATE, MaximumLengthNotification, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from service.dicom.associate import AssociateAnswer

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


class AnswerPdu:
    """A decoded PDU, as pynetdicom's state machine wants it."""

    def __init__(self, primitive: A_ASSOCIATE) -> None:
        self._primitive = primitive

    def to_primitive(self) -> A_ASSOCIATE:
        """Return what the state machine passes on."""
        return self._primitive


def acceptance(answer: AssociateAnswer, ours: ServiceUser) -> A_ASSOCIATE:
    """Return an answer as pynetdicom has it, with what was proposed alone."""
    proposed = {context.context_id: context for context in ours.requested_contexts}
    accepted = A_ASSOCIATE()
    accepted.result = 0x00
    for said in answer.contexts:
        asked = proposed.get(said.context_id)
        if asked is None or said.result != 0 or said.transfer_syntax not in asked.transfer_syntax:
            continue
        context = PresentationContext()
        context.context_id = said.context_id
        context.transfer_syntax = [UID(said.transfer_syntax)]
        context.result = 0x00
        accepted.presentation_context_definition_results_list.append(context)
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = answer.information.maximum_length
    accepted.user_information.append(maximum)
    for uid in ours.role_selection:
        if (roles := answer.information.roles.get(str(uid))) is not None:
            role = SCP_SCU_RoleSelectionNegotiation()
            role.sop_class_uid = uid
            role.scu_role, role.scp_role = roles
            accepted.user_information.append(role)
    return accepted


def rejected(result: int, source: int, reason: int) -> A_ASSOCIATE:
    """Return a rejection as pynetdicom has it, with codes that PS3.8 has."""
    primitive = A_ASSOCIATE()
    primitive.result = 0x02 if result == 0x02 else 0x01
    primitive.result_source, primitive.diagnostic = (source, reason) if (source, reason) in _REJECTIONS else (1, 1)
    return primitive


def rejection(result: int, source: int, reason: int) -> str:
    """Return a rejection in words."""
    meaning = _REJECTIONS.get((source, reason), "a code that PS3.8 does not have")
    return (
        f"it rejected the association (result {result}, source {source}, reason {reason}: {meaning});"
        " check both AE titles and its list of known peers"
    )
