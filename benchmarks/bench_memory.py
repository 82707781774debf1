"""What each process holds: resident, and with what it shares counted once; at rest, after work, and at its highest.

What is printed is also written into docs/performance.md.

Usage: python -m benchmarks.bench_memory [--print]
"""

import argparse
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import click
from pydicom.uid import ExplicitVRLittleEndian

from benchmarks import document
from benchmarks.bench_pipeline import auscult, radiographs, turn
from benchmarks.bench_receiving import Sender, answering, auscult_listen
from benchmarks.processor import children
from tests.service.dicom.raw_scu import CR, RawAssociation

_ASSOCIATIONS = 16
_SIDE = 3200
"""Rows and columns of an image of 20 MB."""
_SETTLE_S = 2.0
_DELIVERY = "work deliver"


def _megabytes(pid: int, what: str, file: str = "smaps_rollup") -> float:
    found = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


def _held(pid: int) -> str:
    return f"{_megabytes(pid, 'Rss'):.0f}, {_megabytes(pid, 'Pss'):.0f}"


def _after_work(pid: int) -> str:
    return f"{_held(pid)} | {_megabytes(pid, 'VmHWM', 'status'):.0f}"


def _gateway(folder: Path) -> Iterator[str]:
    with ExitStack() as stack:
        service, images = auscult(folder, stack), radiographs()
        time.sleep(_SETTLE_S)
        before = {part: _held(pid) for part, pid in service.parts.items()}
        turn(service, images)
        # While shapes of reports are new the delivery worker has a process of its own for highdicom.
        (maker,) = children(service.parts[_DELIVERY])
        making = _after_work(maker)
        for _ in range(2):
            turn(service, images)
        time.sleep(_SETTLE_S)
        for part, pid in service.parts.items():
            yield f"| {part} | {before[part]} | {_after_work(pid)} |"
        yield f"| highdicom of {_DELIVERY} | none | {making} |"


def _listener(folder: Path) -> str:
    command, port, environment = auscult_listen(folder, 1)
    sender = Sender(_SIDE)
    with answering(command, folder, port, environment) as (_, pid), ThreadPoolExecutor(_ASSOCIATIONS) as pool:
        before = _held(pid)
        jobs = [pool.submit(_send_one, port, f"S{number}", sender) for number in range(_ASSOCIATIONS)]
        for job in jobs:
            job.result()
        return f"| listen, {_ASSOCIATIONS} associations with 20 MB each | {before} | {_after_work(pid)} |"


def _send_one(port: int, name: str, sender: Sender) -> None:
    with RawAssociation(port, [(1, CR, (ExplicitVRLittleEndian,))], calling=name) as association:
        sender.send(association)
        association.release()


def main() -> None:
    """Print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--print", action="store_true", help="write nothing into the document")
    arguments = parser.parse_args()
    lines = ["| MB: resident, its share | at rest | after work | resident at most |", "| --- | --- | --- | --- |"]
    with tempfile.TemporaryDirectory(prefix="auscult-memory-") as root:
        folders = [Path(root) / name for name in ("gateway", "listener")]
        for folder in folders:
            folder.mkdir()
        lines += [*_gateway(folders[0]), _listener(folders[1])]
    markdown = "\n".join(lines)
    click.echo(markdown)
    if not arguments.print:
        document.write("memory", markdown)


if __name__ == "__main__":
    main()
