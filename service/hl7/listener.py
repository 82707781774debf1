"""The listener for HL7: who may connect, how many, and a thread for each connection."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from ipaddress import IPv6Address, ip_address

from service.hl7.hearing import Hearing
from service.hl7.mllp import MllpPeer, NotMllp
from service.process.handles import MORE_HANDLES, OUT_OF_HANDLES
from service.process.log import get_logger
from service.process.ports import cannot_listen, family_of
from service.process.sparingly import Sparing
from service.security.reloading import Reloading
from service.security.tls import hl7_context, reason_of
from service.settings import Hl7ListenerSettings

log = get_logger(__name__)

_BACKLOG = 64
#: Seconds between two looks whether the listener stops, and in which its threads end.
_LOOK_S = 0.5
_STOP_WITHIN_S = 5.0
#: Seconds of silence before a sender's host is asked whether it is there, between questions, and their number.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}


class TurnedAway(StrEnum):
    """Why a connection is not served."""

    ADDRESS = "address"
    LIMIT = "limit"
    ADDRESS_LIMIT = "address-limit"
    TLS = "tls"
    NOT_MLLP = "not-mllp"


_REMEDIES = {
    TurnedAway.ADDRESS: "its address is not in hl7.allowed_addresses; add it there",
    TurnedAway.LIMIT: "hl7.maximum_connections are served; raise it, or have senders keep one connection each",
    TurnedAway.ADDRESS_LIMIT: "hl7.maximum_connections_per_address of its address are served",
    TurnedAway.NOT_MLLP: "what it sends is no MLLP; HL7 alone is heard here",
}


def _uncounted(_reason: TurnedAway) -> None:
    """Count nothing."""


class Hl7Listener:
    """Hears messages on one port.

    Parameters
    ----------
    hearing
        Answers them.
    turned_away
        Is told of each connection that is not served.

    Raises
    ------
    SettingsInvalid
        When a file of TLS cannot be used.
    """

    def __init__(
        self, settings: Hl7ListenerSettings, hearing: Hearing, turned_away: Callable[[TurnedAway], None] = _uncounted
    ) -> None:
        self._settings = settings
        self._hearing = hearing
        self._turned_away = turned_away
        self._tls: Reloading[ssl.SSLContext] | None = hl7_context(settings.tls) if settings.tls.is_on else None
        self._warnings = Sparing(log)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connected: Counter[str] = Counter()
        self._threads: set[threading.Thread] = set()
        self._server: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Begin to listen.

        Raises
        ------
        SettingsInvalid
            When the port cannot be had.
        """
        host, port = self._settings.host, self._settings.port or 0
        try:
            self._server = socket.create_server((host, port), family=family_of(host), backlog=_BACKLOG)
        except OSError as error:
            raise cannot_listen("hl7.port", host, port, error) from None
        self._server.settimeout(_LOOK_S)
        self.port = self._server.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._server,), name="hl7-accept", daemon=True)
        self._accepting.start()

    def stop(self) -> None:
        """End: a message that has come whole is still answered."""
        self._stopping.set()
        if self._accepting is not None:
            self._accepting.join()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(_STOP_WITHIN_S)
        if self._server is not None:
            self._server.close()

    def is_well(self) -> bool:
        """Return whether connections are taken."""
        return self._accepting is not None and self._accepting.is_alive()

    def turn(self) -> None:
        """Write the counts of warnings that are due; called every second or so."""
        self._warnings.turn()
        self._hearing.warnings.turn()

    def _accept(self, server: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, (host, *_) = server.accept()
            except TimeoutError:
                continue
            except OSError as error:
                if error.errno in OUT_OF_HANDLES:
                    self._warnings.warn("us", f"the listener for HL7 has no file handle left; {MORE_HANDLES}")
                self._stopping.wait(_LOOK_S)
                continue
            address = _plain(host)
            reason = self._objection(address)
            if reason is None:
                self._serve(connection, address)
            else:
                self._refuse(address, reason, _REMEDIES[reason])
                connection.close()

    def _objection(self, address: str) -> TurnedAway | None:
        allowed = self._settings.allowed_addresses
        if allowed and not any(ip_address(address) in network for network in allowed):
            return TurnedAway.ADDRESS
        with self._lock:
            if self._connected.total() >= self._settings.maximum_connections:
                return TurnedAway.LIMIT
            if self._connected[address] >= self._settings.connections_per_address:
                return TurnedAway.ADDRESS_LIMIT
        return None

    def _serve(self, connection: socket.socket, address: str) -> None:
        thread = threading.Thread(target=self._converse, args=(connection, address), name="hl7", daemon=True)
        with self._lock:
            self._connected[address] += 1
            self._threads.add(thread)
        thread.start()

    def _converse(self, connection: socket.socket, address: str) -> None:
        """Serve one connection to its end; whatever it sends ends no other."""
        try:
            connection.settimeout(self._settings.message_timeout)
            _prepare(connection)
            if self._tls is not None:
                connection = self._tls.current().wrap_socket(connection, server_side=True)
            self._answer_all(connection, address)
        except NotMllp:
            self._refuse(address, TurnedAway.NOT_MLLP, _REMEDIES[TurnedAway.NOT_MLLP])
        except ssl.SSLError as error:
            self._refuse(address, TurnedAway.TLS, f"TLS: {reason_of(error)}; hl7.tls names what is accepted")
        except OSError:
            log.debug("the HL7 connection from %s broke", address)
        finally:
            with suppress(OSError):
                connection.close()
            with self._lock:
                self._connected[address] -= 1
                self._connected += Counter()  # forget whoever has none left
                self._threads.discard(threading.current_thread())

    def _answer_all(self, connection: socket.socket, address: str) -> None:
        settings = self._settings
        peer = MllpPeer(
            connection,
            maximum_bytes=settings.maximum_message_bytes,
            message_timeout=settings.message_timeout,
            idle_timeout=settings.idle_timeout,
            is_stopping=self._stopping.is_set,
        )
        while (block := peer.next_block()) is not None:
            for answer in self._hearing.answers(block, address):
                peer.send(answer)

    def _refuse(self, address: str, reason: TurnedAway, why: str) -> None:
        self._turned_away(reason)
        self._warnings.warn(address, f"HL7 connection from {address} refused: {why}")


def _prepare(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A sender whose host vanished must not keep the place that it comes back for.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def _plain(host: str) -> str:
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
