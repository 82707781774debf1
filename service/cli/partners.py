"""Checks of the systems that we call: destinations of reports, peers, and receivers of messages."""

import socket

from service.cli.found import Found
from service.dicom.scu import DestinationAssociation
from service.settings import DicomwebSettings, NodeSettings, ReceiverSettings, Settings
from service.texts import Sentence
from service.vocabulary.errors import DeliveryFailed


def destinations(settings: Settings) -> Found:
    """Check each destination, and each peer that waits for our answers: by C-ECHO, or over HTTP by a connection."""
    if not settings.destinations:
        yield Sentence("check.destinations"), True, Sentence("found.no_destination")
    for destination in settings.destinations:
        if isinstance(destination, DicomwebSettings):
            answer = _connected(destination)
        else:
            answer = _echoed(settings, destination)
        yield Sentence("check.destination", name=destination.name), *answer
    for peer in settings.peers:
        yield Sentence("check.peer", title=peer.ae_title), *_echoed(settings, peer)


def receivers(settings: Settings) -> Found:
    """Check that each receiver of messages takes connections."""
    for receiver in settings.receivers:
        yield Sentence("check.receiver", name=receiver.name), *_connected(receiver)


def _connected(receiver: ReceiverSettings | DicomwebSettings) -> tuple[bool, Sentence]:
    host, port = receiver.address
    address, code = f"{host}:{port}", "found.connects"
    try:
        socket.create_connection((host, port), receiver.connect_timeout).close()
    except OSError:
        code = "found.no_connection"
    return code == "found.connects", Sentence(code, address=address)


def _echoed(settings: Settings, node: NodeSettings) -> tuple[bool, Sentence]:
    error = echo_error(DestinationAssociation(node, settings.calling_ae_title(node)))
    where = Sentence("found.node", title=node.ae_title, address=f"{node.host}:{node.port}")
    if error is None:
        return True, Sentence("found.echo", node=where)
    return False, Sentence("found.no_echo", node=where, error=error)


def echo_error(association: DestinationAssociation) -> DeliveryFailed | None:
    """Return why a node does not answer a C-ECHO; None where it does."""
    try:
        with association:
            association.echo()
    except DeliveryFailed as error:
        return error
    return None
