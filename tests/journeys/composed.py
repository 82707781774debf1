"""docker-compose.yml without an engine: its services as processes of this machine, on real servers.

What an engine would do is done here: services start in their order, each with its command and its variables, against a
PostgreSQL and a Redis that are made and started as the file says; the names and paths that only exist inside containers
are replaced one for one.
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from service.ledger import Ledger
from service.ledger.database import connect
from service.settings.secret_files import read_password, with_password
from tests import servers
from tests.containers import compose
from tests.containers.compose import Service
from tests.servers import free_port

AUSCULT = str(Path(sys.executable).with_name("auscult"))
PARTS = ("migrate", "listen", "infer", "deliver", "sweep", "web")


@dataclass(frozen=True)
class Site:
    """The services, and where the names and paths of their containers lie on this machine.

    Attributes
    ----------
    ports
        What the services listen on here, by the variable that says so.
    """

    folder: Path
    services: Mapping[str, Service]
    places: Mapping[str, str]
    ports: Mapping[str, int]

    def here(self, text: str) -> str:
        """Return a value of the file as it is on this machine."""
        for inside, outside in self.places.items():
            text = text.replace(inside, outside)
        return text

    def environment(self, service: Service) -> dict[str, str]:
        """Return a service's variables, on nothing of this process's own that is a setting."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
        given = {name: self.here(value) for name, value in service.environment.items()}
        # A phantom is unlike radiographs, and would not be analysed.
        given["AUSCULT_SCOPE__UNLIKE_TRAINING"] = "ignore"
        given |= {name: str(port) for name, port in self.ports.items() if name in given}
        # A disk that is nearly full where tests run is no fault of the file.
        return {**own, **given, "AUSCULT_LISTENER__MINIMUM_FREE_BYTES": "0"}

    def log(self, name: str) -> Path:
        """Return where a service writes."""
        return self.folder / f"{name}.log"

    def run(self, name: str, *arguments: str, line: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of auscult beside a service, as `docker compose exec` does; `line` is its standard input."""
        return subprocess.run(
            [AUSCULT, *arguments],
            env=self.environment(self.services[name]),
            cwd=self.folder,
            input=line,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def healthy(self, name: str) -> bool:
        """Run a service's health check beside it."""
        return self.run(name, *self.services[name].health[1:]).returncode == 0

    @property
    def secrets(self) -> list[str]:
        """The passwords of its servers."""
        return [path.read_text().strip() for path in (self.folder / "secrets").iterdir()]

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Open its ledger."""
        url = SecretStr(f"postgresql+psycopg://auscult@{self.places['postgres:5432/auscult']}")
        password = read_password(self.folder / "secrets" / "database_password")
        ledger = Ledger(connect(with_password(url, password).get_secret_value()))
        try:
            yield ledger
        finally:
            ledger.engine.dispose()

    @contextmanager
    def started(self, parts: Iterable[str] = PARTS) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
        """Start services of ours in their order; end those that still run."""
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for service in compose.in_order({name: self.services[name] for name in parts}):
                with self.log(service.name).open("wb") as log:
                    process = subprocess.Popen(
                        [AUSCULT, *service.command],
                        env=self.environment(service),
                        cwd=self.folder,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                if service.name == "migrate":
                    assert process.wait(60) == 0, self.log("migrate").read_text()
                else:
                    running[service.name] = process
            yield running
        finally:
            for process in running.values():
                process.kill()
                process.wait(10)


@contextmanager
def site(folder: Path, settings: str, override: str = "") -> Iterator[Site]:
    """Start PostgreSQL and Redis by their services' own tables: each asks for the password in its file.

    Parameters
    ----------
    settings
        The content of auscult.toml.
    override
        The content of docker-compose.override.yml.
    """
    services, secrets = compose.services(override=override), folder / "secrets"
    secrets.mkdir(mode=0o700)
    for name in compose.read()["secrets"]:
        (secrets / name).write_text(f"{os.urandom(12).hex()}/@:\n")
    (folder / "auscult.toml").write_text(settings)
    redis_port, variables = free_port(), {name for one in services.values() for name in one.environment}
    with _postgres(services["postgres"], secrets) as database:
        places = {
            "/etc/auscult/auscult.toml": str(folder / "auscult.toml"),
            "/etc/auscult/tls": str(folder / "tls"),
            "/run/secrets": str(secrets),
            "/var/lib/auscult": str(folder / "objects"),
            "/tmp/alive": str(folder / "alive"),
            "postgres:5432/auscult": database,
            "redis:6379": f"127.0.0.1:{redis_port}",
            "0.0.0.0": "127.0.0.1",
        }
        made = Site(folder, services, places, {name: free_port() for name in variables if name.endswith("__PORT")})
        with _redis(made, redis_port):
            yield made


@contextmanager
def _postgres(service: Service, secrets: Path) -> Iterator[str]:
    """Do with PostgreSQL's variables what the entry point of its image does; yield host, port and database."""
    arguments = service.environment["POSTGRES_INITDB_ARGS"].split()
    file = secrets / Path(service.environment["POSTGRES_PASSWORD_FILE"]).name
    with (
        servers.postgres_cluster(arguments, file.read_text().strip()) as cluster,
        cluster.run(options=service.command[1:]) as postgres,
    ):
        yield postgres.create_database().rpartition("@")[2]


@contextmanager
def _redis(site: Site, port: int) -> Iterator[None]:
    """Run Redis by the command of its service."""
    service = site.services["redis"]
    command = [site.here(part).replace("--port 6379", f"--bind 127.0.0.1 --port {port}") for part in service.command]
    health = site.here(service.health[0]).replace("redis-cli", f"redis-cli -p {port}")

    def answers() -> bool:
        return subprocess.run(["sh", "-c", health], capture_output=True, timeout=10, check=False).returncode == 0

    with servers.running(command, site.log("redis"), answers):
        yield
