"""`auscult sweep`."""

import signal
import threading

import click

from service.core import log
from service.core.errors import Unavailable
from service.core.premises import open_ledger, open_store
from service.core.settings import load
from service.core.sweep import Sweep
from service.core.wake import waker

logger = log.get_logger(__name__)


@click.command()
@click.option("--once", is_flag=True, help="Sweep once and end.")
def sweep(once: bool) -> None:
    """Wake workers for what a crash or a broker lost, and remove half-received files, time and again."""
    settings = load()
    log.configure(settings.log.level, settings.log.style)
    sweeper = Sweep(settings.sweep, open_ledger(settings), open_store(settings), waker(settings))
    if once:
        swept = sweeper.once()
        click.echo(f"woken: {', '.join(swept.woken) or 'none'}; half-received files removed: {swept.removed}")
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    while not stop.wait(settings.sweep.interval):
        try:
            sweeper.once()
        except Unavailable as error:
            logger.warning("the sweep waits: %s", error)
