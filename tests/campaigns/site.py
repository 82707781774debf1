"""A whole site for a campaign: auscult's processes, what they stand on, and the archives behind gates."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from ssl import Purpose
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.ledger.records import DeliveryRecord, EventRecord, InstanceRecord
from service.vocabulary.facts import EventKind
from service.vocabulary.states import DeliveryState, State
from tests.campaigns.gate import Gate
from tests.campaigns.ground import Ground, hosts
from tests.campaigns.processes import Processes
from tests.campaigns.supplies import Servers, start_archives, start_servers
from tests.journeys.gateway import Gateway, gateway
from tests.journeys.pacs import CountingPacs
from tests.servers import Orthanc, free_port, wait_until
from tests.service.dicom.raw_scu import Ended, RawAssociation
from tests.service.objects import buckets

_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    # One thread for each network: several run beside each other. A kill is not the image's fault, so none gives up.
    "analysis": {"threads": 1, "batch_size": 4, "maximum_attempts": 1000, "lease": 4.0},
    # A courier has its whole batch under one lease: on a slow machine a short one goes to and fro between two workers.
    "delivery": {"lease": 10.0, "commitment_timeout": 5.0},
    "listener": {"maximum_associations": 20},
}
_UNDER_WAY = [State.RECEIVED.value, State.CLAIMED.value, State.INFERRED.value, State.REPORTED.value]


class Engine(StrEnum):
    """What the site runs on."""

    EMBEDDED = "embedded"
    """SQLite and named pipes."""
    CELERY = "celery"
    """PostgreSQL, and Celery on Redis."""
    HOSTS = "hosts"
    """The same, and a bucket, each program on a host of its own, all over TLS; one archive promises what it holds."""


#: The engines of one machine.
ON_ONE_MACHINE = (Engine.EMBEDDED, Engine.CELERY)


@dataclass
class Site:
    """Everything that a campaign runs.

    Attributes
    ----------
    gates
        The gate before each destination, by the destination's name.
    orthanc
        The second destination, where Orthanc is installed.
    doors
        Address and port of each listener.
    """

    ground: Ground
    gateway: Gateway
    processes: Processes
    pacs: CountingPacs
    orthanc: Orthanc | None
    gates: Mapping[str, Gate]
    doors: Mapping[str, tuple[str, int]]
    servers: Servers

    def session(self) -> Session:
        """Return a session on the ledger, to look."""
        return Session(self.gateway.ledger.engine)

    def holds_nothing(self, pid: int) -> bool:
        """Tell whether no lease belongs to a process."""
        pattern = f"%-{pid}-%"
        with self.session() as session:
            for record in (InstanceRecord, DeliveryRecord):
                held = select(func.count()).where(record.lease_owner.like(pattern))
                if session.scalar(held.select_from(record)):
                    return False
        return True

    def last_event(self) -> int:
        """Return the id of the last line of the history."""
        with self.session() as session:
            return session.scalar(select(func.max(EventRecord.id))) or 0

    def has_event(self, after: int, *events: str, of: str = "") -> bool:
        """Tell whether the history has a line of a kind after another; `of` stands in its detail."""
        wanted = select(EventRecord).where(EventRecord.id > after, EventRecord.event.in_(events))
        with self.session() as session:
            return any(of in f"{row.detail} {row.facts}" for row in session.scalars(wanted))

    def images(self, *states: str) -> int:
        """Return how many images are in one of some states; without any, how many are under way."""
        counted = select(func.count()).select_from(InstanceRecord)
        with self.session() as session:
            return session.scalar(counted.where(InstanceRecord.state.in_(states or _UNDER_WAY))) or 0

    def under_way(self, name: str | None = None) -> int:
        """Return how much is not at its end: images and objects, or objects for one destination."""
        open_ = (DeliveryRecord.state == DeliveryState.PENDING.value) | (
            (DeliveryRecord.state == DeliveryState.SENT.value) & DeliveryRecord.next_attempt_at.is_not(None)
        )
        objects = select(func.count()).select_from(DeliveryRecord).where(open_)
        images = select(func.count()).select_from(InstanceRecord)
        images = images.where(InstanceRecord.state.in_(_UNDER_WAY) | InstanceRecord.reports_due.is_(True))
        with self.session() as session:
            if name is not None:
                return session.scalar(objects.where(DeliveryRecord.destination == name)) or 0
            return (session.scalar(objects) or 0) + (session.scalar(images) or 0)

    def to_deliver(self) -> int:
        """Return how many images wait for their reports, and how many objects for a destination."""
        due = select(func.count()).select_from(InstanceRecord).where(InstanceRecord.reports_due.is_(True))
        with self.session() as session:
            return (session.scalar(due) or 0) + sum(self.under_way(name) for name in self.gates)

    def answers(self, listener: str) -> bool:
        """Tell whether a listener grants an association."""
        try:
            address, port = self.doors[listener]
            tls = self.ground.tls(Purpose.SERVER_AUTH)
            with RawAssociation(port, timeout_s=2, address=address, tls=tls) as association:
                association.release()
        except (OSError, Ended):
            return False
        return True

    def output(self) -> str:
        """Return all that auscult's processes wrote."""
        return self.gateway.output()

    def confirmations(self, *ways: str) -> dict[str, int]:
        """Return how many objects were confirmed in each way."""
        confirmed = select(EventRecord.facts).where(EventRecord.event == EventKind.CONFIRMED.value)
        with self.session() as session:
            by = Counter((facts or {}).get("service") for facts in session.scalars(confirmed))
        return {way: by[way] for way in ways}

    def stored(self) -> set[str]:
        """Return the names of the objects that are in the store."""
        if self.servers.bucket is not None:
            return buckets.names(self.servers.bucket)
        objects = self.gateway.folder / "data" / "objects"
        return {path.name for path in objects.rglob("*") if path.is_file() and path.parent.name != "incoming"}

    def half_received(self) -> list[str]:
        """Return the names of files that were begun and neither kept nor removed, on any host."""
        return [path.name for path in self.gateway.folder.glob("data*/objects/incoming/*")]


def _names(workers: int) -> list[str]:
    """Return the names of the processes that a site has several of."""
    return [f"{part} {number}" for number in range(1, workers + 1) for part in ("listener", "infer", "deliver")]


def _start(ground: Ground, processes: Processes, doors: Mapping[str, tuple[str, int]], workers: int) -> None:
    """Start auscult's processes; where listeners have disks of their own, each has a sweep."""
    sweeps = [f"sweep {number}" for number in range(1, workers + 1)] if ground.hosts else ["sweep"]
    for name in (*_names(workers), *sweeps):
        place = name.replace("sweep", "listener")
        variables = {}
        if place in ground.hosts:
            variables = {**ground.clocks[place].variables, "AUSCULT_DATA_DIR": str(processes.folder / f"data-{place}")}
        if name in doors:
            setting = "LISTENER__TLS__PORT" if ground.encryption else "LISTENER__PORT"
            variables[f"AUSCULT_{setting}"] = str(doors[name][1])
        commands = {"listener": ("listen",), "sweep": ("sweep",)}
        part = name.partition(" ")[0]
        processes.start(name, *commands.get(part, ("work", part)), host=ground.hosts.get(place), **variables)


@contextmanager
def site(folder: Path, engine: Engine, *, workers: int = 2, archive: bool = True, **settings: Any) -> Iterator[Site]:
    """Run a whole site until the block ends.

    Parameters
    ----------
    workers
        Listeners, inference workers and delivery workers, so many of each.
    archive
        Whether Orthanc is a second destination.
    settings
        Tables of the settings file, over those of a campaign.
    """
    with ExitStack() as stack:
        ground = Ground(folder)
        if engine is Engine.HOSTS:
            others = ["PostgreSQL", "Redis", "bucket", "PACS", "archive", "modality"]
            ground = stack.enter_context(hosts(folder, [*_names(workers), *others]))
        needed = Servers() if engine is Engine.EMBEDDED else start_servers(stack, ground)
        doors = {name: (ground.address(name), free_port()) for name in _names(workers) if name.startswith("listener")}
        archives = start_archives(stack, ground, archive, doors["listener 1"])
        tables: dict[str, Any] = {name: {**table, **settings.pop(name, {})} for name, table in _SETTINGS.items()}
        peers = []
        if ground.encryption is not None:
            tables["listener"] |= {"host": "0.0.0.0", "tls": {**ground.tls_settings(), "only": True}}
            (asking,) = [item for item in archives.destinations if item["name"] == "archive"]
            peers = [{name: asking[name] for name in ("ae_title", "host", "port", "tls")}]
        (folder / "gateway").mkdir()
        running = stack.enter_context(
            gateway(
                folder / "gateway",
                archives.destinations,
                peers=peers,
                parts=(),
                port=doors["listener 1"][1],
                database_url=needed.database_url,
                redis_url=needed.redis_url,
                **tables,
                **needed.settings(),
                **settings,
            )
        )
        processes = stack.enter_context(Processes(running.folder, running.environment, bool(ground.hosts)))
        _start(ground, processes, doors, workers)
        made = Site(ground, running, processes, archives.pacs, archives.orthanc, archives.gates, doors, needed)
        for name in doors:
            wait_until(lambda name=name: made.answers(name), f"{name} answers", 90, 0.2)  # type: ignore[misc]
        yield made
