"""Our side of TLS towards a destination.

References
----------
PS3.15 section B.12; RFC 6066 section 3 (Server Name Indication)
"""

import ssl
from typing import Self

from service.security.tls import destination_context, reason_of
from service.settings import NodeSettings
from service.vocabulary.errors import SettingsInvalid, TransientDeliveryFailure


class DestinationTls:
    """TLS for one association; made for each, so that renewed files count from the next one on."""

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        #: What pynetdicom wants to know.
        self.arguments = (context, server_name)
        #: Why the handshake failed, in words; None when it did not.
        self.problem: str | None = None
        context.sslsocket_class = self._noting_class()

    @classmethod
    def of(cls, destination: NodeSettings) -> Self | None:
        """Return TLS for an association with a destination; None where it takes plain ones.

        Raises
        ------
        TransientDeliveryFailure
            When a file cannot be used: another try may find it put right.
        """
        if destination.tls is None:
            return None
        try:
            context = destination_context(destination.tls, f"the table tls of {destination.ae_title}")
        except SettingsInvalid as error:
            raise TransientDeliveryFailure(str(error)) from None
        return cls(context, destination.tls.server_name or destination.host)

    def _noting_class(self) -> type[ssl.SSLSocket]:
        """Return a class of sockets that notes why a handshake failed: pynetdicom tells it to its own log alone."""
        tls = self

        class Noting(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                try:
                    super().do_handshake(block)
                except OSError as error:
                    if isinstance(error, ssl.SSLError):
                        tls.problem = reason_of(error)
                    self.close()
                    raise

            def shutdown(self, how: int) -> None:
                # pynetdicom leaves a socket open whose peer was faster, and there is nothing to shut down.
                try:
                    super().shutdown(how)
                except OSError:
                    self.close()
                    raise

        return Noting
