"""The whole way, from the first C-STORE to the last of three reports in dcmtk's storescp, against the naive service.

Every service is up all the time and they take turns, so that a noisy neighbour slows all of them alike. A share of the
cores is what all of a service's processes used of them from the first image to the last report: the rest is waiting,
which no faster code would spare. What is printed is also written into docs/performance.md.

Usage: python -m benchmarks.bench_pipeline [--rounds 5] [--images 120] [--only NAME ...] [--print]

``AUSCULT_BENCH_IMAGES`` names a folder of radiographs; without it the nine of the demo are sent.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
from pydicom import Dataset
from pydicom.uid import generate_uid

from benchmarks import document, processor
from benchmarks.processor import children
from models.checkpoint import Checkpoint, default_path
from models.precision import why_not_int8
from models.runtimes import processor_features
from service.demo.images import PICTURES, files_below, grey_values, wrapped
from tests import phantoms
from tests.journeys.gateway import Gateway
from tests.servers import find_program, free_port, listens, postgres_server, redis_server, storescp, wait_until
from tests.service.dicom.raw_scu import CR, EXPLICIT, RawAssociation

OBJECTS = 3
_NAIVE, _AUSCULT = "naive", "auscult"
_LATENCIES = 15
_IDLE_S = 15.0


@dataclass(frozen=True)
class Service:
    """A service under test.

    Attributes
    ----------
    port
        Where images go.
    arrived
        How many reports its destination has got.
    settled
        Whether nothing is left to be done.
    parts
        The process of each part.
    """

    port: int
    arrived: Callable[[], int]
    settled: Callable[[], bool]
    parts: Mapping[str, int]

    def seconds(self) -> dict[str, float]:
        """Return the processor time of each part."""
        return {name: processor.seconds(pid) for name, pid in self.parts.items()}


@dataclass(frozen=True)
class Round:
    """What one turn took.

    Attributes
    ----------
    milliseconds
        Processor time an image, by part.
    """

    rate: float
    milliseconds: Mapping[str, float]


def radiographs() -> list[tuple[bytes, str, str]]:
    """Return the radiographs as data sets, each with its SOP and its Study Instance UID."""
    named = os.environ.get("AUSCULT_BENCH_IMAGES")
    folder = Path(named) if named else Path(str(files("service.demo") / "radiographs"))
    pictures = [path for path in files_below(folder) if path.suffix.lower() in PICTURES]
    found = []
    for number, path in enumerate(pictures):
        dataset = wrapped(grey_values(path), f"Bench^{number}", f"BENCH-{number:04d}", patient_age="003Y")
        found.append((_data_set(dataset), str(dataset.SOPInstanceUID), str(dataset.StudyInstanceUID)))
    return found


def _data_set(dataset: Dataset) -> bytes:
    part10 = phantoms.encoded(dataset)
    return part10[144 + int.from_bytes(part10[140:144], "little") :]


def renewed(data: bytes, *uids: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a data set as another instance of another study, and its new UIDs in the order of the old ones."""
    head, fresh = data[:4000], []
    for uid in uids:
        fresh.append(str(generate_uid(prefix="2.25."))[: len(uid)].ljust(len(uid), "1"))
        head = head.replace(uid.encode(), fresh[-1].encode())
    return head + data[4000:], tuple(fresh)


def _send(service: Service, images: list[tuple[bytes, str, str]]) -> None:
    with RawAssociation(service.port, [(1, CR, (EXPLICIT,))], calling="BENCH") as association:
        for data, *uids in images:
            fresh, (uid, *_) = renewed(data, *uids)
            answer = association.store(fresh, sop_instance_uid=uid, fragment_bytes=100_000)
            if answer.status != 0x0000:
                raise RuntimeError(f"status 0x{answer.status:04X} {answer.comment}")
        association.release()


def turn(service: Service, images: list[tuple[bytes, str, str]]) -> Round:
    """Send images, and wait until everything about them is settled; return what that took."""
    wanted, used = service.arrived() + OBJECTS * len(images), service.seconds()
    began = time.perf_counter()
    _send(service, images)
    wait_until(lambda: service.arrived() >= wanted, "the last report arrives", 600, 0.005)
    rate = len(images) / (time.perf_counter() - began)
    wait_until(service.settled, "everything is settled", 120, 0.1)
    milliseconds = {name: 1000 * (after - used[name]) / len(images) for name, after in service.seconds().items()}
    return Round(rate, milliseconds)


def _latency(service: Service, image: tuple[bytes, str, str]) -> float:
    """Return the seconds from the acknowledgement of one image to its third report."""
    wanted = service.arrived() + OBJECTS
    _send(service, [image])
    began = time.perf_counter()
    wait_until(lambda: service.arrived() >= wanted, "the last report arrives", 60, 0.001)
    took = time.perf_counter() - began
    wait_until(service.settled, "everything is settled", 60, 0.1)
    time.sleep(0.5)
    return took


def _naive(folder: Path, stack: ExitStack) -> Service:
    scp = stack.enter_context(storescp(folder))
    port = free_port()
    (folder / "objects").mkdir()
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.naive"]
    command += ["--port", str(port), "--to", str(scp.port), "--folder", str(folder / "objects")]
    with (folder / "naive.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(_end, process)
    wait_until(lambda: listens(port), "the naive service listens", 120, 0.2)
    return Service(port, _counting(scp.folder), lambda: True, {"all of it": process.pid})


def _end(process: subprocess.Popen[bytes]) -> None:
    for pid in children(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, 15)
    process.terminate()
    process.wait(30)


def _counting(folder: Path) -> Callable[[], int]:
    return lambda: len(os.listdir(folder))  # noqa: PTH208 - the cheapest look, a thousand times a second


def auscult(folder: Path, stack: ExitStack, **tables: Any) -> Service:
    """Start auscult with dcmtk's storescp as its destination."""
    scp = stack.enter_context(storescp(folder))
    target = {"name": "pacs", "ae_title": scp.ae_title, "host": "127.0.0.1", "port": scp.port}
    return _running(folder, stack, target, _counting(scp.folder), **tables)


def _running(
    folder: Path, stack: ExitStack, target: dict[str, Any], arrived: Callable[[], int], **tables: Any
) -> Service:
    port = free_port()
    running = Gateway(
        folder,
        {
            "data_dir": str(folder / "data"),
            "listener": {"port": port, "minimum_free_bytes": 0},
            "web": {"port": free_port()},
            # Every image gets its three reports, and everything is looked at that is by default.
            "scope": {"unlike_training": "analyse", "upside_down": "analyse"},
            "log": {"level": "warning"},
            "destinations": [target],
            **tables,
        },
    )
    stack.callback(running.close)
    running.start("up")
    running.wait_until_listening()
    wait_until(lambda: len(running.children()) >= 5, "every part has started", 60, 0.2)
    return Service(port, arrived, lambda: not running.unsettled(), dict(sorted(running.children().items())))


def _celery(folder: Path, stack: ExitStack) -> Service:
    redis_url = stack.enter_context(redis_server(folder))
    database_url = stack.enter_context(postgres_server()).create_database()
    return auscult(folder, stack, queue={"url": redis_url}, database={"url": database_url})


_HOLDER = """
import sys, time
from pathlib import Path
from service.demo.pacs import StandInPacs
told, fresh = Path(sys.argv[2]), Path(sys.argv[2] + ".new")
with StandInPacs(port=int(sys.argv[1])) as pacs:
    while True:
        fresh.write_text(str(len(pacs.held())))
        fresh.rename(told)
        time.sleep(0.02)
"""


def _confirmed(folder: Path, stack: ExitStack) -> Service:
    """Return auscult with a destination that is asked by C-FIND and says that it holds each object."""
    port, counted = free_port(), folder / "held"
    counted.write_text("0")
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(port), str(counted)])
    stack.callback(_end, holder)
    wait_until(lambda: listens(port), "the PACS listens", 60, 0.2)
    target = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": port}
    return _running(folder, stack, target, lambda: int(counted.read_text()))


def _makers() -> dict[str, Callable[[Path, ExitStack], Service]]:
    found: dict[str, Callable[[Path, ExitStack], Service]] = {_NAIVE: _naive, _AUSCULT: auscult}
    card = Checkpoint.load(default_path()).card
    if why_not_int8(card.name, card.int8, processor_features()) is None:
        found["auscult, int8"] = lambda folder, stack: auscult(folder, stack, analysis={"precision": "int8"})
    if find_program("redis-server") and find_program("initdb"):
        found["auscult, PostgreSQL and Celery"] = _celery
    found["auscult, confirmed by C-FIND"] = _confirmed
    return found


def _rows(measured: Mapping[str, list[Round]], images: int) -> Iterator[str]:
    base = measured.get(_NAIVE)
    yield "| service | images/s | against naive | processor ms an image | share of the cores |"
    yield "| --- | --- | --- | --- | --- |"
    for name, rounds in measured.items():
        ratio = (
            ""
            if base is None
            else f"{statistics.median(a.rate / b.rate for a, b in zip(rounds, base, strict=True)):.1f}"
        )
        parts = {part: statistics.median(r.milliseconds[part] for r in rounds) for part in rounds[0].milliseconds}
        told = ", ".join(f"{part} {value:.0f}" for part, value in parts.items())
        rate = statistics.median(item.rate for item in rounds)
        used = rate * sum(parts.values()) / 1000 / (os.cpu_count() or 1)
        yield f"| {name} | {rate:.1f} | {ratio} | {told} | {used:.0%} |"
    yield ""
    yield f"{len(next(iter(measured.values())))} rounds of {images} images each, medians. {processor.load()}"


def _idle(services: Mapping[str, Service], image: tuple[bytes, str, str]) -> Iterator[str]:
    yield "| idle | acknowledgement to third report, p50 / p95 | processor use of all its processes |"
    yield "| --- | --- | --- |"
    for name, service in services.items():
        took = sorted(_latency(service, image) for _ in range(_LATENCIES))
        p50, p95 = statistics.median(took), took[round(0.95 * (len(took) - 1))]
        before = sum(service.seconds().values())
        time.sleep(_IDLE_S)
        share = (sum(service.seconds().values()) - before) / _IDLE_S
        yield f"| {name} | {1000 * p50:.0f} / {1000 * p95:.0f} ms | {share:.1%} of a core |"


def main() -> None:
    """Print the tables, and write them down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--print", action="store_true", help="write nothing into the document")
    chosen = parser.parse_args()
    every = radiographs()
    makers = {name: make for name, make in _makers().items() if not chosen.only or name in chosen.only}
    with tempfile.TemporaryDirectory(prefix="auscult-pipeline-") as root, ExitStack() as stack:
        services = {}
        for place, (name, make) in enumerate(makers.items()):
            folder = Path(root) / str(place)
            folder.mkdir()
            services[name] = make(folder, stack)
        measured: dict[str, list[Round]] = {name: [] for name in services}
        for number in range(chosen.rounds + 1):
            images = [every[(number * chosen.images + one) % len(every)] for one in range(chosen.images)]
            for name, service in services.items():
                took = turn(service, images)
                if number:  # the first round warms everything up
                    measured[name].append(took)
        idle = list(_idle({name: item for name, item in services.items() if name in (_NAIVE, _AUSCULT)}, every[0]))
        markdown = "\n".join([*_rows(measured, chosen.images), "", *idle])
    click.echo(markdown)
    if not chosen.print:
        document.write("pipeline", markdown)


if __name__ == "__main__":
    main()
