"""`auscult demo`: the main job on one machine, with a stand-in PACS."""

import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.cli.supervisor import PARTS, Supervisor
from service.demo.forwarding import Forwarded, forward
from service.demo.images import folder_images, phantoms
from service.demo.outcome import ImageOutcome, outcomes, totals
from service.demo.pacs import StandInPacs
from service.demo.stage import Stage, set_up
from service.ledger import Ledger, database, migration
from service.vocabulary.errors import TransientDeliveryFailure

_START_WITHIN = 60.0
_SETTLE_WITHIN = 120.0
_PER_IMAGE = 5.0


@click.command()
@click.argument("images", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--once", is_flag=True, help="End after the last report: 0 when every image came back, else 1.")
@click.option("--count", default=6, show_default=True, help="Number of synthetic phantoms, without a folder.")
def demo(images: Path | None, once: bool, count: int) -> None:
    """Forward radiographs to auscult over DICOM and watch the reports come back.

    IMAGES is a folder of DICOM, PNG or JPEG files; without it, synthetic phantoms are sent, whose results mean nothing.
    """
    console = Console()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="auscult-demo-") as folder, StandInPacs() as pacs:
        stage = set_up(Path(folder), pacs.port)
        url = f"sqlite:///{Path(folder) / 'data' / 'ledger.sqlite'}"
        (Path(folder) / "data").mkdir(mode=0o700)
        migration.upgrade(url)
        ledger = Ledger(database.connect(url))
        ended = threading.Event()
        machine = threading.Thread(target=Supervisor(PARTS, stage.environment()).run, args=(ended,))
        machine.start()
        try:
            complete = _play(console, stage, pacs, ledger, images, count, stop)
            if not once and not stop.is_set():
                console.print(f"The reading worklist: http://127.0.0.1:{stage.web_port}/   (Ctrl-C ends the demo)")
                stop.wait()
        finally:
            ended.set()
            machine.join()
    raise SystemExit(0 if complete else 1)


def _play(
    console: Console,
    stage: Stage,
    pacs: StandInPacs,
    ledger: Ledger,
    images: Path | None,
    count: int,
    stop: threading.Event,
) -> bool:
    """Forward the images and wait for their reports; return whether every image came back."""
    console.print("[b]auscult[/b]: research use only; not a medical device.")
    if images is None:
        console.print(
            f"No folder was given: {count} synthetic phantoms are sent. [b]Their results mean nothing[/b];"
            " `make demo IMAGES=folder` sends radiographs."
        )
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        forwarded = _forward(progress, stage, images, count, stop)
        results = _wait(progress, pacs, ledger, forwarded, stop)
    console.print(_table(results))
    summary = totals(forwarded, results)
    if not forwarded:
        console.print("There was nothing to send: the folder holds no DICOM, PNG or JPEG file.")
    for image in results:
        if not (image.reported or image.out_of_scope):
            state = image.state.value if image.state else "not acknowledged"
            console.print(f"did not come back: study {image.study_instance_uid} ({state}; {image.result})")
    click.echo(str(summary))
    return bool(forwarded) and summary.failed == 0


def _forward(
    progress: Progress, stage: Stage, images: Path | None, count: int, stop: threading.Event
) -> list[Forwarded]:
    instances = list(phantoms(count) if images is None else folder_images(images))
    starting = progress.add_task("starting", total=None)
    deadline = time.monotonic() + _START_WITHIN
    task = progress.add_task("acknowledged", total=len(instances), visible=False)
    forwarded: list[Forwarded] = []
    while len(forwarded) < len(instances) and not stop.is_set():
        try:
            for item in forward(instances[len(forwarded) :], "127.0.0.1", stage.listener_port, "AUSCULT", "DEMO"):
                progress.update(starting, visible=False)
                forwarded.append(item)
                progress.update(task, visible=True, completed=sum(item.acknowledged for item in forwarded))
        except TransientDeliveryFailure:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    progress.update(starting, visible=False)
    return forwarded


def _wait(
    progress: Progress, pacs: StandInPacs, ledger: Ledger, forwarded: Sequence[Forwarded], stop: threading.Event
) -> list[ImageOutcome]:
    task = progress.add_task("reported", total=len(forwarded))
    deadline = time.monotonic() + _SETTLE_WITHIN + _PER_IMAGE * len(forwarded)
    while True:
        results = outcomes(ledger, forwarded, pacs.held())
        progress.update(task, completed=sum(image.settled for image in results))
        if all(image.settled for image in results) or time.monotonic() > deadline or stop.wait(0.25):
            return results


def _table(results: Sequence[ImageOutcome]) -> Table:
    table = Table(title="Reports that came back", title_justify="left")
    table.add_column("study")
    table.add_column("result")
    table.add_column("P(pneumonia)", justify="right")
    table.add_column("priority")
    table.add_column("seconds", justify="right")
    for image in results:
        table.add_row(
            f"…{image.study_instance_uid[-12:]}",
            image.result,
            "" if image.p_pneumonia is None else f"{100 * image.p_pneumonia:.1f} %",
            image.priority.name.lower(),
            "" if image.seconds is None else f"{image.seconds:.1f}",
        )
    return table
