"""On which terms associations are served."""

from dataclasses import dataclass

from service.dicom.acceptor.access import Access
from service.dicom.acceptor.contract import CStoreService
from service.dicom.acceptor.offer import Offer
from service.dicom.acceptor.places import Places


@dataclass(frozen=True)
class Terms:
    """What all associations of a listener share.

    Attributes
    ----------
    minimum_rate
        Bytes that a second of a message must bring, once the time-out for a message has passed.
    """

    service: CStoreService
    access: Access
    offer: Offer
    places: Places
    minimum_rate: float
