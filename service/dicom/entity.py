"""Our application entity as an acceptor, made of the settings."""

import ssl
from collections.abc import Iterable

from service.dicom.acceptor.access import Access, Refused, not_told
from service.dicom.acceptor.contract import CStoreService
from service.dicom.acceptor.offer import Offer
from service.dicom.acceptor.places import Places
from service.dicom.acceptor.server import AcceptorEntity
from service.dicom.acceptor.terms import Terms
from service.dicom.associate import UserInformation
from service.dicom.contexts import IMPLEMENTATION_VERSION_NAME, accepted
from service.security.passwords import PasswordFile
from service.security.reloading import Reloading
from service.security.tls import listener_context
from service.settings import ListenerSettings
from service.vocabulary.sop_classes import STORAGE_COMMITMENT
from service.vocabulary.uids import IMPLEMENTATION_CLASS_UID


def check(settings: ListenerSettings) -> None:
    """Find out whether the files of the settings can be used.

    Raises
    ------
    SettingsInvalid
        When a certificate, a key or the file of users cannot be used.
    """
    access_of(settings)
    tls_of(settings)


def tls_of(settings: ListenerSettings) -> Reloading[ssl.SSLContext] | None:
    """Return our side of TLS, if there is one.

    Raises
    ------
    SettingsInvalid
        When a certificate or a key cannot be used.
    """
    return listener_context(settings.tls) if settings.tls.is_on else None


def access_of(settings: ListenerSettings, refused: Refused = not_told) -> Access:
    """Return what a peer must bring.

    Parameters
    ----------
    refused
        Is told of everybody who is not let in.

    Raises
    ------
    SettingsInvalid
        When the file of users cannot be used.
    """
    return Access(
        settings.ae_title.strip(),
        frozenset(title.strip() for title in settings.allowed_ae_titles),
        settings.tls.allowed_certificates,
        None if settings.users is None else PasswordFile("listener.users", settings.users),
        refused,
    )


def entity_of(
    settings: ListenerSettings, service: CStoreService, access: Access, further: Iterable[str] = ()
) -> AcceptorEntity:
    """Return our application entity.

    Parameters
    ----------
    further
        SOP classes that are offered beside storage, verification and storage commitment.
    """
    said = UserInformation(settings.maximum_pdu_bytes, IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME)
    terms = Terms(
        service,
        access,
        # Peers ask us for storage commitment, and answer what we asked of them: we are its SCP and its SCU.
        Offer(
            accepted(other_objects=settings.other_objects == "record", further=further),
            frozenset({STORAGE_COMMITMENT}),
            said,
        ),
        Places(settings.maximum_associations, settings.associations_per_peer),
        settings.minimum_bytes_per_second,
    )
    entity = AcceptorEntity(settings.ae_title, terms)
    entity.maximum_pdu_size = settings.maximum_pdu_bytes
    entity.acse_timeout = settings.acse_timeout
    entity.dimse_timeout = settings.dimse_timeout
    entity.network_timeout = settings.network_timeout
    return entity
