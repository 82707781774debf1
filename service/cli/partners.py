"""Checks of the systems that we call: destinations of reports, peers, and receivers of messages."""

from service.cli.found import Found
from service.operations.bootstrap import open_ledger
from service.partners import answers
from service.settings import Settings
from service.texts import Sentence
from service.vocabulary.errors import Unavailable


def destinations(settings: Settings) -> Found:
    """Check each destination, and each peer that waits for our answers: by C-ECHO, or over HTTP by a search."""
    if not settings.destinations:
        yield Sentence("check.destinations"), True, Sentence("found.no_destination")
    for destination in settings.destinations:
        yield Sentence("check.destination", name=destination.name), *answers(settings, destination)
    for peer in settings.peers:
        yield Sentence("check.peer", title=peer.ae_title), *answers(settings, peer)


def unnamed_destinations(settings: Settings) -> Found:
    """Check that nothing waits for a destination that the settings do not name."""
    try:
        ledger = open_ledger(settings)
    except Unavailable:
        return  # what is wrong with the database is told there
    try:
        unnamed = ledger.abandonment.unnamed([destination.name for destination in settings.destinations])
    finally:
        ledger.engine.dispose()
    for name, count in unnamed.items():
        yield Sentence("check.destination", name=name), False, Sentence("found.unnamed_destination", count=count)


def receivers(settings: Settings) -> Found:
    """Ask each receiver of messages the mildest question that its protocol has."""
    for receiver in settings.receivers:
        yield Sentence("check.receiver", name=receiver.name), *answers(settings, receiver)
