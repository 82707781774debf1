"""`auscult web`: the reading worklist in a browser."""

import click

from service.operations.bootstrap import open_ledger
from service.process import log
from service.process.codec_output import silenced
from service.settings import load
from service.web.server import serve


@click.command()
def web() -> None:
    """Serve the reading worklist until SIGTERM or Ctrl-C: on a loopback address, or over TLS with a login."""
    settings = load()
    log.configure(settings.log.level, settings.log.style)
    with silenced():
        serve(settings, open_ledger(settings))
