"""Channels: the ways over which the outbox reaches a destination, one module or package each.

What a new channel touches, tests and documents aside, is five files at most: its settings and their line in the table
of `service.settings.receivers`, its payload and its transport here, and its line in the table below.
"""

from collections.abc import Callable, Mapping
from typing import Any

from service.settings import Destination, DestinationSettings, DicomwebSettings, ReceiverSettings, Settings
from service.settings.receivers import FhirSettings, Hl7Settings, UpsRsSettings, UpsSettings, WebhookSettings
from worker.channels.contract import Channel, Surroundings
from worker.channels.fhir import FhirChannel
from worker.channels.hl7 import Hl7Channel
from worker.channels.messenger import Messenger
from worker.channels.ups import ups_channel, ups_rs_channel
from worker.channels.webhook import WebhookChannel
from worker.courier import Courier
from worker.rounds import Rounds


def _archive(around: Surroundings, destination: Destination, owner: str) -> Rounds:
    return Courier(
        around.settings, destination, around.ledger, around.store, owner, around.trail, around.stop, around.clock
    )


def _messages(channel: Callable[[Settings, Any], Channel]) -> Callable[[Surroundings, Any, str], Rounds]:
    """Return what brings a receiver its messages over a channel."""

    def opened(around: Surroundings, receiver: ReceiverSettings, owner: str) -> Rounds:
        return Messenger(around, receiver, owner, channel(around.settings, receiver))

    return opened


#: By the kind of its settings, what brings a destination its due.
CHANNELS: Mapping[type[Any], Callable[[Surroundings, Any, str], Rounds]] = {
    DestinationSettings: _archive,
    DicomwebSettings: _archive,
    Hl7Settings: _messages(Hl7Channel),
    WebhookSettings: _messages(WebhookChannel),
    FhirSettings: _messages(FhirChannel),
    UpsSettings: _messages(ups_channel),
    UpsRsSettings: _messages(ups_rs_channel),
}
