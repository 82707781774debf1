"""All that is known of each machine: what it has sent, how that compares, and whether it is in shadow."""

from dataclasses import dataclass

from service.drift.watch import Watch, Watched
from service.ledger import Ledger
from service.ledger.machines import MachineView
from service.settings import DriftSettings


@dataclass(frozen=True)
class MachineRow:
    """A machine with what was watched of each of its groups, under each checkpoint in use."""

    seen: MachineView
    watched: tuple[Watched, ...]
    in_shadow: bool

    @property
    def name(self) -> str:
        """What a person calls it, as far as its images say; empty where they say nothing."""
        machine = self.seen.machine
        return " ".join(filter(None, (machine.manufacturer, machine.model_name, machine.station_name)))

    @property
    def is_in_alarm(self) -> bool:
        """Whether a chart of it alarms."""
        return any(chart.alarm_since is not None for one in self.watched for chart in one.charts)


def overview(settings: DriftSettings, ledger: Ledger) -> list[MachineRow]:
    """Return every machine that has sent an image, those in alarm first."""
    watched = Watch(settings, ledger.drift).machines()
    shadowed = {view.source.machine_id for view in ledger.shadow.standing()}
    rows = [
        MachineRow(seen, tuple(one for one in watched if one.machine_id == seen.id), seen.id in shadowed)
        for seen in ledger.machines.seen()
    ]
    return sorted(rows, key=lambda row: (not row.is_in_alarm, row.seen.id))
