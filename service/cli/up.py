"""`auscult up`: everything on one machine."""

import os
import signal
import threading

import click

from service.cli.supervisor import PARTS, Supervisor
from service.ledger import migration
from service.operations.bootstrap import make_data_dir
from service.process import log
from service.settings import load


@click.command()
def up() -> None:
    """Run everything on this machine: listener, workers, worklist page and sweeper; Ctrl-C stops it cleanly."""
    settings = load()
    log.configure(settings.log.level, settings.log.style)
    make_data_dir(settings)
    migration.upgrade(settings.database_url)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    listener, web = settings.listener, settings.web
    plain = [] if listener.tls.only else [f"{listener.host}:{listener.port}"]
    secure = [f"{listener.host}:{listener.tls.port} over TLS"] if listener.tls.is_on else []
    click.echo(f"listening for DICOM as {listener.ae_title} on {' and '.join(plain + secure)}")
    click.echo(f"reading worklist: {'https' if web.tls.is_on else 'http'}://{web.host}:{web.port}/")
    if not settings.destinations:
        click.echo("no destination is configured: reports are built and kept, and sent to nobody", err=True)
    Supervisor(PARTS, os.environ).run(stop)
