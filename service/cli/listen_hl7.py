"""`auscult listen-hl7`: the listener for what a RIS says by HL7."""

import signal
import threading

import click

from service.audit import AuditTrail, events
from service.hl7.hearing import Hearing
from service.hl7.listener import Hl7Listener
from service.operations.bootstrap import open_ledger
from service.process import log as logging_setup
from service.process.heartbeat import Heartbeat
from service.process.log import get_logger
from service.settings import Settings, load
from service.vocabulary.facts import EventKind
from service.vocabulary.figures import HL7_HEARD, HL7_REFUSED
from service.vocabulary.identity import Identity

log = get_logger(__name__)


@click.command()
def listen_hl7() -> None:
    """Hear orders and final results by HL7 v2 over MLLP until SIGTERM or Ctrl-C."""
    settings = load()
    logging_setup.configure(settings.log.level, settings.log.style)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    with AuditTrail(settings) as trail, trail.activity("auscult listen-hl7"):
        _serve(settings, trail, stopping)


def _serve(settings: Settings, trail: AuditTrail, stopping: threading.Event) -> None:
    """Hear until told to stop."""

    def note(identity: Identity) -> None:
        trail.note(events.study_marked, trail.node, "", "", identity, what=EventKind.STUDY_CLOSED.value)

    ledger = open_ledger(settings)
    tally = ledger.figures.tally
    hearing = Hearing(settings, ledger.orders, lambda heard: tally.count(HL7_HEARD, heard), note)
    listener = Hl7Listener(settings.hl7, hearing, lambda reason: tally.count(HL7_REFUSED, reason))
    listener.start()
    heartbeat = Heartbeat(settings.heartbeat_dir, "hl7")
    where = f"{settings.hl7.host}:{listener.port}{' over TLS' if settings.hl7.tls.is_on else ''}"
    log.info("hearing HL7 on %s", where)
    with ledger.figures.kept():
        while not stopping.wait(0.5) and listener.is_well():
            heartbeat.beat()
            listener.turn()
        listener.stop()
    heartbeat.stop()
    log.info("stopped hearing HL7 on %s", where)
    if not stopping.is_set():
        raise SystemExit(1)  # what started it starts it again
