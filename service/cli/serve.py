"""`auscult listen`: the C-STORE listener, in one process or in several that share the port."""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from types import FrameType

import click

from service.audit import AuditTrail
from service.dicom.auditor import Auditor
from service.dicom.commitment.listening import CommitmentService
from service.dicom.entity import check
from service.dicom.work_items.listening import work_items_of
from service.intake import Intake
from service.ledger import Ledger
from service.objects import ObjectStore
from service.operations.bootstrap import open_ledger, open_store, owner
from service.operations.wake import waker
from service.process import log as logging_setup
from service.process.heartbeat import Heartbeat
from service.process.log import get_logger
from service.process.memory import bound_arenas
from service.process.ports import cannot_listen, family_of
from service.scp import Listener
from service.settings import ListenerSettings, Settings, load
from service.vocabulary.figures import REFUSED

log = get_logger(__name__)

#: Seconds before a listener process that ended by itself is started again.
_RESTART_PAUSE_S = 1.0


def build_listener(
    settings: Settings,
    ledger: Ledger,
    store: ObjectStore,
    trail: AuditTrail,
    beat: Callable[[], None],
    *,
    shares_port: bool,
) -> Listener:
    """Return a listener on the ledger and the store, and on the wake-up channel of the settings."""

    def refused(status: int) -> None:
        ledger.figures.tally.count(REFUSED, f"0x{status:04X}")

    wakes = waker(settings)
    intake = Intake(settings, store, ledger.admission, wakes)
    commitment = CommitmentService(settings, ledger, store, wakes, owner())
    auditor = Auditor(trail, settings.listener.ae_title)
    return Listener(
        settings.listener,
        intake,
        commitment,
        trail,
        work_items=work_items_of(settings, ledger, auditor, wakes),
        shares_port=shares_port,
        beat=beat,
        refused=refused,
        not_let_in=ledger.refusals.note,
    )


@click.command()
def listen() -> None:
    """Receive radiographs by C-STORE until SIGTERM or Ctrl-C."""
    settings = load()
    logging_setup.configure(settings.log.level, settings.log.style)
    stopping = _stop_on_signals()
    if settings.listener.processes == 1:
        _serve(settings, stopping)
    else:
        _supervise(settings, stopping)


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


def _serve(settings: Settings, stopping: threading.Event, *, shares_port: bool = False) -> None:
    """Listen in this process until told to stop, or until the process that started this one is gone."""
    bound_arenas()
    with AuditTrail(settings) as trail:
        ledger, heartbeat = open_ledger(settings), Heartbeat(settings.heartbeat_dir, "listen")
        store = open_store(settings)
        listener = build_listener(settings, ledger, store, trail, heartbeat.beat, shares_port=shares_port)
        listener.start()
        with trail.activity("auscult listen"), ledger.refusals.kept(), ledger.figures.kept():
            _wait(settings, listener, store, stopping)
        heartbeat.stop()


def _wait(settings: Settings, listener: Listener, store: ObjectStore, stopping: threading.Event) -> None:
    ports = {"": listener.port, " over TLS": listener.tls_port}
    address = " and ".join(f"{settings.listener.host}:{port}{how}" for how, port in ports.items() if port is not None)
    log.info("listening on %s as %s, process %d", address, settings.listener.ae_title, os.getpid())
    parent = multiprocessing.parent_process()
    clear_at = time.monotonic()
    while not stopping.wait(1.0):
        if time.monotonic() >= clear_at:
            clear_at = time.monotonic() + settings.sweep.incomplete_after
            _clear(store, settings.sweep.incomplete_after)
        if parent is not None and not parent.is_alive():
            break
    listener.stop()
    log.info("stopped listening on %s, process %d", address, os.getpid())


def _clear(store: ObjectStore, older_than_s: float) -> None:
    """Remove what a listener that crashed had half received: it lies on this machine, which need not have a sweep."""
    try:
        store.remove_incomplete(older_than_s)
    except OSError as error:
        log.warning("what was half received cannot be removed (%s)", error.strerror)


def _serve_child(settings: Settings) -> None:
    logging_setup.configure(settings.log.level, settings.log.style)
    _serve(settings, _stop_on_signals(), shares_port=True)


def _supervise(settings: Settings, stopping: threading.Event) -> None:
    """Keep the processes running that share the port."""
    # What keeps them from starting is said once, here.
    open_ledger(settings).engine.dispose()
    check(settings.listener)
    with _Reservation(settings.listener) as listener:
        settings = settings.model_copy(update={"listener": listener})
        children = [_start(settings) for _ in range(listener.processes)]
        while not stopping.is_set():
            connection.wait([child.sentinel for child in children], timeout=0.5)
            for index, child in enumerate(children):
                if not child.is_alive() and not stopping.wait(_RESTART_PAUSE_S):
                    log.error("listener process %s ended with %s; starting another", child.pid, child.exitcode)
                    children[index] = _start(settings)
        for child in children:
            child.terminate()
        for child in children:
            child.join()


def _start(settings: Settings) -> SpawnProcess:
    # A fresh interpreter: nothing that a thread holds is ever copied.
    process = multiprocessing.get_context("spawn").Process(target=_serve_child, args=(settings,), name="listener")
    process.start()
    return process


class _Reservation:
    """Holds the ports for the processes, and finds out whether a stranger has one."""

    def __init__(self, settings: ListenerSettings) -> None:
        self._settings = settings
        self._held = ExitStack()

    def __enter__(self) -> ListenerSettings:
        """Return the settings with the ports that the system has chosen where they leave the choice."""
        settings, tls = self._settings, self._settings.tls
        with ExitStack() as held:
            if tls.is_on:
                tls = tls.model_copy(update={"port": self._hold(held, "listener.tls.port", tls.port)})
            port = settings.port if tls.only else self._hold(held, "listener.port", settings.port)
            self._held = held.pop_all()
        return settings.model_copy(update={"port": port, "tls": tls})

    def _hold(self, held: ExitStack, setting: str, port: int) -> int:
        host = self._settings.host
        family = family_of(host)
        try:
            # Without SO_REUSEPORT, so that another listener of ours is found out too.
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
                number: int = probe.getsockname()[1]
            holder = held.enter_context(socket.socket(family))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind((host, number))
        except OSError as error:
            raise cannot_listen(setting, host, port, error) from None
        return number

    def __exit__(self, *_: object) -> None:
        self._held.close()
