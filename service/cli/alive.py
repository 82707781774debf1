"""`auscult alive`: the health check of a container."""

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection

import click

from service.cli.certificates import reachable
from service.process import heartbeat
from service.settings import Settings, WebSettings, load
from service.texts import Texts, texts_in
from service.vocabulary.errors import AuscultError

#: Seconds that a loop which turns may be silent on a loaded machine.
_GRACE_S = 30.0


@click.command()
@click.argument("part", type=click.Choice(["listen", "hl7", "infer", "deliver", "sweep", "web"]))
def alive(part: str) -> None:
    """Tell whether a part of auscult gets on with its work on this machine: exit status 0, or 1 with the reason.

    A process that hangs is alive to the system; this asks for its progress.
    """
    settings = load()
    say = texts_in(settings.language)
    if part == "web":
        if not answers_health(settings.web):
            raise AuscultError(say("alive.no_page", address=f"{settings.web.host}:{settings.web.port}/healthz"))
        return
    _require_heartbeat(say, settings, part)


def _require_heartbeat(say: Texts, settings: Settings, part: str) -> None:
    limit = _GRACE_S + (2 * settings.sweep.interval if part == "sweep" else 0)
    ages = heartbeat.ages(settings.heartbeat_dir, part)
    if not ages:
        raise AuscultError(say("alive.no_heartbeat", part=part, folder=settings.heartbeat_dir))
    if max(ages) > limit:
        raise AuscultError(say("alive.stalled", part=part, seconds=round(max(ages))))


def answers_health(web: WebSettings) -> bool:
    """Return whether the page answers that it serves."""
    connection = HTTPConnection(reachable(web.host), web.port, timeout=3)
    if web.tls.is_on:
        # Whether it serves is asked, not who it is; nothing is sent to it.
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(reachable(web.host), web.port, timeout=3, context=unverified)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().read() == b'{"status":"ok"}'
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
