"""auscult's real processes on free ports, started, killed and restarted by a test."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger import Ledger
from service.ledger.database import connect
from service.ledger.records import (
    DeliveryRecord,
    EventRecord,
    InstanceRecord,
    PredictionRecord,
    ReportRecord,
    StudyRecord,
)
from service.vocabulary.states import DeliveryState, State
from tests import ledgers, phantoms
from tests.forked import Forked
from tests.journeys.faulty import Trap
from tests.servers import free_port, wait_until
from tests.service.listening import associated

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("listen", "work infer", "work deliver", "sweep")
EVERYTHING = ("up",)
#: Leases and pauses so short that a test need not wait for what a site would.
BRISK: Mapping[str, Mapping[str, Any]] = {
    "analysis": {"lease": 2.0, "poll": 0.2, "threads": 2},
    "delivery": {"lease": 2.0, "first_retry": 0.2, "longest_retry": 1.0, "confirm_after": 0.1},
    # Phantoms are unlike radiographs, and pictures from a folder have no age.
    "scope": {"unlike_training": "ignore", "unknown_age": "analyse"},
    "sweep": {"interval": 0.5},
}
SETTLED = frozenset({State.DELIVERED, State.OUT_OF_SCOPE, State.FAILED, State.DUPLICATE, State.SUPERSEDED, State.OWN})


class Gateway:
    """auscult on this machine, each of its parts a process of its own.

    Parameters
    ----------
    folder
        Settings, data and logs.
    settings
        Tables of the settings file.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.port: int = settings["listener"]["port"]
        self._database_url = settings.get("database", {}).get("url", f"sqlite:///{settings['data_dir']}/ledger.sqlite")
        (folder / "auscult.toml").write_text(_toml(settings), encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
        #: What every process of it finds in its environment.
        self.environment = {**inherited, "AUSCULT_CONFIG": str(folder / "auscult.toml")}
        self.processes: dict[str, subprocess.Popen[bytes] | Forked] = {}

    def run(
        self, *arguments: str, variables: Mapping[str, str] | None = None, timeout_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with variables of its own, whatever its exit status."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            output, errors = Path(folder) / "output", Path(folder) / "errors"
            process = Forked(arguments, {**self.environment, **(variables or {})}, output, errors)
            try:
                status = process.wait(timeout_s)
            finally:
                process.kill()
            return subprocess.CompletedProcess(arguments, status, output.read_text(), errors.read_text())

    def auscult(self, *arguments: str, timeout_s: float = 60.0) -> str:
        """Run a command to its end; return its standard output.

        Raises
        ------
        RuntimeError
            When it fails; the message is what it wrote.
        """
        ran = self.run(*arguments, timeout_s=timeout_s)
        if ran.returncode != 0:
            raise RuntimeError(f"auscult {' '.join(arguments)}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        return ran.stdout

    def start(
        self,
        part: str,
        trap: Trap | None = None,
        wrapper: Sequence[str] = (),
        *,
        name: str | None = None,
        variables: Mapping[str, str] | None = None,
        tree: Path = REPOSITORY,
    ) -> subprocess.Popen[bytes] | Forked:
        """Start a part, such as ``"work infer"``; with a trap, it can be made to die at a step.

        A wrapper is a program that starts what stands behind it on its command line. A second process of a part needs
        a name of its own; variables are settings of this process alone; a tree is the source that it runs.
        """
        environment, name = {**self.environment, **(variables or {})}, name or part
        log = self.folder / f"{name.replace(' ', '-')}.log"
        if wrapper or tree != REPOSITORY:
            with log.open("ab") as output:
                self.processes[name] = subprocess.Popen(
                    [*wrapper, sys.executable, "-m", "service.cli", *part.split()],
                    env=environment,
                    cwd=tree,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
        else:
            self.processes[name] = Forked(part.split(), environment, log, before=None if trap is None else trap.lay)
        return self.processes[name]

    def kill(self, part: str) -> None:
        """Kill a part with SIGKILL."""
        self._end(part, signal.SIGKILL)

    def stop(self, part: str) -> int:
        """Ask a part to end, and wait for it; return its exit status."""
        return self._end(part, signal.SIGTERM)

    def restart(self, part: str, trap: Trap | None = None) -> None:
        """Kill a part, unless it is dead already, and start it again."""
        self.kill(part)
        self.start(part, trap)

    def _end(self, part: str, number: signal.Signals) -> int:
        process = self.processes.pop(part)
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise

    def children(self, part: str = "up") -> dict[str, int]:
        """Return the process ids of a part's own children, by the command that each runs."""
        pid = self.processes[part].pid
        found = {}
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with suppress(FileNotFoundError):  # it has just died
                command = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
                if "service.cli" in command:  # one that has just died has no command any more
                    found[" ".join(command[command.index("service.cli") + 1 :]).strip()] = int(child)
        return found

    def wait_until_listening(self) -> None:
        """Return when the listener answers a C-ECHO."""
        wait_until(self._echoes, "the listener answers C-ECHO", 60.0, 0.1)

    def _echoes(self) -> bool:
        for part, process in self.processes.items():
            if process.poll() is not None:
                raise RuntimeError(f"{part} ended with {process.returncode}\n{self.output()[-4000:]}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            return False  # without pynetdicom's complaints
        entity = AE("ECHO")
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = 5
        entity.add_requested_context(Verification)
        association = entity.associate("127.0.0.1", self.port, ae_title="AUSCULT")
        if not association.is_established:
            return False
        status = association.send_c_echo()
        association.release()
        return bool(status.get("Status") == 0x0000)

    def send(self, dataset: Dataset, *, priority: int = 2, calling: str = "MODALITY") -> int | None:
        """Send an instance by C-STORE; return the status, or None when the association broke before one came."""
        context = (str(dataset.SOPClassUID), str(dataset.file_meta.TransferSyntaxUID))
        with associated(self.port, context, calling=calling) as association:
            # Read back from its file, so that it goes out in its own transfer syntax as it would from a disk.
            instance = dcmread(BytesIO(phantoms.encoded(dataset)))
            status: int | None = association.send_c_store(instance, priority=priority).get("Status")
            return status

    @cached_property
    def ledger(self) -> Ledger:
        """The gateway's ledger, to look into."""
        return Ledger(connect(self._database_url))

    def rows(self, record: Any) -> list[Any]:
        """Return all rows of a table, by id."""
        with Session(self.ledger.engine) as session:
            return list(session.scalars(select(record).order_by(record.id)))

    def versions(self, dataset: Dataset) -> list[InstanceRecord]:
        """Return the ledger's versions of an instance, the first received first."""
        return [row for row in self.rows(InstanceRecord) if row.sop_instance_uid == dataset.SOPInstanceUID]

    def version(self, dataset: Dataset, number: int = -1) -> InstanceRecord:
        """Return one of the versions of an instance, the last by default."""
        return self.versions(dataset)[number]

    def predictions(self, dataset: Dataset) -> list[PredictionRecord]:
        """Return the results for the versions of an instance."""
        ids = {row.id for row in self.versions(dataset)}
        return [row for row in self.rows(PredictionRecord) if row.instance_id in ids]

    def reports(self, dataset: Dataset) -> list[ReportRecord]:
        """Return the reports on the versions of an instance."""
        ids = {row.id for row in self.versions(dataset)}
        return [row for row in self.rows(ReportRecord) if row.instance_id in ids]

    def deliveries(self, dataset: Dataset) -> list[DeliveryRecord]:
        """Return the outbox rows of the reports on an instance."""
        ids = {row.id for row in self.reports(dataset)}
        return [row for row in self.rows(DeliveryRecord) if row.report_id in ids]

    def events(self) -> list[EventRecord]:
        """Return the whole history."""
        return self.rows(EventRecord)

    def unsettled(self) -> list[str]:
        """Return what is under way, of instances and of objects in the outbox; a study on hold waits for a person."""
        going = select(InstanceRecord).join(StudyRecord).where(StudyRecord.held_reason.is_(None))
        with Session(self.ledger.engine) as session:
            instances = {row.id: row for row in session.scalars(going)}
            deliveries = session.execute(select(DeliveryRecord, ReportRecord.instance_id).join(ReportRecord)).all()
            return [
                f"{row.sop_instance_uid} v{row.version} {row.state}"
                for row in instances.values()
                if row.state not in SETTLED or row.reports_due
            ] + [
                f"delivery {row.id} {row.state}"
                for row, instance_id in deliveries
                if instance_id in instances
                and (
                    row.state == DeliveryState.PENDING
                    or (row.state == DeliveryState.SENT and row.next_attempt_at is not None)
                )
            ]

    def wait_until_settled(self, timeout_s: float = 60.0) -> None:
        """Return when every instance has reached its last state and every object its destination.

        Raises
        ------
        TimeoutError
            When something is still under way after that time; the message says what, and how the logs end.
        """
        deadline = time.monotonic() + timeout_s
        while left := self.unsettled():
            if time.monotonic() > deadline:
                raise TimeoutError(f"still under way after {timeout_s:g} s: {left}\n{self.output()[-6000:]}")
            time.sleep(0.1)

    def output(self) -> str:
        """Return all that the processes wrote."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """End every process."""
        for part in list(self.processes):
            self.stop(part) if part == "up" else self.kill(part)
        self.ledger.engine.dispose()


@contextmanager
def gateway(
    folder: Path,
    destinations: Iterable[Mapping[str, Any]] = (),
    *,
    peers: Iterable[Mapping[str, Any]] = (),
    receivers: Iterable[Mapping[str, Any]] = (),
    parts: Sequence[str] = PARTS,
    port: int | None = None,
    database_url: str | None = None,
    redis_url: str | None = None,
    data_dir: str | None = None,
    **settings: Mapping[str, Any],
) -> Iterator[Gateway]:
    """Run auscult until the block ends.

    Parameters
    ----------
    folder
        An empty folder.
    peers
        Who asks for storage commitment.
    receivers
        Who is told by messages.
    parts
        The commands to run, each a process; `EVERYTHING` is `auscult up`.
    port
        The listener's port; a free one by default.
    data_dir
        Folder of ledger and objects; one in `folder` by default.
    database_url, redis_url
        PostgreSQL and Redis; without them it runs in embedded mode.
    settings
        Further tables of the settings file, over `BRISK`.
    """
    tables: dict[str, Any] = {name: {**table, **settings.pop(name, {})} for name, table in BRISK.items()}
    tables["listener"] = {"port": port or free_port(), "minimum_free_bytes": 0, **settings.pop("listener", {})}
    tables["web"] = {"port": free_port()}
    tables |= {name: dict(table) for name, table in settings.items()}
    if database_url is not None:
        tables["database"] = {"url": database_url}
    if redis_url is not None:
        tables["queue"] = {"url": redis_url}
    tables = {"data_dir": data_dir or str(folder / "data"), **tables}
    tables |= {"destinations": [dict(item) for item in destinations], "peers": [dict(item) for item in peers]}
    tables["receivers"] = [dict(item) for item in receivers]
    running = Gateway(folder, tables)
    try:
        if database_url is not None and "up" not in parts:
            running.auscult("db", "upgrade")
        elif "up" not in parts:
            Path(tables["data_dir"]).mkdir(0o700, parents=True, exist_ok=True)
            ledgers.prepare(running._database_url)
        for part in parts:
            running.start(part)
        if {"up", "listen"} & {*parts}:
            running.wait_until_listening()
        yield running
    finally:
        running.close()


def destination(port: int, name: str = "pacs", ae_title: str = "PACS", **more: Any) -> dict[str, Any]:
    """Return the settings of a destination on this machine."""
    own = {"name": name, "ae_title": ae_title, "host": "127.0.0.1", "port": port, "connect_timeout": 2.0}
    return {**own, **more}


def _toml(settings: Mapping[str, Any]) -> str:
    """Write settings as TOML; JSON's scalars and arrays are TOML's."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if isinstance(value, str)]
    for name, value in settings.items():
        tables = [(f"[{name}]", value)] if isinstance(value, dict) else []
        if isinstance(value, list):
            tables = [(f"[[{name}]]", item) for item in value]
        for title, table in tables:
            lines += ["", title, *(f"{key} = {_toml_value(item)}" for key, item in table.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    """Write a value as TOML: a table within a table stands in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return json.dumps(value)
