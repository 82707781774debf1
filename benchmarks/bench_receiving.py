"""Images received per second and processor time: this listener, plain and over TLS, others beside it.

They take turns. Only the ratios within one run mean something: absolute values move several-fold with the machine's
other work. What is printed is also written into docs/performance.md.

Usage: python -m benchmarks.bench_receiving [--rounds 3] [--print]
"""

import argparse
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import click
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks import document, processor
from benchmarks.processor import load
from tests.certificates import Authority
from tests.phantoms import chest, encoded
from tests.servers import find_program, free_port, orthanc, wait_until
from tests.service.dicom.raw_scu import CR, RawAssociation, data_pdu
from tests.service.listening import prepare

IMAGES = 16
ROWS, COLUMNS = 2048, 2048


_BASE = "auscult"


class Way(NamedTuple):
    """Over how many associations the images go: so many at a time, so many one after the other."""

    at_a_time: int
    in_turn: int


WAYS = {
    "one association": Way(1, 1),
    "four at a time": Way(4, 1),
    "sixteen at a time": Way(16, 1),
    "one for each image": Way(1, IMAGES),
}

_PLAIN = """
import os, sys
from pynetdicom import AE, evt
from pynetdicom.sop_class import ComputedRadiographyImageStorage

def store(event):
    dataset = event.dataset
    dataset.file_meta = event.file_meta
    path = os.path.join(sys.argv[2], str(event.assoc.native_id) + "-" + str(event.message_id) + ".dcm")
    dataset.save_as(path)
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return 0

entity = AE("AUSCULT")
entity.maximum_associations = 100
entity.add_supported_context(ComputedRadiographyImageStorage)
entity.start_server(("127.0.0.1", int(sys.argv[1])), evt_handlers=[(evt.EVT_C_STORE, store)])
"""


@contextmanager
def answering(
    command: list[str], folder: Path, port: int, environment: dict[str, str] | None = None
) -> Iterator[tuple[int, int]]:
    """Run a program that receives, from when it takes associations; yield its port and process id."""
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | (environment or {}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: _associates(port), f"{command[0]} answers", 60)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _associates(port: int) -> bool:
    try:
        with RawAssociation(port) as assoc:
            assoc.release()
    except OSError:
        return False
    return True


def auscult_listen(folder: Path, processes: int) -> tuple[list[str], int, dict[str, str]]:
    """Return the command of a listener on a new ledger, its port, and its settings as variables."""
    prepare(folder)
    port = free_port()
    environment = {
        "AUSCULT_DATA_DIR": str(folder),
        "AUSCULT_LISTENER__PORT": str(port),
        "AUSCULT_LISTENER__PROCESSES": str(processes),
        # One sender has all of them here; by default it gets half, so that it keeps nobody out.
        "AUSCULT_LISTENER__MAXIMUM_ASSOCIATIONS_PER_PEER": "20",
        "AUSCULT_LOG__LEVEL": "warning",
    }
    return [sys.executable, "-c", "from service.cli import main; main()", "listen"], port, environment


class Receiver(NamedTuple):
    """A program that receives."""

    port: int
    pid: int
    tls: ssl.SSLContext | None = None


def _auscult_over_tls(folder: Path, stack: ExitStack) -> Receiver:
    authority = Authority(folder)
    own, peer = authority.issue("auscult"), authority.issue("sender")
    command, port, environment = auscult_listen(folder, 1)
    tls_port = free_port()
    settings = {**own.settings(), "ca": str(authority.ca), "port": str(tls_port)}
    environment |= {f"AUSCULT_LISTENER__TLS__{name.upper()}": value for name, value in settings.items()}
    _, pid = stack.enter_context(answering(command, folder, port, environment))
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.load_cert_chain(*peer)
    return Receiver(tls_port, pid, context)


def _receivers(root: Path, stack: ExitStack) -> dict[str, Receiver]:
    folders = {name: root / name for name in ("one", "two", "tls", "plain", "dcmtk", "orthanc")}
    for folder in folders.values():
        folder.mkdir()
    receivers = {}
    for label, name, processes in ((_BASE, "one", 1), ("auscult, two processes on one port", "two", 2)):
        command, port, environment = auscult_listen(folders[name], processes)
        receivers[label] = Receiver(*stack.enter_context(answering(command, folders[name], port, environment)))
    receivers["auscult over TLS"] = _auscult_over_tls(folders["tls"], stack)
    port = free_port()
    command = [sys.executable, "-c", _PLAIN, str(port), str(folders["plain"])]
    receivers["pynetdicom, `save_as` and fsync of the file"] = Receiver(
        *stack.enter_context(answering(command, folders["plain"], port))
    )
    storescp = find_program("storescp")
    if storescp is not None:
        port = free_port()
        command = [
            str(storescp),
            "--fork",
            "-aet",
            "AUSCULT",
            "-od",
            str(folders["dcmtk"]),
            "-pdu",
            "131072",
            str(port),
        ]
        receivers["dcmtk `storescp --fork`, nothing durable"] = Receiver(
            *stack.enter_context(answering(command, folders["dcmtk"], port))
        )
    if find_program("Orthanc") is not None:
        # With its own defaults, which sync each file (SyncStorageArea) and keep an index in SQLite.
        running = orthanc(folders["orthanc"], ae_title="AUSCULT", settings={"DicomAlwaysAllowStore": True})
        archive = stack.enter_context(running)
        receivers["Orthanc, with its own defaults"] = Receiver(archive.dicom_port, archive.process.pid)
    return receivers


def _deliver(to: Receiver, name: str, way: Way, send: Callable[[RawAssociation, str], None]) -> None:
    for _ in range(way.in_turn):
        with RawAssociation(to.port, [(1, CR, (ExplicitVRLittleEndian,))], calling=name, tls=to.tls) as assoc:
            for number in range(IMAGES // (way.at_a_time * way.in_turn)):
                send(assoc, f"2.25.{time.monotonic_ns()}{number}")
            assoc.release()


def sender(rows: int, columns: int) -> Callable[[RawAssociation, str], None]:
    """Return what sends an image of so many pixels under a UID of its own."""
    part10 = encoded(chest(rows=rows, columns=columns))
    data = part10[144 + int.from_bytes(part10[140:144], "little") :]
    uid = str(chest().SOPInstanceUID)

    def send(assoc: RawAssociation, fresh: str) -> None:
        own = fresh.ljust(len(uid), "0")[: len(uid)]
        renamed = data[:2000].replace(uid.encode(), own.encode()) + data[2000:]
        assoc.begin(own, CR)
        size = assoc.maximum_pdu_bytes - 6
        pieces = [renamed[start : start + size] for start in range(0, len(renamed), size)]
        assoc.connection.sendall(b"".join(data_pdu(1, 0x00, piece) for piece in pieces[:-1]))
        answer = assoc.end(pieces[-1])
        if answer.status:
            raise RuntimeError(answer.comment)

    return send


def _rows(receivers: Iterable[str], measured: Mapping[tuple[str, Way], list[tuple[float, float]]]) -> Iterator[str]:
    yield f"| receiver | {' | '.join(WAYS)} |"
    yield f"| --- |{' --- |' * len(WAYS)}"
    for label in receivers:
        cells = []
        for way in WAYS.values():
            own, base = measured[label, way], measured[_BASE, way]
            ratio = statistics.median(a / b for (a, _), (b, _) in zip(own, base, strict=True))
            rate, cost = (statistics.median(values) for values in zip(*own, strict=True))
            cells.append(f"{rate:.1f} ({ratio:.2f}), {cost:.0f} ms")
        yield f"| {label} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--print", action="store_true", help="write nothing into the document")
    arguments = parser.parse_args()
    send = sender(ROWS, COLUMNS)
    measured: dict[tuple[str, Way], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="auscult-receiving-") as folder, ExitStack() as stack:
        receivers = _receivers(Path(folder), stack)
        for number in range(arguments.rounds + 1):
            for way in WAYS.values():
                for label, to in receivers.items():
                    used, started = processor.seconds(to.pid), time.perf_counter()
                    with ThreadPoolExecutor(way.at_a_time) as pool:
                        jobs = [pool.submit(_deliver, to, f"S{i}", way, send) for i in range(way.at_a_time)]
                        for job in jobs:
                            job.result()
                    took, cost = time.perf_counter() - started, processor.seconds(to.pid) - used
                    if number:  # the first round warms everything up
                        measured.setdefault((label, way), []).append((IMAGES / took, 1000 * cost / IMAGES))
        markdown = "\n".join(_rows(receivers, measured))
    markdown += f"\n\n{arguments.rounds} rounds of {IMAGES} images each way, medians. {load()}"
    click.echo(markdown)
    if not arguments.print:
        document.write("receiving", markdown)


if __name__ == "__main__":
    main()
