"""The soak: images at a steady rate while health checks knock, and nothing that a process holds may grow.

``python -m tests.campaigns.soak --help``; `make soak` runs it.
"""

import argparse
import random
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.campaigns.ending import end_in_order
from tests.campaigns.site import ON_ONE_MACHINE, Engine, Site, site
from tests.campaigns.stream import Image, Modality, make_images
from tests.campaigns.verdict import find_faults
from tests.campaigns.vitals import Vitals, Watch
from tests.servers import free_port, wait_until

#: Images before the measuring: imports, pools and caches fill up once.
_WARM_UP = 20
#: What may be seen to grow over the whole time, by the line through all samples: noise, not a leak.
_TOLERANCE: dict[str, tuple[Callable[[Vitals], float], float]] = {
    "threads": (lambda vitals: vitals.threads, 2.0),
    # SQLite opens three for each connection of a pool, which come and go with the work.
    "handles": (lambda vitals: vitals.handles, 8.0),
    "sockets": (lambda vitals: vitals.sockets, 3.0),
    "MiB": (lambda vitals: vitals.memory_bytes / 2**20, 24.0),
}


@dataclass(frozen=True)
class Outcome:
    """What a soak found; `wrong` is empty when all is well."""

    seconds: float
    images: int
    knocks: int
    lines: list[str]
    wrong: list[str]

    def text(self) -> str:
        """Return it in words."""
        head = f"{self.images} images and {self.knocks} knocks in {self.seconds:.0f} s"
        table = [
            "| process | threads | handles | sockets | MiB | growth of MiB |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        return "\n".join([head, "", *table, *self.lines, "", *(f"WRONG: {item}" for item in self.wrong)])


def run(seconds: float, rate: float, folder: Path, engine: Engine = Engine.EMBEDDED, seed: int = 1) -> Outcome:
    """Send `rate` images a second for so long, in an empty folder."""
    (folder / "images").mkdir()
    (folder / "site").mkdir()
    images = make_images(folder / "images", _WARM_UP + round(seconds * rate), seed)
    port = free_port()
    with site(folder / "site", engine, workers=1, archive=False) as running:
        running.processes.start("web", "web", AUSCULT_WEB__PORT=str(port))
        _stream(running, images[:_WARM_UP], 0.0)
        wait_until(lambda: running.under_way() == 0, "the first images are delivered", 180, 0.5)
        pids = {name: running.processes.pid(name) for name in running.processes.names}
        with Watch(pids) as watch, _knocking(running, port) as knocks:
            acknowledged = _stream(running, images[_WARM_UP:], seconds)
        wait_until(lambda: running.under_way() == 0, "all images are delivered", 180, 0.5)
        wrong = find_faults(running, images, acknowledged)
        wrong += [f"{name} died" for name, pid in pids.items() if running.processes.pid(name) != pid]
        wrong += _growing(watch)
        return Outcome(seconds, len(images), len(knocks), _lines(watch), wrong)


def _stream(running: Site, images: list[Image], seconds: float) -> set[str]:
    modality = Modality(running.ground.sender(), images, list(running.doors.values()), seconds, random.Random(1))
    modality.start()
    if not modality.wait(seconds + 180):
        modality.stop()
    return set(modality.acknowledged)


@contextmanager
def _knocking(running: Site, web_port: int) -> Iterator[list[float]]:
    """Knock as a load balancer does: connect and go, and ask for the page of figures."""
    stop = threading.Event()
    knocks: list[float] = []

    def knock() -> None:
        while not stop.wait(0.25):
            for door in running.doors.values():
                socket.create_connection(door, timeout=30).close()
            if len(knocks) % 8 == 0:
                for path in ("healthz", "metrics"):
                    urllib.request.urlopen(f"http://127.0.0.1:{web_port}/{path}", timeout=30).close()
            knocks.append(time.monotonic())

    wait_until(lambda: _is_open(web_port), "the page answers", 60)
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        yield knocks
    finally:
        stop.set()
        thread.join()


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _growing(watch: Watch) -> list[str]:
    return [
        f"{name}: {what} grew by {grown:.1f}, of which {most:g} pass"
        for name in watch.seen
        for what, (of, most) in _TOLERANCE.items()
        if (grown := watch.growth(name, of)) > most
    ]


def _lines(watch: Watch) -> list[str]:
    lines = []
    for name, seen in watch.seen.items():
        most = [f"{max(of(vitals) for vitals in seen):.0f}" for of, _ in _TOLERANCE.values()]
        lines.append(f"| {name} | {' | '.join(most)} | {watch.growth(name, _TOLERANCE['MiB'][0]):+.1f} |")
    return lines


def main() -> None:
    """Run the campaign as the command line says; exit with 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--rate", type=float, default=0.5, help="images a second")
    parser.add_argument("--mode", default=Engine.EMBEDDED, choices=ON_ONE_MACHINE)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auscult-soak-") as folder:
        outcome = run(chosen.seconds, chosen.rate, Path(folder), Engine(chosen.mode))
    print(outcome.text())  # noqa: T201 - a program
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    end_in_order()
    main()
