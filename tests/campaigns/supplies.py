"""The servers that a site of a campaign needs, and the archives that its reports go to."""

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from ssl import Purpose
from typing import Any

from service.settings import StoreSettings
from tests import servers
from tests.campaigns.gate import Gate
from tests.campaigns.ground import Ground
from tests.journeys.gateway import destination
from tests.journeys.pacs import CountingPacs
from tests.servers import free_port
from tests.service.objects import buckets


@dataclass
class Supply:
    """A server that can be taken away and brought back with what it kept."""

    run: Callable[[], AbstractContextManager[Any]]
    inside: Callable[[], AbstractContextManager[None]] = nullcontext
    _stack: ExitStack = field(default_factory=ExitStack)

    def up(self) -> None:
        """Start it; return when it answers."""
        with self.inside():
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


@dataclass(frozen=True)
class Servers:
    """The servers that a site needs: none of them in embedded mode."""

    redis: Supply | None = None
    postgres: Supply | None = None
    bucket: StoreSettings | None = None
    redis_url: str | None = None
    database_url: str | None = None
    postgres_log: Path | None = None

    def settings(self) -> dict[str, Any]:
        """Return the tables of the settings file that name them, beside database and queue."""
        return {} if self.bucket is None else {"store": self.bucket.model_dump(exclude_defaults=True)}


def start_servers(stack: ExitStack, ground: Ground) -> Servers:
    """Start PostgreSQL, Redis, and on hosts a bucket's server."""
    port, folder = free_port(), ground.folder
    secure, address = ground.encryption, ground.address("Redis")
    redis = Supply(
        lambda: servers.redis_process(folder, port, signal.SIGKILL, secure, address), lambda: ground.inside("Redis")
    )
    cluster = stack.enter_context(servers.postgres_cluster(encryption=secure, address=ground.address("PostgreSQL")))
    postgres = Supply(lambda: cluster.run(signal.SIGQUIT), lambda: ground.inside("PostgreSQL"))
    for supply in (redis, postgres):
        stack.callback(supply.down)
        supply.up()
    bucket = None
    if ground.hosts:
        stack.enter_context(buckets.credentials())
        with ground.inside("bucket"):
            url = stack.enter_context(servers.moto_server(folder, ground.address("bucket")))
        bucket = buckets.new_bucket(url, timeout=5.0)
    url, database = redis.handle[0], postgres.handle.create_database()
    return Servers(redis, postgres, bucket, url, database, cluster.folder / "postgres.log")


@dataclass(frozen=True)
class Archives:
    """The destinations, the gate before each, and the tables of the settings file that name them."""

    pacs: CountingPacs
    orthanc: servers.Orthanc | None
    gates: Mapping[str, Gate]
    destinations: list[dict[str, Any]]


def start_archives(stack: ExitStack, ground: Ground, archive: bool, caller: tuple[str, int]) -> Archives:
    """Start the destinations; `caller` is where Orthanc finds us."""
    tls = {"tls": ground.tls_settings()} if ground.encryption else {}
    with ground.inside("PACS"):
        pacs = stack.enter_context(CountingPacs(ground.tls(Purpose.CLIENT_AUTH)))
        gates = {"pacs": stack.enter_context(Gate(pacs.port, ground.address("PACS")))}
    common: dict[str, Any] = {"response_timeout": 2.0, **tls}
    destinations = [destination(gates["pacs"].port, host=gates["pacs"].address, **common)]
    orthanc = None
    if archive:
        (ground.folder / "orthanc").mkdir()
        address = ground.address("archive")
        with ground.inside("archive"):
            settings = _orthanc_settings(ground, caller)
            running = servers.orthanc(
                ground.folder / "orthanc", callers=("AUSCULT",), settings=settings, address=address
            )
            orthanc = stack.enter_context(running)
            gates["archive"] = stack.enter_context(Gate(orthanc.dicom_port, address))
        confirm = {"confirm": "commitment"} if ground.hosts else {}
        found = destination(gates["archive"].port, "archive", "ORTHANC", host=address, **common, **confirm)
        destinations.append(found)
    return Archives(pacs, orthanc, gates, destinations)


def _orthanc_settings(ground: Ground, caller: tuple[str, int]) -> dict[str, object]:
    if ground.encryption is None:
        return {}
    certificate, key = map(str, ground.encryption.client)
    host, port = caller
    return {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": certificate,
        "DicomTlsPrivateKey": key,
        "DicomTlsTrustedCertificates": str(ground.encryption.ca),
        # A gate stands before it, so that nobody comes from the address that he has.
        "DicomCheckModalityHost": False,
        "DicomModalities": {"auscult": {"AET": "AUSCULT", "Host": host, "Port": port, "UseDicomTls": True}},
        "RemoteAccessAllowed": True,
    }
