"""Serves the pages on a loopback address."""

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from service.core.errors import SettingsInvalid
from service.core.ledger import Ledger
from service.core.log import get_logger
from service.core.settings import Settings
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
        When the port is taken.
    """
    app = create_app(settings, ledger)
    listening = _bound(settings.web.host, settings.web.port)
    # uvicorn's own lines would name every path; ours say what an administrator needs.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, lifespan="off", timeout_graceful_shutdown=3
    )
    server = _Server(config)
    if stop is not None:
        threading.Thread(target=_end_with, args=(server, stop), name="web-stop", daemon=True).start()
    with listening:
        host, port = listening.getsockname()[:2]
        address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        log.info("the worklist is at %s", address)
        ready(address)
        server.run(sockets=[listening])


def _end_with(server: uvicorn.Server, stop: threading.Event) -> None:
    stop.wait()
    server.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SettingsInvalid(
            f"web.port = {port}: cannot listen on {host} ({error.strerror}); end what listens there,"
            " or choose another port"
        ) from None
