"""Asks the systems that we call whether they answer: destinations of reports, peers, receivers of messages.

Each is asked the mildest question of its protocol: one that changes nothing there, and whose answer names no patient.
"""

import socket
import ssl

from service.dicom.scu import DestinationAssociation
from service.http_wire import HttpReceiver, bearer, exchanged, login
from service.security.tls import destination_context, reason_of
from service.settings import DicomwebSettings, NodeSettings, ReceiverSettings, Settings
from service.settings.receivers import FhirSettings, Hl7Settings, HttpReceiverSettings, UpsRsSettings
from service.texts import Sentence
from service.vocabulary.errors import DeliveryFailed, SettingsInvalid

PartnerAnswer = tuple[bool, Sentence]
"""Whether it answers, and what is said of that."""

#: A search for it finds nothing: the UID of a SOP class is no study's and no work item's.
_NOBODY_S_UID = "1.2.840.10008.1.1"
#: An HTTP server is there that knows the path, and takes nothing but POST (RFC 9110 sections 15.5.6 and 15.6.2).
_NO_SUCH_METHOD = (405, 501)


def answers(settings: Settings, partner: NodeSettings | DicomwebSettings | ReceiverSettings) -> PartnerAnswer:
    """Ask a system.

    A DICOM node by C-ECHO; a DICOMweb server and the owner of a worklist by a search that finds nothing; a FHIR server
    for its capabilities; a webhook for its options. HL7 over MLLP knows no question but a message, which its receiver
    would act on: there a connection, and the handshake of TLS where there is one, must do.

    References
    ----------
    PS3.4 Annex A; PS3.18 sections 10.6 and 11.9; FHIR R4 (HTTP, capabilities); RFC 9110 section 9.3.7
    """
    if isinstance(partner, NodeSettings):
        return _echoed(settings, partner)
    if isinstance(partner, Hl7Settings):
        return _connects(partner)
    assert isinstance(partner, DicomwebSettings | HttpReceiverSettings)  # noqa: S101 - there is no other channel
    return _asked(partner)


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


def _connects(receiver: Hl7Settings) -> PartnerAnswer:
    host, port = receiver.address
    address = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), receiver.connect_timeout)
    except OSError:
        return False, Sentence("found.no_connection", address=address)
    with connection:
        reason = _handshake_problem(connection, receiver)
    if reason is not None:
        return False, Sentence("found.no_handshake", address=address, reason=reason)
    return True, Sentence("found.connects", address=address)


def _handshake_problem(connection: socket.socket, receiver: Hl7Settings) -> str | SettingsInvalid | None:
    """Return why TLS cannot be spoken with a receiver; None where it can, or is not wanted."""
    if receiver.tls is None:
        return None
    try:
        context = destination_context(receiver.tls, f"the table tls of {receiver.name}")
        with context.wrap_socket(connection, server_hostname=receiver.tls.server_name or receiver.host):
            return None
    except SettingsInvalid as error:
        return error
    except ssl.SSLError as error:
        return reason_of(error)
    except OSError as error:
        return error.strerror or "closed"


def _asked(partner: HttpReceiver) -> PartnerAnswer:
    host, port = partner.address
    address = f"{host}:{port}"
    try:
        method, url, headers = _question(partner, partner.url.rstrip("/"))
        status = exchanged(partner, method, url, None, headers).status
    except DeliveryFailed as error:
        return False, Sentence("found.no_answer", address=address, error=error)
    is_well = 200 <= status < 300 or (method == "OPTIONS" and status in _NO_SUCH_METHOD)
    code = "found.answers" if is_well else "found.refuses"
    return is_well, Sentence(code, address=address, method=method, status=status)


def _question(partner: HttpReceiver, base: str) -> tuple[str, str, dict[str, str]]:
    """Return method, URL and headers of what a server is asked.

    Raises
    ------
    TransientDeliveryFailure
        When the file of our login cannot be read.
    """
    if isinstance(partner, DicomwebSettings):
        query = f"StudyInstanceUID={_NOBODY_S_UID}&limit=1"
        return "GET", f"{base}/studies?{query}", {"Accept": "application/dicom+json", **login(partner)}
    if isinstance(partner, UpsRsSettings):
        headers = {"Accept": "application/dicom+json", **bearer(partner.token_file)}
        return "GET", f"{base}/workitems?SOPInstanceUID={_NOBODY_S_UID}&limit=1", headers
    if isinstance(partner, FhirSettings):
        headers = {"Accept": "application/fhir+json", **bearer(partner.token_file)}
        return "GET", f"{base}/metadata", headers
    return "OPTIONS", partner.url, {}
