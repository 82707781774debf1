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
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
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
from tests.service.dicom.raw_scu import CR, RawAssociation, data_pdu, store_command
from tests.service.listening import prepare

_BASE = "auscult"


class Way(NamedTuple):
    """How many images of what size go over how many associations: so many at a time, so many one after the other."""

    at_a_time: int
    in_turn: int = 1
    images: int = 16
    side: int = 2048


WAYS = {
    "one association": Way(1),
    "four at a time": Way(4),
    "sixteen at a time": Way(16),
    "one for each image": Way(1, in_turn=16),
    "four at a time, 0.5 MB": Way(4, images=64, side=512),
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
        command,
        cwd=folder,
        env=os.environ | (environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # as Orthanc: Linux gives each session, not each process, its share of the processor
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


class Sender:
    """Sends one image as ever new ones, each of a study of its own, as most radiographs are.

    Its PDUs are made beforehand, so that it costs little beside a receiver.

    Parameters
    ----------
    side
        Of the square image, in pixels of 16 bits.
    """

    def __init__(self, side: int) -> None:
        image = chest(rows=side, columns=side)
        part10 = encoded(image)
        self._data = part10[144 + int.from_bytes(part10[140:144], "little") :]
        self._uids = [image.SOPInstanceUID, image.SeriesInstanceUID, image.StudyInstanceUID]
        self._rest: dict[int, bytes] = {}

    def send(self, assoc: RawAssociation) -> None:
        """Send the image and wait for the response.

        Raises
        ------
        RuntimeError
            When it is not taken.
        """
        size = assoc.maximum_pdu_bytes - 6
        rest = self._rest.get(size) or self._rest.setdefault(size, self._behind(size))
        first, instance_uid = self._data[:size], ""
        for uid in self._uids:
            new = f"2.25.{time.monotonic_ns()}{threading.get_native_id()}".ljust(len(uid), "0")[: len(uid)]
            first = first.replace(uid.encode(), new.encode())
            instance_uid = instance_uid or new
        assoc.connection.sendall(data_pdu(1, 0x03, store_command(CR, instance_uid)) + data_pdu(1, 0x00, first))
        assoc.connection.sendall(rest)
        answer = assoc.response()
        if answer.status:
            raise RuntimeError(answer.comment)

    def _behind(self, size: int) -> bytes:
        """Return the PDUs behind the first."""
        starts = range(size, len(self._data), size)
        return b"".join(
            data_pdu(1, 0x02 if start == starts[-1] else 0x00, self._data[start : start + size]) for start in starts
        )


def _deliver(to: Receiver, name: str, way: Way, sender: Sender) -> None:
    for _ in range(way.in_turn):
        with RawAssociation(to.port, [(1, CR, (ExplicitVRLittleEndian,))], calling=name, tls=to.tls) as assoc:
            for _ in range(way.images // (way.at_a_time * way.in_turn)):
                sender.send(assoc)
            assoc.release()


class Measured(NamedTuple):
    """Images a second, and processor milliseconds an image of the receiver and of the sender."""

    rate: float
    receiver_ms: float
    sender_ms: float


def _measure(to: Receiver, way: Way, sender: Sender) -> Measured:
    used, own, started = processor.seconds(to.pid), time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(way.at_a_time) as pool:
        for job in [pool.submit(_deliver, to, f"S{i}", way, sender) for i in range(way.at_a_time)]:
            job.result()
    took, own = time.perf_counter() - started, time.process_time() - own
    used = processor.seconds(to.pid) - used
    return Measured(way.images / took, 1000 * used / way.images, 1000 * own / way.images)


def _rows(receivers: Iterable[str], measured: Mapping[tuple[str, Way], list[Measured]]) -> Iterator[str]:
    yield f"| receiver | {' | '.join(WAYS)} |"
    yield f"| --- |{' --- |' * len(WAYS)}"
    for label in receivers:
        cells = []
        for way in WAYS.values():
            own, base = measured[label, way], measured[_BASE, way]
            ratio = statistics.median(a.rate / b.rate for a, b in zip(own, base, strict=True))
            rate, cost, _ = (statistics.median(values) for values in zip(*own, strict=True))
            cells.append(f"{rate:.1f} ({ratio:.2f}), {cost:.0f} ms")
        yield f"| {label} | {' | '.join(cells)} |"
    costs = [
        statistics.median(turn.sender_ms for label in receivers for turn in measured[label, way])
        for way in WAYS.values()
    ]
    yield f"| the sender itself | {' | '.join(f'{cost:.1f} ms' for cost in costs)} |"


def main() -> None:
    """Print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--print", action="store_true", help="write nothing into the document")
    arguments = parser.parse_args()
    senders = {side: Sender(side) for side in {way.side for way in WAYS.values()}}
    measured: dict[tuple[str, Way], list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="auscult-receiving-") as folder, ExitStack() as stack:
        receivers = _receivers(Path(folder), stack)
        for number in range(arguments.rounds + 1):
            for way in WAYS.values():
                for label, to in receivers.items():
                    turn = _measure(to, way, senders[way.side])
                    if number:  # the first round warms everything up
                        measured.setdefault((label, way), []).append(turn)
        markdown = "\n".join(_rows(receivers, measured))
    markdown += f"\n\n{arguments.rounds} rounds, medians. {load()}"
    click.echo(markdown)
    if not arguments.print:
        document.write("receiving", markdown)


if __name__ == "__main__":
    main()
