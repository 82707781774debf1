"""Negotiation of an association: what access does not allow is rejected, the rest is pynetdicom's."""

from pynetdicom.acse import ACSE
from pynetdicom.association import Association

from service.dicom.acceptor.access import NOT_NOW, Access
from service.dicom.acceptor.contract import Peer


class Negotiation(ACSE):
    """Rejects what access does not allow, before pynetdicom negotiates the rest.

    Parameters
    ----------
    assoc, peer
        The association; both are the same object, as pynetdicom and as we see it.
    """

    def __init__(self, assoc: Association, peer: Peer, access: Access) -> None:
        super().__init__(assoc)
        self._peer = peer
        self._access = access

    def negotiate_association(self) -> None:
        """Reject the association, or negotiate it."""
        try:
            objection = self._access.objection(self._peer)
        except Exception as error:  # noqa: BLE001 - whatever breaks in here, nobody comes in by it
            objection = NOT_NOW, f"its access could not be checked ({type(error).__name__})"
        if objection is None:
            super().negotiate_association()
            return
        code, why = objection
        self.send_reject(*code)
        self._access.refused_association(self._peer, why)
        self.assoc.kill()
