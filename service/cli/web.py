"""`auscult web`: the reading worklist in a browser."""

import click

from service.operations.bootstrap import open_ledger
from service.process import log
from service.settings import load
from service.web.server import serve


@click.command()
def web() -> None:
    """Serve the reading worklist until SIGTERM or Ctrl-C: on a loopback address, or over TLS with a login."""
    settings = load()
    log.configure(settings.log.level, settings.log.style)
    serve(settings, open_ledger(settings))
