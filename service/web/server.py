"""Serves the pages: on a loopback address, or over TLS with a login."""

import asyncio
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from service.audit import AuditTrail
from service.ledger import Ledger
from service.process.handles import OUT_OF_HANDLES
from service.process.log import get_logger
from service.process.ports import cannot_listen, family_of
from service.security.reloading import Reloading
from service.security.tls import web_context
from service.settings import Settings
from service.web.app import create_app
from service.web.connections import Connection, Connections
from service.web.timed_protocol import TimedProtocol

log = get_logger(__name__)


_PAUSE_S = 0.05


class _Server(uvicorn.Server):
    """A server that accepts its connections itself, so that each is counted, and ends cleanly on a signal."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self._connections = connections
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on a signal, instead of raising it again once it has shut down."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections from now on; uvicorn's own servers would do so without counting."""
        await self.lifespan.startup()
        self.servers = []
        for listening in sockets or []:
            listening.setblocking(False)
            self._begin(self._accept(listening))
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Say every second how many warnings were not written; uvicorn calls it ten times as often."""
        if counter % 10 == 0:
            self._connections.count_warnings()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no further connection, and end those that are open."""
        for task in self._tasks:
            task.cancel()
        await super().shutdown(sockets)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno in OUT_OF_HANDLES:
                    self._connections.make_room()
                await asyncio.sleep(_PAUSE_S)
                continue
            connection = self._connections.admit(accepted, str(peer[0]))
            if connection is not None:
                self._begin(self._serve_one(accepted, connection))

    async def _serve_one(self, accepted: socket.socket, connection: Connection) -> None:
        """Make the handshake where there is one, and leave the connection to its protocol."""
        tls = self.config.ssl
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: TimedProtocol(
                    self._connections, connection, self.config, self.server_state, self.lifespan.state
                ),
                accepted,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else self._connections.settings.header_timeout,
            )
        except OSError:  # no handshake: what it says is the peer's, and health checks make none
            self._connections.forget(connection)
            accepted.close()


def serve(
    settings: Settings,
    ledger: Ledger,
    ready: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> None:
    """Serve the pages until a signal comes or `stop` is set.

    Parameters
    ----------
    ready
        Called with the page's address once the port is bound; with port 0 only this knows it.

    Raises
    ------
    SettingsInvalid
        When the port is taken, or the certificate, its key or the file of users cannot be used.
    """
    with AuditTrail(settings) as trail, ledger.refusals.kept(), ledger.figures.kept():
        _serve(settings, create_app(settings, ledger, trail), ready, stop)


def _serve(settings: Settings, app: Starlette, ready: Callable[[str], None], stop: threading.Event | None) -> None:
    tls = web_context(settings.web.tls) if settings.web.tls.is_on else None
    listening = _bound(settings.web.host, settings.web.port)
    # uvicorn's own lines would name every path; ours say what an administrator needs.
    # The parser of bodies quotes what it does not understand.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "python_multipart"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # The address that pauses after wrong passwords is the one that connects, not one that a header names.
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=3,
        ssl_context_factory=None if tls is None else lambda *_: _renewing(tls),
    )
    server = _Server(config, Connections(settings.web, settings.listener.minimum_bytes_per_second))
    if stop is not None:
        threading.Thread(target=_end_with, args=(server, stop), name="web-stop", daemon=True).start()
    with listening:
        host, port = listening.getsockname()[:2]
        scheme = "http" if tls is None else "https"
        address = f"{scheme}://[{host}]:{port}/" if ":" in host else f"{scheme}://{host}:{port}/"
        log.info("the worklist is at %s", address)
        ready(address)
        server.run(sockets=[listening])


def _renewing(tls: Reloading[ssl.SSLContext]) -> ssl.SSLContext:
    """Return a context that shows, in each handshake, the certificate that is current then."""
    context = tls.current()

    def use_current(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = tls.current()

    context.sni_callback = use_current
    return context


def _end_with(server: uvicorn.Server, stop: threading.Event) -> None:
    stop.wait()
    server.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=family_of(host), backlog=128)
    except OSError as error:
        raise cannot_listen("web.port", host, port, error) from None
