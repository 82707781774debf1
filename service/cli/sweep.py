"""`auscult sweep`."""

import signal
import threading
import time
from datetime import timedelta

import click

from service.audit import AuditTrail
from service.drift.watch import Watch
from service.operations.bootstrap import open_ledger, open_store
from service.operations.retention import RetentionRounds
from service.operations.sweep import Sweep
from service.operations.wake import waker
from service.process import log
from service.process.heartbeat import Heartbeat
from service.settings import Settings, load
from service.texts import texts_in
from service.vocabulary.errors import Unavailable

logger = log.get_logger(__name__)


@click.command()
@click.option("--once", is_flag=True, help="Sweep once and end.")
def sweep(once: bool) -> None:
    """Wake workers for what a crash or a broker lost, remove half-received files, and what retention lets go.

    With --once, the whole store is searched for objects that no row of the ledger needs; else one part of it each time.
    """
    settings = load()
    log.configure(settings.log.level, settings.log.style)
    with AuditTrail(settings) as trail:
        _sweep(settings, trail, once=once)


def _sweep(settings: Settings, trail: AuditTrail, *, once: bool) -> None:
    ledger, store = open_ledger(settings), open_store(settings)
    keep_turnarounds = timedelta(days=settings.turnaround.keep_days)
    keep_orders = timedelta(days=settings.orders.keep_days)
    receivers = [receiver.name for receiver in settings.receivers]
    give_up_after = timedelta(seconds=settings.delivery.give_up_after)
    sweeper = Sweep(
        settings.sweep, ledger, store, waker(settings), keep_turnarounds, keep_orders, receivers, give_up_after
    )
    retention = RetentionRounds(settings.retention, ledger, store, trail)
    if once:
        swept = sweeper.once()
        say = texts_in(settings.language)
        woken = ", ".join(swept.woken) or say("sweep.none")
        click.echo(say("sweep.swept", woken=woken, removed=swept.removed))
        click.echo(say("sweep.removed", count=retention.once(parts=256)))
        Watch(settings.drift, ledger.drift).once()
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    due, counted = time.monotonic(), False
    watch, look_at = Watch(settings.drift, ledger.drift), time.monotonic()
    heartbeat = Heartbeat(settings.heartbeat_dir, "sweep")
    while not stop.wait(settings.sweep.interval):
        try:
            if not counted:  # processes of an earlier version may have written before this one started
                ledger.counts.recount()
                counted = True
            sweeper.once()
            if time.monotonic() >= due:
                due = time.monotonic() + settings.retention.interval
                retention.once()
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + settings.drift.interval
                watch.once()
        except Unavailable as error:
            logger.warning("the sweep waits: %s", error)
        heartbeat.beat()
    heartbeat.stop()
