"""Real servers that tests start on ports of their own and stop by process id.

Each is a context manager that yields when the server answers, raises with the end of its log when it does not, and
leaves nothing behind. None listens beyond this machine, save for the DICOM ports of Orthanc and storescp, which know
no bind address: Orthanc therefore takes associations only from the callers it is told.
"""

import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0

#: Below those that Linux gives to whoever asks for any port, from 32768 on: no connection of another test takes one of
#: these after it was found free and before its server binds it.
_PORTS = range(12000, 32000)
_turns = count(secrets.randbelow(len(_PORTS)))

#: libpq's names for the authority, our certificate and its key.
_LIBPQ = ("sslrootcert", "sslcert", "sslkey")


def find_program(name: str) -> Path | None:
    """Return where a program is, or None.

    The system's folders alone are searched: pynetdicom installs its own storescu, storescp and findscu into the
    virtual environment.
    """
    folders = [Path("/usr/bin"), Path("/usr/sbin"), Path("/usr/local/bin"), Path("/usr/local/sbin")]
    # Debian keeps the server's programs of PostgreSQL off the PATH, one folder for each version.
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return folder / name
    return None


def _path(name: str) -> str:
    path = find_program(name)
    if path is None:
        raise FileNotFoundError(f"{name} is not installed")
    return str(path)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on right now, another at each call.

    Each worker of pytest-xdist has ports of its own.
    """
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    ports = _PORTS[int(worker.removeprefix("gw")) :: int(workers)]
    for _ in ports:
        port = ports[next(_turns) % len(ports)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free")


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0, every_s: float = 0.05) -> None:
    """Return as soon as the condition holds.

    Raises
    ------
    TimeoutError
        When it does not hold within `timeout_s` seconds; the message names `what`.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(every_s)


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Tell whether something takes connections on a TCP port, of this machine by default."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    ready: Callable[[], bool],
    *,
    user: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends.

    Parameters
    ----------
    command
        The program and its arguments.
    log
        Where its standard output and error go.
    ready
        Tells whether it answers.
    user
        The account to run it as; only root may name another than its own.
    stop
        The signal that asks it to end; SIGKILL follows after `STOP_TIMEOUT_S`, and for the rest of its process group.

    Raises
    ------
    RuntimeError
        When it ends before it is ready, or is not ready within `START_TIMEOUT_S`; the message holds the end of its log.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
            **_account(user),
        )
    try:
        try:
            wait_until(lambda: process.poll() is not None or ready(), f"{command[0]} answers", START_TIMEOUT_S)
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{_tail(log)}") from error
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {process.returncode} before it answered\n{_tail(log)}")
        yield process
    finally:
        _end(process, stop)


def _account(user: str | None) -> dict[str, Any]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _end(process: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(stop)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
    # What it forked and left behind shares its group.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Encryption:
    """Files for servers that take only TLS, and only from clients with a certificate; see `certificates.Authority`.

    Attributes
    ----------
    ca
        Whose certificates both sides trust.
    server, client
        Each one's certificate and key.
    """

    ca: Path
    server: tuple[Path, Path]
    client: tuple[Path, Path]

    def query(self, ca: str, certificate: str, key: str) -> str:
        """Return what a client's URL says of it, by the names that the client has for the three files."""
        return urlencode(dict(zip((ca, certificate, key), map(str, (self.ca, *self.client)), strict=True)), safe="/")


@contextmanager
def redis_server(
    folder: Path,
    port: int | None = None,
    stop: signal.Signals = signal.SIGTERM,
    encryption: Encryption | None = None,
    address: str = "127.0.0.1",
) -> Iterator[str]:
    """Run a Redis that keeps nothing, over TLS alone where it is given encryption; yield its URL, database 0."""
    with redis_process(folder, port or free_port(), stop, encryption, address) as (url, _):
        yield url


@contextmanager
def redis_process(
    folder: Path,
    port: int,
    stop: signal.Signals = signal.SIGTERM,
    encryption: Encryption | None = None,
    address: str = "127.0.0.1",
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a Redis that keeps nothing on a port; yield its URL, database 0, and its process."""
    options: dict[str, object] = {"port": port, "bind": address, "dir": folder}
    options |= {"save": "", "appendonly": "no", "daemonize": "no", "protected-mode": "no"}
    url = f"redis://{address}:{port}/0"
    if encryption is not None:
        certificate, key = encryption.server
        options |= {"port": 0, "tls-port": port, "tls-auth-clients": "yes", "tls-ca-cert-file": encryption.ca}
        options |= {"tls-cert-file": certificate, "tls-key-file": key}
        url = f"rediss://{address}:{port}/0?{encryption.query('ssl_ca_certs', 'ssl_certfile', 'ssl_keyfile')}"
    command = [_path("redis-server")] + [text for key, value in options.items() for text in (f"--{key}", str(value))]

    def answers() -> bool:
        try:
            with socket.create_connection((address, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"
        except OSError:
            return False

    ready = answers if encryption is None else lambda: listens(port, address)
    with running(command, folder / "redis.log", ready, stop=stop) as process:
        yield url, process


@contextmanager
def moto_server(folder: Path, address: str = "127.0.0.1") -> Iterator[str]:
    """Run an S3-compatible server that keeps everything in memory; yield its URL."""
    log = folder / "moto.log"
    program = Path(sys.executable).with_name("moto_server")

    def url() -> str | None:
        found = re.search(rf"http://{re.escape(address)}:\d+", log.read_text(errors="replace"))
        return found.group() if found else None

    with running([str(program), "-H", address, "-p", "0"], log, lambda: url() is not None):
        yield str(url())


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server with the superuser `auscult`, who needs a password where its cluster was given one."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    password: str | None = None
    query: str = ""
    address: str = "127.0.0.1"
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, database: str = "postgres") -> str:
        """Return the SQLAlchemy URL of a database of this server, without the password."""
        return f"postgresql+psycopg://auscult@{self.address}:{self.port}/{database}{self.query}"

    def create_database(self) -> str:
        """Create an empty database; return its SQLAlchemy URL, without the password."""
        import psycopg

        name, server = f"test_{next(self._numbers)}", self.url().replace("+psycopg", "")
        with psycopg.connect(server, password=self.password, autocommit=True, connect_timeout=10) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)


@dataclass(frozen=True)
class PostgresCluster:
    """The data of a PostgreSQL server, and where it runs; what it holds outlives a stop."""

    folder: Path
    port: int
    user: str | None
    password: str | None
    encryption: Encryption | None = None
    address: str = "127.0.0.1"

    @contextmanager
    def run(self, stop: signal.Signals = signal.SIGINT, options: Sequence[str] = ()) -> Iterator[Postgres]:
        """Run the server until the block ends; SIGINT ends it in order, SIGQUIT as a crash would.

        Further options go on its command line.
        """
        command = [_path("postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        # Nothing here outlives the test, so nothing waits for the disk.
        command += ["-h", self.address, "-p", str(self.port), "-c", "fsync=off", "-c", "full_page_writes=off"]
        command += ["-c", "max_connections=60", *self._tls(), *options]
        log = self.folder / "postgres.log"
        query = "" if self.encryption is None else f"?sslmode=verify-full&{self.encryption.query(*_LIBPQ)}"
        with running(command, log, lambda: _accepts(self, query), user=self.user, stop=stop) as process:
            yield Postgres(self.port, process, log, self.password, query, self.address)

    def _tls(self) -> list[str]:
        """Hand the server its files, and have it let in who shows a user's certificate over TLS, and nobody else."""
        if self.encryption is None:
            return []
        options = ["-c", "ssl=on"]
        files = dict(zip(("ca", "cert", "key"), (self.encryption.ca, *self.encryption.server), strict=True))
        for name, file in files.items():
            # It takes a key of its own account's alone, and cannot enter the folder of a test.
            own = Path(shutil.copy(file, self.folder / f"server.{name}"))
            own.chmod(0o600)
            if self.user is not None:
                shutil.chown(own, self.user)
            options += ["-c", f"ssl_{name}_file={own}"]
        (self.folder / "data" / "pg_hba.conf").write_text(f"hostssl all all {self.address}/24 cert\n")
        return options


@contextmanager
def postgres_cluster(
    options: Sequence[str] = ("--auth=trust",),
    password: str | None = None,
    encryption: Encryption | None = None,
    address: str = "127.0.0.1",
) -> Iterator[PostgresCluster]:
    """Make the data of a PostgreSQL in a folder of its own; PostgreSQL refuses root, so root runs it as another.

    Parameters
    ----------
    options
        Further options of initdb, such as whom the server asks for a password.
    password
        The superuser's password.
    encryption
        For a server that takes TLS alone; the client's certificate must be made out to `auscult`.
    address
        Where it listens; without encryption, it lets in this machine alone.
    """
    user = _unprivileged_user() if os.geteuid() == 0 else None
    # Not pytest's folder: only its owner may enter that one, and the server's account is another.
    folder = Path(tempfile.mkdtemp(prefix="auscult-postgres-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        initdb = [_path("initdb"), "-D", str(folder / "data"), "-U", "auscult", *options]
        initdb += ["-E", "UTF8", "--locale=C", "--no-sync"]
        if password is not None:
            (folder / "password").write_text(password)
            initdb += ["--pwfile", str(folder / "password")]
        made = subprocess.run(
            initdb, cwd=folder, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False, **_account(user)
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb ended with {made.returncode}\n{made.stdout}\n{made.stderr}")
        yield PostgresCluster(folder, free_port(), user, password, encryption, address)
    finally:
        shutil.rmtree(folder)


@contextmanager
def postgres_server(options: Sequence[str] = ()) -> Iterator[Postgres]:
    """Run a PostgreSQL on data of its own, with further options on its command line."""
    with postgres_cluster() as cluster, cluster.run(options=options) as postgres:
        yield postgres


def _accepts(cluster: PostgresCluster, query: str) -> bool:
    import psycopg

    server = f"postgresql://auscult@{cluster.address}:{cluster.port}/postgres{query}"
    try:
        psycopg.connect(server, password=cluster.password, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _unprivileged_user() -> str:
    names = {account.pw_name for account in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def forward_everything(modality: str) -> str:
    """Return Orthanc's Lua script that sends every instance it stores to a modality, whoever sent it."""
    rule = f"SendToModality(instanceId, '{modality}')"
    return f"function OnStoredInstance(instanceId, tags, metadata, origin)\n  {rule}\nend\n"


@dataclass(frozen=True)
class Orthanc:
    """A running Orthanc, reached through its REST interface and its DICOM port."""

    ae_title: str
    dicom_port: int
    http_port: int
    folder: Path
    process: subprocess.Popen[bytes]
    address: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """Return the address of its REST interface, without a slash at the end."""
        return f"http://{self.address}:{self.http_port}"

    def rest(self, path: str, data: bytes | object | None = None, method: str | None = None) -> Any:
        """Call its REST interface: JSON comes back parsed, anything else as bytes; objects go out as JSON."""
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        request = urllib.request.Request(f"{self.url}/{path.lstrip('/')}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers.get("Content-Type", "") else content

    def store(self, instance: bytes) -> str:
        """Store one DICOM file through REST; return Orthanc's identifier of the instance."""
        identifier: str = self.rest("instances", instance)["ID"]
        return identifier

    def count_instances(self) -> int:
        """Return how many instances it holds."""
        number: int = self.rest("statistics")["CountInstances"]
        return number

    def find(self, level: str = "Instance", **query: str) -> list[str]:
        """Return Orthanc's identifiers of what matches, as in ``find("Series", Modality="SR")``."""
        found: list[str] = self.rest("tools/find", {"Level": level, "Query": query})
        return found

    def file(self, identifier: str) -> bytes:
        """Return an instance as a DICOM file."""
        content: bytes = self.rest(f"instances/{identifier}/file")
        return content

    def send(self, identifier: str, modality: str) -> Any:
        """Send an instance, series, study or patient to a modality by C-STORE, and wait for the end."""
        return self.rest(f"modalities/{modality}/store", {"Resources": [identifier], "Synchronous": True})

    def wait_for_instances(self, number: int, timeout_s: float = 30.0) -> None:
        """Return when it holds at least that many instances; TimeoutError otherwise."""
        wait_until(lambda: self.count_instances() >= number, f"{number} instances in {self.ae_title}", timeout_s, 0.2)


@contextmanager
def orthanc(
    folder: Path,
    *,
    ae_title: str = "ORTHANC",
    modalities: Mapping[str, tuple[str, int]] | None = None,
    callers: Iterable[str] = (),
    lua: str | None = None,
    dicom_web: bool = False,
    dicom_port: int | None = None,
    settings: Mapping[str, object] | None = None,
    address: str = "127.0.0.1",
) -> Iterator[Orthanc]:
    """Run an Orthanc with a storage of its own.

    Parameters
    ----------
    folder
        An empty folder: configuration, storage and log.
    modalities
        Where it may send to, and who may send to it: its name for the peer -> (AE title, port on 127.0.0.1).
    callers
        AE titles of further peers on this machine that may send to it and query it.
    lua
        A script, such as `forward_everything`.
    dicom_web
        Loads the DICOMweb plugin (Debian's orthanc-dicomweb), at ``/dicom-web``.
    dicom_port
        Its DICOM port; a free one by default.
    settings
        Further settings of its configuration file.
    address
        Where it is reached.
    """
    port, http_port = dicom_port or free_port(), free_port()
    peers = {name: [title, "127.0.0.1", number] for name, (title, number) in (modalities or {}).items()}
    peers |= {f"caller-{title}": [title, "127.0.0.1", 1] for title in callers}
    configuration = _orthanc_configuration(folder, ae_title, port, http_port) | {"DicomModalities": peers}
    if lua is not None:
        (folder / "rules.lua").write_text(lua)
        configuration["LuaScripts"] = [str(folder / "rules.lua")]
    if dicom_web:
        configuration["Plugins"] = ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"]
    (folder / "orthanc.json").write_text(json.dumps(configuration | dict(settings or {}), indent=1))

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}:{http_port}/system", timeout=2):
                return listens(port, address)
        except OSError:
            return False

    with running([_path("Orthanc"), str(folder / "orthanc.json")], folder / "orthanc.log", answers) as process:
        yield Orthanc(ae_title, port, http_port, folder, process, address)


def _orthanc_configuration(folder: Path, ae_title: str, dicom_port: int, http_port: int) -> dict[str, object]:
    return {
        "Name": ae_title,
        "DicomAet": ae_title,
        "DicomPort": dicom_port,
        "DicomCheckCalledAet": True,
        # Orthanc 1.10 listens on every address: the REST interface then answers this machine alone ...
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        # ... and associations are taken only from the peers it knows, at the address it knows.
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomCheckModalityHost": True,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "StorageCompression": False,
        "OverwriteInstances": True,
        "StableAge": 1,
        "DicomAssociationCloseDelay": 1,
        "DicomScuTimeout": 20,
        "DicomScpTimeout": 30,
        "JobsHistorySize": 10000,
        "SaveJobs": False,
        "HttpVerbose": False,
        "Plugins": [],
    }


@dataclass(frozen=True)
class StoreScp:
    """A running storescp of dcmtk and the folder it writes what it receives to."""

    ae_title: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def received(self) -> list[Path]:
        """Return the files of the instances received so far, sorted by name."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())

    def wait_for(self, number: int, timeout_s: float = 30.0) -> list[Path]:
        """Return the files when there are at least that many, each written to its end; TimeoutError otherwise."""
        sizes: list[int] = []

        def settled() -> bool:
            # storescp writes under the final name: a file is whole when it has stopped growing.
            nonlocal sizes
            before, sizes = sizes, [path.stat().st_size for path in self.received()]
            return len(sizes) >= number and sizes == before

        wait_until(settled, f"{number} instances at {self.ae_title}", timeout_s, 0.1)
        return self.received()


@contextmanager
def storescp(folder: Path, *options: str, ae_title: str = "STORESCP", port: int | None = None) -> Iterator[StoreScp]:
    """Run dcmtk's storescp, which writes into ``folder/received``; by default it takes every transfer syntax (+xa)."""
    port = port or free_port()
    received = folder / "received"
    received.mkdir()
    command = [_path("storescp"), "--fork", "-aet", ae_title, "-od", str(received), *(options or ("+xa",)), str(port)]
    with running(command, folder / "storescp.log", lambda: listens(port)) as process:
        yield StoreScp(ae_title, port, received, process)
