"""A whole site for a campaign: auscult's processes, what they stand on, and the archives behind gates."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.ledger.records import DeliveryRecord, EventRecord, InstanceRecord
from service.vocabulary.states import DeliveryState, State
from tests import servers
from tests.campaigns.gate import Gate
from tests.campaigns.processes import Processes
from tests.journeys.gateway import Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.servers import free_port, wait_until
from tests.service.dicom.raw_scu import Ended, RawAssociation

_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    # One thread for each network: several run beside each other. A kill is not the image's fault, so none gives up.
    "analysis": {"threads": 1, "batch_size": 4, "maximum_attempts": 1000, "lease": 4.0},
    # A courier has its whole batch under one lease: on a slow machine a short one goes to and fro between two workers.
    "delivery": {"lease": 10.0},
    "listener": {"maximum_associations": 20},
}
_UNDER_WAY = [State.RECEIVED.value, State.CLAIMED.value, State.INFERRED.value, State.REPORTED.value]


class Engine(StrEnum):
    """What the site runs on."""

    EMBEDDED = "embedded"
    """SQLite and named pipes."""
    CELERY = "celery"
    """PostgreSQL, and Celery on Redis."""


@dataclass
class Supply:
    """A server that can be taken away and brought back with what it kept."""

    run: Callable[[], AbstractContextManager[Any]]
    _stack: ExitStack = field(default_factory=ExitStack)

    def up(self) -> None:
        """Start it; return when it answers."""
        self.handle = self._stack.enter_context(self.run())

    def down(self) -> None:
        """End it as a crash would."""
        self._stack.close()

    def freeze(self, number: signal.Signals) -> None:
        """Send SIGSTOP or SIGCONT to a PostgreSQL and to all that it forked."""
        pid = self.handle.process.pid
        for child in (pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())):
            with suppress(ProcessLookupError):
                os.kill(child, number)


@dataclass
class Site:
    """Everything that a campaign runs.

    Attributes
    ----------
    gates
        The gate before each destination, by the destination's name.
    orthanc
        The second destination, where Orthanc is installed.
    ports
        Where the listeners listen.
    """

    gateway: Gateway
    processes: Processes
    pacs: CountingPacs
    orthanc: servers.Orthanc | None
    gates: Mapping[str, Gate]
    ports: Mapping[str, int]
    redis: Supply | None
    postgres: Supply | None
    redis_url: str | None
    postgres_log: Path | None

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
        wanted = select(EventRecord.id).where(EventRecord.id > after, EventRecord.detail.contains(of))
        with self.session() as session:
            return session.scalars(wanted.where(EventRecord.event.in_(events)).limit(1)).first() is not None

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

    def answers(self, listener: str) -> bool:
        """Tell whether a listener grants an association."""
        try:
            with RawAssociation(self.ports[listener], timeout_s=2) as association:
                association.release()
        except (OSError, Ended):
            return False
        return True

    def output(self) -> str:
        """Return all that auscult's processes wrote."""
        return self.gateway.output()


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
        redis = postgres = orthanc = redis_url = database_url = log = None
        if engine is Engine.CELERY:
            redis_port = free_port()
            redis = Supply(lambda: servers.redis_server(folder, redis_port, signal.SIGKILL))
            cluster = stack.enter_context(servers.postgres_cluster())
            postgres, log = Supply(lambda: cluster.run(signal.SIGQUIT)), cluster.folder / "postgres.log"
            for supply in (redis, postgres):
                stack.callback(supply.down)
                supply.up()
            redis_url, database_url = redis.handle, postgres.handle.create_database()
        pacs = stack.enter_context(CountingPacs())
        gates = {"pacs": stack.enter_context(Gate(pacs.port))}
        destinations = [destination(gates["pacs"].port, response_timeout=2.0)]
        if archive:
            (folder / "orthanc").mkdir()
            orthanc = stack.enter_context(servers.orthanc(folder / "orthanc", callers=("AUSCULT",)))
            gates["archive"] = stack.enter_context(Gate(orthanc.dicom_port))
            destinations.append(destination(gates["archive"].port, "archive", "ORTHANC", response_timeout=2.0))
        tables: dict[str, Any] = {name: {**table, **settings.pop(name, {})} for name, table in _SETTINGS.items()}
        (folder / "gateway").mkdir()
        running = stack.enter_context(
            gateway(
                folder / "gateway",
                destinations,
                parts=(),
                database_url=database_url,
                redis_url=redis_url,
                **tables,
                **settings,
            )
        )
        processes = stack.enter_context(Processes(running.folder, running.environment))
        ports = {}
        for number in range(1, workers + 1):
            ports[f"listener {number}"] = running.port if number == 1 else free_port()
            processes.start(f"listener {number}", "listen", AUSCULT_LISTENER__PORT=str(ports[f"listener {number}"]))
            processes.start(f"infer {number}", "work", "infer")
            processes.start(f"deliver {number}", "work", "deliver")
        processes.start("sweep", "sweep")
        made = Site(running, processes, pacs, orthanc, gates, ports, redis, postgres, redis_url, log)
        for name in ports:
            wait_until(lambda name=name: made.answers(name), f"{name} answers", 90, 0.2)  # type: ignore[misc]
        yield made
