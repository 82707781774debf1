"""`auscult demo`: the main job on one machine, with a stand-in PACS."""

import signal
import socket
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from pydicom import Dataset
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.cli.supervisor import Supervisor, parts
from service.demo.examples import example_instances
from service.demo.forwarding import Forwarded, forward
from service.demo.images import folder_images
from service.demo.outcome import ImageOutcome, outcomes, totals
from service.demo.pacs import StandInPacs
from service.demo.site import DemoSite, set_up
from service.ledger import Ledger, database, migration
from service.process.clock import utc_now
from service.vocabulary.errors import SettingsInvalid, TransientDeliveryFailure

_START_WITHIN = 60.0
_SETTLE_WITHIN = 120.0
_PER_IMAGE = 5.0
#: So that the table fits 80 columns beside the longest name of a study.
_RESULT_WIDTH = 27


@click.command()
@click.argument("images", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--once", is_flag=True, help="End after the last report: 0 when every image came back, else 1.")
def demo(images: Path | None, once: bool) -> None:
    """Forward radiographs to auscult over DICOM and watch the reports come back.

    IMAGES is a folder of DICOM, PNG or JPEG files; without it, nine published radiographs of children are sent, and
    three studies that are out of scope.
    """
    console = Console()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="auscult-demo-") as folder, StandInPacs() as pacs:
        site = set_up(Path(folder), pacs.port)
        url = f"sqlite:///{Path(folder) / 'data' / 'ledger.sqlite'}"
        (Path(folder) / "data").mkdir(mode=0o700)
        migration.upgrade(url)
        ledger = Ledger(database.connect(url))
        ended = threading.Event()
        troubles: list[SettingsInvalid] = []

        def keep_running() -> None:
            try:
                Supervisor(parts(), site.environment()).run(ended)
            except SettingsInvalid as trouble:  # such as a port that is taken
                troubles.append(trouble)
                stop.set()

        machine = threading.Thread(target=keep_running)
        machine.start()
        try:
            complete = _play(console, site, pacs, ledger, images, stop)
            if not once and not stop.is_set():
                console.print(f"The reading worklist: http://127.0.0.1:{site.web_port}/   (Ctrl-C ends the demo)")
                stop.wait()
        finally:
            ended.set()
            machine.join()
        if troubles:
            raise troubles[0]
    raise SystemExit(0 if complete else 1)


def _play(
    console: Console,
    site: DemoSite,
    pacs: StandInPacs,
    ledger: Ledger,
    images: Path | None,
    stop: threading.Event,
) -> bool:
    """Forward the images and wait for their reports; return whether every image came back."""
    console.print("[b]auscult[/b]: research use only; not a medical device.")
    if images is None:
        console.print(
            "Nine radiographs of children (Kermany et al., CC BY 4.0) are sent, named by their published label,"
            " and three studies that are out of scope. `make demo IMAGES=folder` sends your own."
        )
    labels = {}
    if images is None:
        examples = list(example_instances())
        labels = {str(dataset.StudyInstanceUID): label for label, dataset in examples}
        instances = [dataset for _, dataset in examples]
    else:
        instances = list(folder_images(images))
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        forwarded = _forward(progress, site, instances, stop)
        results = _wait(progress, pacs, ledger, forwarded, stop)
    console.print(results_table(results, labels))
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
    progress: Progress, site: DemoSite, instances: Sequence[Dataset], stop: threading.Event
) -> list[Forwarded]:
    starting = progress.add_task("starting", total=None)
    _await_listener(site.listener_port, stop)
    progress.update(starting, visible=False)
    task = progress.add_task("acknowledged", total=len(instances))
    forwarded: list[Forwarded] = []
    while len(forwarded) < len(instances) and not stop.is_set():
        try:
            for item in forward(instances[len(forwarded) :], "127.0.0.1", site.listener_port, "AUSCULT", "DEMO"):
                forwarded.append(item)
                progress.update(task, completed=sum(item.acknowledged for item in forwarded))
        except TransientDeliveryFailure:
            # It listens, so this one is of a kind that it does not take; the next may be of another.
            forwarded.append(Forwarded(instances[len(forwarded)], None, utc_now()))
    return forwarded


def _await_listener(port: int, stop: threading.Event) -> None:
    """Wait until the listener takes connections.

    Raises
    ------
    TransientDeliveryFailure
        When it does not in time.
    """
    deadline = time.monotonic() + _START_WITHIN
    while not stop.wait(0.1):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise TransientDeliveryFailure(
                    f"the listener does not answer at 127.0.0.1:{port} after {_START_WITHIN:.0f} s"
                ) from error
        else:
            return


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


def results_table(results: Sequence[ImageOutcome], labels: Mapping[str, str]) -> Table:
    """Return a table in the order of reading, at most 80 columns wide."""
    table = Table(title="Reports that came back, in the order of reading", title_justify="left")
    table.add_column("read", justify="right")
    table.add_column("sent", justify="right")
    table.add_column("study", no_wrap=True)
    table.add_column("result", max_width=_RESULT_WIDTH)
    table.add_column("priority")
    table.add_column("seconds", justify="right")
    for image in sorted(results, key=lambda image: (image.read_as is None, image.read_as, image.sent_as)):
        table.add_row(
            "" if image.read_as is None else str(image.read_as),
            str(image.sent_as),
            labels.get(image.study_instance_uid, f"…{image.study_instance_uid[-10:]}"),
            image.result,
            image.priority.name.lower(),
            "" if image.seconds is None else f"{image.seconds:.1f}",
        )
    return table
