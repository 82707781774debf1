"""A site whose results are told to one receiver, driven step by step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import Mock

import pytest
from sqlalchemy import select

from service.ledger import Subscription
from service.ledger.database import reading
from service.ledger.message_records import MessageRecord
from service.settings import ReceiverSettings
from service.vocabulary.states import DeliveryState
from tests.service.sample_site import SampleSite
from worker.channels import CHANNELS
from worker.channels.contract import Surroundings
from worker.rounds import Rounds


@dataclass
class Telling:
    """A site, and one receiver of its messages over its own channel."""

    site: SampleSite
    receiver: ReceiverSettings
    stop: threading.Event = field(default_factory=threading.Event)

    def rounds(self, owner: str = "messenger") -> Rounds:
        site = self.site
        around = Surroundings(site.settings, site.ledger, site.store, Mock(), self.stop, lambda: site.now)
        return CHANNELS[type(self.receiver)](around, self.receiver, owner)

    def tell(self) -> int:
        """Tell everything that is due; return how many messages were handled."""
        rounds, handled = self.rounds(), 0
        while step := rounds.step():
            handled += step
        rounds.close()
        return handled

    @property
    def states(self) -> dict[DeliveryState, int]:
        return dict(self.site.ledger.inspection.status().outbox.get(self.receiver.name, {}))

    def detail(self) -> str | None:
        """Return what is recorded of the first message."""
        with reading(self.site.engine) as session:
            return session.scalars(select(MessageRecord.detail).order_by(MessageRecord.id).limit(1)).one()


@pytest.fixture
def telling(tmp_path: Path) -> Iterator[Callable[[ReceiverSettings], Telling]]:
    """Give ``telling(receiver)``."""
    sites: list[SampleSite] = []

    def make(receiver: ReceiverSettings) -> Telling:
        subscription = Subscription(receiver.name, receiver.told, receiver.not_analysed)
        sites.append(SampleSite(tmp_path, subscriptions=(subscription,)))
        return Telling(sites[-1], receiver)

    yield make
    for site in sites:
        site.close()
