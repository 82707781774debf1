"""Serves the pages: on a loopback address, or over TLS with a login."""

import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from service.audit import AuditTrail
from service.ledger import Ledger
from service.process.log import get_logger
from service.process.ports import cannot_listen, family_of
from service.security.reloading import Reloading
from service.security.tls import web_context
from service.settings import Settings
from service.web.app import create_app

log = get_logger(__name__)


class _Server(uvicorn.Server):
    """A server that ends cleanly on a signal, instead of raising it again once it has shut down."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
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
    with AuditTrail(settings) as trail:
        _serve(settings, create_app(settings, ledger, trail), ready, stop)


def _serve(settings: Settings, app: Starlette, ready: Callable[[str], None], stop: threading.Event | None) -> None:
    tls = web_context(settings.web.tls) if settings.web.tls.is_on else None
    listening = _bound(settings.web.host, settings.web.port)
    # uvicorn's own lines would name every path; ours say what an administrator needs.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # The address that pauses after wrong passwords is the one that connects, not one that a header names.
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
        ssl_context_factory=None if tls is None else lambda *_: _renewing(tls),
    )
    server = _Server(config)
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
