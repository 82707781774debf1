"""Asks the systems that we call whether they answer: destinations of reports, peers, receivers of messages."""

import socket

from service.dicom.scu import DestinationAssociation
from service.settings import DicomwebSettings, NodeSettings, ReceiverSettings, Settings
from service.texts import Sentence
from service.vocabulary.errors import DeliveryFailed

PartnerAnswer = tuple[bool, Sentence]
"""Whether it answers, and what is said of that."""


def answers(settings: Settings, partner: NodeSettings | DicomwebSettings | ReceiverSettings) -> PartnerAnswer:
    """Ask a system: by C-ECHO where it is a DICOM node, else by a connection."""
    if isinstance(partner, NodeSettings):
        return _echoed(settings, partner)
    host, port = partner.address
    address, code = f"{host}:{port}", "found.connects"
    try:
        socket.create_connection((host, port), partner.connect_timeout).close()
    except OSError:
        code = "found.no_connection"
    return code == "found.connects", Sentence(code, address=address)


def echo_error(association: DestinationAssociation) -> DeliveryFailed | None:
    """Return why a node does not answer a C-ECHO; None where it does."""
    try:
        with association:
            association.echo()
    except DeliveryFailed as error:
        return error
    return None


def _echoed(settings: Settings, node: NodeSettings) -> PartnerAnswer:
    error = echo_error(DestinationAssociation(node, settings.calling_ae_title(node)))
    where = Sentence("found.node", title=node.ae_title, address=f"{node.host}:{node.port}")
    if error is None:
        return True, Sentence("found.echo", node=where)
    return False, Sentence("found.no_echo", node=where, error=error)
