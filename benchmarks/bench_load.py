"""How long an image takes under load, from its acknowledgement to the last of its reports, at several rates.

Images come at random moments (a Poisson process), whether or not those before them are done. What is measured is
written beside this file as JSON; `docs/capacity.md` compares it with the simulation of `benchmarks.queues`.

Usage: python -m benchmarks.bench_load [--rates 1 2 4 6] [--images 40] [--print]
"""

import argparse
import json
import os
import random
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import click
from pydicom import dcmread

from benchmarks.bench_pipeline import OBJECTS, Service, auscult, radiographs, renewed, turn
from benchmarks.queues import LOAD, SENDERS, Measured, shares
from tests.servers import wait_until
from tests.service.dicom.raw_scu import CR, EXPLICIT, RawAssociation


def _acknowledged(service: Service, images: list[tuple[bytes, tuple[str, ...]]], rate: float) -> dict[str, float]:
    """Send images at a rate; return when each was acknowledged, by its Study Instance UID."""
    own, found, kept = threading.local(), dict[str, float](), list[RawAssociation]()

    def send(image: tuple[bytes, tuple[str, ...]]) -> None:
        if not hasattr(own, "association"):
            own.association = RawAssociation(service.port, [(1, CR, (EXPLICIT,))], calling="BENCH").__enter__()
            kept.append(own.association)
        data, (instance, study) = image
        answer = own.association.store(data, sop_instance_uid=instance, fragment_bytes=100_000)
        found[study] = time.time()
        if answer.status != 0x0000:
            raise RuntimeError(f"status 0x{answer.status:04X} {answer.comment}")

    draws, at = random.Random(1), time.monotonic()  # noqa: S311 - the same moments in each run
    with ThreadPoolExecutor(SENDERS) as pool:
        sent = []
        for image in images:
            at += draws.expovariate(rate)
            time.sleep(max(0.0, at - time.monotonic()))
            sent.append(pool.submit(send, image))
        for one in sent:
            one.result()
    for association in kept:
        association.release()
        association.__exit__(None, None, None)
    return found


def _last_reports(folder: Path) -> dict[str, float]:
    """Return when the last report of each study was written."""
    found: dict[str, list[float]] = defaultdict(list)
    for path in folder.iterdir():
        study = str(dcmread(path, specific_tags=["StudyInstanceUID"], stop_before_pixels=True).StudyInstanceUID)
        found[study].append(path.stat().st_mtime)
    return {study: max(moments) for study, moments in found.items() if len(moments) == OBJECTS}


def _at_rate(service: Service, folder: Path, rate: float, count: int) -> Measured:
    every = radiographs()
    images = [renewed(*every[number % len(every)]) for number in range(count)]
    wanted = service.arrived() + OBJECTS * count
    acknowledged = _acknowledged(service, images, rate)
    wait_until(lambda: service.arrived() >= wanted, "the last report arrives", 240, 0.1)
    wait_until(service.settled, "everything is settled", 120, 0.1)
    last = _last_reports(folder)
    took = sorted(last[study] - moment for study, moment in acknowledged.items())
    return Measured(rate, count, *shares(took))


def main() -> None:
    """Print what was measured, and write it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rates", type=float, nargs="+", default=[1, 2, 4, 6])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--print", action="store_true", help="print alone")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        service = auscult(folder, stack)
        turn(service, radiographs())  # everything is warm
        milliseconds = turn(service, radiographs()).milliseconds
        measured = [_at_rate(service, folder / "received", rate, chosen.images) for rate in chosen.rates]
    found = {
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "milliseconds": {part: round(value, 1) for part, value in milliseconds.items()},
        "rates": [vars(one) for one in measured],
    }
    text = json.dumps(found, indent=1)
    click.echo(text)
    if not chosen.print:
        LOAD.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
