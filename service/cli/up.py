"""`auscult up`: everything on one machine."""

import os
import signal
import threading
import time

import click

from service.cli.supervisor import Supervisor, parts
from service.ledger import migration
from service.operations.bootstrap import make_data_dir
from service.process import log
from service.process.ports import require_free
from service.settings import Settings, load
from service.texts import Texts, texts_in
from service.vocabulary.errors import PortTaken

#: Seconds in which an auscult that is ending has let go of its ports.
_PATIENCE_S = 15.0

logger = log.get_logger(__name__)


@click.command()
def up() -> None:
    """Run everything on this machine: listener, workers, worklist page and sweeper; Ctrl-C stops it cleanly."""
    settings = load()
    log.configure(settings.log.level, settings.log.style)
    make_data_dir(settings)
    _require_ports(settings)
    migration.upgrade(settings.database_url)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _tell_addresses(texts_in(settings.language), settings)
    Supervisor(parts(settings.delivery.process_count, hears_hl7=settings.hl7.port is not None), os.environ).run(stop)


def _tell_addresses(say: Texts, settings: Settings) -> None:
    listener, web = settings.listener, settings.web
    addresses = f"{listener.host}:{listener.port}"
    if listener.tls.is_on:
        secure = say("up.over_tls", address=f"{listener.host}:{listener.tls.port}")
        addresses = secure if listener.tls.only else say("up.and", first=addresses, second=secure)
    click.echo(say("up.listening", title=listener.ae_title, addresses=addresses))
    scheme = "https" if web.tls.is_on else "http"
    if settings.hl7.port is not None:
        heard = f"{settings.hl7.host}:{settings.hl7.port}"
        click.echo(say("up.hl7", address=say("up.over_tls", address=heard) if settings.hl7.tls.is_on else heard))
    click.echo(say("up.worklist", address=f"{scheme}://{web.host}:{web.port}/"))
    if not settings.destinations:
        click.echo(say("up.no_destination"), err=True)


def _require_ports(settings: Settings) -> None:
    """Find out before anything starts whether the ports can be had; wait a little for an auscult that is ending."""
    listener, web = settings.listener, settings.web
    ports = [("web.port", web.host, web.port)]
    if not listener.tls.only:
        ports.append(("listener.port", listener.host, listener.port))
    if listener.tls.is_on:
        ports.append(("listener.tls.port", listener.host, listener.tls.port))
    if settings.hl7.port is not None:
        ports.append(("hl7.port", settings.hl7.host, settings.hl7.port))
    deadline, told = time.monotonic() + _PATIENCE_S, False
    for port in ports:
        while True:
            try:
                require_free(*port)
                break
            except PortTaken:
                if time.monotonic() > deadline:
                    raise
                if not told:
                    logger.warning(
                        "%s = %d on %s is taken; waiting %g s for it", port[0], port[2], port[1], _PATIENCE_S
                    )
                    told = True
                time.sleep(0.2)
