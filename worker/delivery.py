"""Delivery: builds the reports that are due, and a courier for each destination takes them away; torch has no part.

What peers ask of us by storage commitment is answered here too.
"""

import threading
from collections.abc import Sequence

from models.checkpoint import Checkpoint
from service.audit import AuditTrail
from service.ledger import Ledger
from service.objects import ObjectStore
from service.process.memory import give_back
from service.settings import Destination, ReceiverSettings, Settings
from worker.channels import CHANNELS
from worker.channels.contract import Surroundings
from worker.commitment_answers import CommitmentAnswers
from worker.liveness import Activity
from worker.report_building import ReportBuilding
from worker.rounds import Rounds, run
from worker.work_item_events import WorkItemEvents


class Delivery:
    """One delivery worker: the builder, and a thread for each destination and for each peer that waits for answers.

    A node that does not answer holds up nobody but itself.

    Attributes
    ----------
    activities
        Its lines of work, whose progress is watched: the building, each courier, and the answers to each peer.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        store: ObjectStore,
        checkpoints: Sequence[Checkpoint],
        trail: AuditTrail,
        owner: str,
        stop: threading.Event,
    ) -> None:
        building = Activity("the building of reports", ledger.reporting.any_due)
        self.activities = [building]
        self._building = ReportBuilding(
            settings, ledger, store, checkpoints, owner, stop=stop, progress=building.progress, ready=self.ring
        )
        self._bells: list[threading.Event] = []
        self._threads: list[threading.Thread] = []
        around = Surroundings(settings, ledger, store, trail, stop)
        destinations: list[Destination | ReceiverSettings] = [*settings.destinations, *settings.receivers]
        for destination in destinations:
            # The owner is cut to what the column of the lease holds.
            rounds = CHANNELS[type(destination)](around, destination, f"{owner}/{destination.name}"[:100])
            self._start(rounds, f"courier {destination.name}", stop, settings.analysis.poll)
        for peer in settings.peers:
            answers = CommitmentAnswers(settings, peer, ledger, store, f"{owner}/answers {peer.ae_title}"[:100])
            self._start(answers, f"answers {peer.ae_title}", stop, settings.analysis.poll)
            if settings.work_items.ae_titles:
                events = WorkItemEvents(settings, peer, ledger, f"{owner}/events {peer.ae_title}"[:100])
                self._start(events, f"events {peer.ae_title}", stop, settings.analysis.poll)

    def _start(self, rounds: Rounds, name: str, stop: threading.Event, poll: float) -> None:
        bell = threading.Event()
        thread = threading.Thread(target=run, args=(rounds, bell, stop, poll), name=name)
        self.activities.append(rounds.activity)
        self._bells.append(bell)
        self._threads.append(thread)
        thread.start()

    def run_until_idle(self) -> int:
        """Build what is due and wake the couriers; return for how many instances reports were built."""
        built = self._building.run_until_idle()
        self.activities[0].progress()
        self.ring()
        if built:
            give_back()
        return built

    def ring(self) -> None:
        """Wake the couriers, to work or, once `stop` is set, to end."""
        for bell in self._bells:
            bell.set()

    def close(self) -> None:
        """Wait for the couriers to end; `stop` must be set."""
        self.ring()
        for thread in self._threads:
            thread.join()
