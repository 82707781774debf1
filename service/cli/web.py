"""`auscult web`: the reading worklist in a browser."""

import click

from service.core import log
from service.core.premises import open_ledger
from service.core.settings import load
from service.web.server import serve


@click.command()
def web() -> None:
    """Serve the reading worklist until SIGTERM or Ctrl-C: on a loopback address, or over TLS with a login."""
    settings = load()
    log.configure(settings.log.level, settings.log.style)
    serve(settings, open_ledger(settings))
