"""The very commands and variables of docker-compose.yml, as processes: from dcmtk through Orthanc to its reports.

An engine is not at hand where tests run. What it would do is done here: services start in their order, each with its
command and its variables, against a real PostgreSQL, a real Redis and Orthanc with the demo's own configuration; the
names and paths that only exist inside containers are replaced one for one.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from service.core.database import connect
from service.core.ledger import Ledger
from service.core.states import DeliveryState, State
from tests import phantoms, servers
from tests.containers import compose
from tests.containers.compose import ROOT, Service
from tests.servers import forward_everything, free_port, wait_until

AUSCULT = str(Path(sys.executable).with_name("auscult"))
PARTS = ("migrate", "listen", "infer", "deliver", "sweep", "web")


@dataclass(frozen=True)
class Site:
    """Where the names and paths of the containers lie on this machine."""

    folder: Path
    places: Mapping[str, str]
    database_url: str
    ports: Mapping[str, int]

    def here(self, text: str) -> str:
        """Return a value of docker-compose.yml as it is on this machine."""
        for inside, outside in self.places.items():
            text = text.replace(inside, outside)
        return text

    def environment(self, service: Service) -> dict[str, str]:
        """Return a service's variables, on nothing of this process's own that is a setting."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
        given = {name: self.here(value) for name, value in service.environment.items()}
        # A phantom is unlike radiographs, and would not be analysed.
        given["AUSCULT_SCOPE__UNLIKE_TRAINING"] = "ignore"
        moved = {f"AUSCULT_{name}__PORT": str(port) for name, port in self.ports.items()}
        # A disk that is nearly full where tests run is no fault of the file.
        return {**own, **given, **{key: moved[key] for key in moved if key in given}} | {
            "AUSCULT_LISTENER__MINIMUM_FREE_BYTES": "0"
        }

    def log(self, name: str) -> Path:
        """Return where a service writes."""
        return self.folder / f"{name}.log"


@pytest.fixture
def site(
    tmp_path: Path, program: Callable[[str], str], request: pytest.FixtureRequest
) -> Iterator[tuple[Site, servers.Orthanc]]:
    """Start what is not ours: Redis by its own command, Orthanc by the demo's configuration."""
    for name in ("redis-server", "Orthanc", "storescu"):
        program(name)
    database_url: str = request.getfixturevalue("postgres_url")
    secrets, ports = tmp_path / "secrets", {"LISTENER": free_port(), "WEB": free_port()}
    secrets.mkdir()
    for name in compose.read()["secrets"]:
        (secrets / name).write_text(f"{os.urandom(12).hex()}/@:\n")
    redis_port, folder = free_port(), tmp_path / "orthanc"
    folder.mkdir()
    demo = json.loads((ROOT / "docker" / "demo" / "orthanc.json").read_text())
    with (
        ExitStack() as stack,
        servers.orthanc(
            folder,
            ae_title=demo["DicomAet"],
            modalities={"auscult": (demo["DicomModalities"]["auscult"][0], ports["LISTENER"])},
            callers=("MODALITY",),
            lua=forward_everything("auscult"),
        ) as pacs,
    ):
        settings = (ROOT / "docker" / "demo" / "auscult.toml").read_text()
        assert 'host = "orthanc"\nport = 4242' in settings
        moved = settings.replace('host = "orthanc"\nport = 4242', f'host = "127.0.0.1"\nport = {pacs.dicom_port}')
        (tmp_path / "auscult.toml").write_text(moved)
        address = database_url.rpartition("@")[2]
        places = {
            "/etc/auscult/auscult.toml": str(tmp_path / "auscult.toml"),
            "/run/secrets": str(secrets),
            "/var/lib/auscult": str(tmp_path / "objects"),
            "/tmp/alive": str(tmp_path / "alive"),
            "postgres:5432/auscult": address,
            "redis:6379": f"127.0.0.1:{redis_port}",
            "0.0.0.0": "127.0.0.1",
        }
        site = Site(tmp_path, places, database_url, ports)
        stack.enter_context(_redis(site, redis_port))
        yield site, pacs


@contextmanager
def _redis(site: Site, port: int) -> Iterator[None]:
    """Run Redis by the command of its service: its password comes from the file."""
    service = compose.services()["redis"]
    command = [site.here(part).replace("--port 6379", f"--bind 127.0.0.1 --port {port}") for part in service.command]
    health = site.here(service.health[0]).replace("redis-cli", f"redis-cli -p {port}")

    def answers() -> bool:
        return subprocess.run(["sh", "-c", health], capture_output=True, timeout=10, check=False).returncode == 0

    with servers.running(command, site.log("redis"), answers):
        yield


@contextmanager
def started(site: Site) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start our services in their order; end those that still run."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    wanted = {name: compose.services()[name] for name in PARTS}
    try:
        for service in compose.in_order(wanted):
            with site.log(service.name).open("wb") as log:
                process = subprocess.Popen(
                    [AUSCULT, *service.command],
                    env=site.environment(service),
                    cwd=site.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            if service.name == "migrate":
                assert process.wait(60) == 0, site.log("migrate").read_text()
            else:
                running[service.name] = process
        yield running
    finally:
        for process in running.values():
            process.kill()
            process.wait(10)


def listens(site: Site) -> bool:
    """Tell whether the listener's port is open."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", site.ports["LISTENER"])) == 0


def healthy(site: Site, name: str) -> bool:
    """Run a service's health check beside it."""
    service = compose.services()[name]
    check = [AUSCULT, *service.health[1:]]
    ran = subprocess.run(check, env=site.environment(service), capture_output=True, timeout=60, check=False)
    return ran.returncode == 0


@pytest.mark.timeout(400)
def test_an_image_goes_through_the_services_of_the_file_and_comes_back_as_reports(
    site: tuple[Site, servers.Orthanc], program: Callable[[str], str]
) -> None:
    place, pacs = site
    source = phantoms.chest(900, patient_id="SECRET-900", patient_name="Geheim^Kompose")
    phantoms.write(source, place.folder / "image.dcm")
    with started(place) as running:
        wait_until(lambda: listens(place), "the listener listens", 180, 0.2)
        send = [program("storescu"), "-aet", "MODALITY", "-aec", "ORTHANC", "127.0.0.1", str(pacs.dicom_port)]
        subprocess.run([*send, str(place.folder / "image.dcm")], check=True, timeout=30)
        pacs.wait_for_instances(4, 120)
        ledger = Ledger(connect(place.database_url))
        wait_until(
            lambda: {State.DELIVERED: 1, State.OWN: 3}.items() <= ledger.inspection.status().states.items(),
            "delivered, and come back as our own",
            60,
            0.2,
        )
        assert ledger.inspection.status().outbox["pacs"] == {DeliveryState.CONFIRMED: 3}
        ledger.engine.dispose()
        for name in running:
            wait_until(lambda name=name: healthy(place, name), f"{name} is healthy", 60, 2)  # type: ignore[misc]
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        grace = int(compose.services()["infer"].table["stop_grace_period"].removesuffix("s"))
        ended = {name: process.wait(2 * grace) for name, process in running.items()}
        assert ended == dict.fromkeys(running, 0)
    assert not healthy(place, "infer")
    output = "".join(place.log(name).read_text() for name in PARTS)
    assert str(source.SOPInstanceUID) in output
    for secret in (
        "SECRET-900",
        "Geheim",
        "Kompose",
        *(path.read_text() for path in (place.folder / "secrets").iterdir()),
    ):
        assert secret.strip() not in output


def test_the_database_server_of_the_file_quotes_no_row_in_its_log(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    program("initdb")
    options = compose.services()["postgres"].command[1:]
    with servers.postgres_server(options) as postgres:
        with psycopg.connect(postgres.url().replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE TABLE patients (name text UNIQUE, born date NOT NULL)")
            for statement, values in (
                ("INSERT INTO patients VALUES (%s, %s)", ("Geheim^Anna", None)),
                ("INSERT INTO patients VALUES (%s, %s::text::date)", ("Geheim^Anna", "Geheim^Born")),
            ):
                with pytest.raises(psycopg.Error):
                    connection.execute(statement, values)
        log = postgres.log.read_text()
    assert "ERROR" in log
    assert "Geheim^Anna" not in log
