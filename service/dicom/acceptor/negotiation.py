"""Negotiation of an association: an answer to every request, whatever it says (PS3.8 sections 7.1 and 9.3)."""

from pydicom.uid import UID
from pynetdicom.acse import ACSE
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from service.dicom.acceptor.access import REMEDY, Objection, objection
from service.dicom.acceptor.contract import Peer
from service.dicom.acceptor.offer import ABSTRACT_SYNTAX_NOT_SUPPORTED, ACCEPTANCE
from service.dicom.acceptor.pdu import RequestPdu
from service.dicom.acceptor.terms import Terms
from service.dicom.acceptor.upper_layer import UpperLayer
from service.dicom.associate import AnsweredContext, AssociateRequest, ProposedContext, encode_answer
from service.vocabulary.refusals import RefusalReason

_NO_PLACE = {
    RefusalReason.LIMIT: "as many associations stand as listener.maximum_associations allows",
    RefusalReason.PEER_LIMIT: (
        "as many associations of its address or its AE title stand as listener.maximum_associations_per_peer allows"
    ),
}


class Negotiation(ACSE):
    """Accepts or rejects, in place of pynetdicom's own negotiation.

    Parameters
    ----------
    assoc, peer
        The association; both are the same object, as pynetdicom and as we see it.
    """

    def __init__(self, assoc: Association, peer: Peer, upper_layer: UpperLayer, terms: Terms) -> None:
        super().__init__(assoc)
        self._peer = peer
        self._upper_layer = upper_layer
        self._terms = terms

    def negotiate_association(self) -> None:
        """Reject the association, or accept it."""
        request = self._peer.requested
        try:
            against = self._objection(request)
        except Exception as error:  # noqa: BLE001 - whatever breaks in here, nobody comes in by it
            against = objection(
                RefusalReason.UNCHECKED, f"its access could not be checked ({type(error).__name__}); try again"
            )
        if against is None and request is not None:
            self._accept(request)
        elif against is not None:
            self.send_reject(*against.code)
            self._terms.access.refused_association(self._peer, against)
            self.assoc.kill()

    def _objection(self, request: AssociateRequest | None) -> Objection | None:
        if request is None:
            said: object = self.requestor.primitive
            problem = said.problem if isinstance(said, RequestPdu) else "it is none"
            return objection(
                RefusalReason.MALFORMED, f"its A-ASSOCIATE-RQ is not one of PS3.8 section 9.3.2: {problem}; {REMEDY}"
            )
        if (against := self._terms.access.objection(self._peer, request)) is not None:
            return against
        # The places last: who is refused for another reason must not hold one for a moment.
        taken = self._terms.places.take(self._peer)
        return None if taken is None else objection(taken, _NO_PLACE[taken])

    def _accept(self, request: AssociateRequest) -> None:
        answer = self._terms.offer.answer(request)
        # Reversed, so that of two proposals under one ID the first counts.
        proposed = {context.context_id: context for context in reversed(request.contexts)}
        for context in answer.contexts:
            if context.result == ACCEPTANCE:
                self.assoc._accepted_cx[context.context_id] = _for_pynetdicom(  # noqa: SLF001 - where it looks them up
                    proposed[context.context_id], context
                )
            else:
                unknown = context.result == ABSTRACT_SYNTAX_NOT_SUPPORTED
                reason = RefusalReason.SOP_CLASS if unknown else RefusalReason.TRANSFER_SYNTAX
                self._terms.access.refused_context(self._peer, reason, proposed[context.context_id].abstract_syntax)
        self._upper_layer.accept(encode_answer(answer, request.called, request.calling))
        self.assoc.is_established = True


def _for_pynetdicom(proposed: ProposedContext, answered: AnsweredContext) -> PresentationContext:
    context = PresentationContext()
    # Some peers number contexts evenly, which PS3.8 section 9.3.2.2 forbids and its setter refuses.
    context._context_id = answered.context_id  # noqa: SLF001
    context.abstract_syntax = UID(proposed.abstract_syntax)
    context.transfer_syntax = [UID(answered.transfer_syntax)]
    context.result = answered.result
    return context
