"""`auscult send`: a C-STORE SCU for files and folders."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from pydicom import Dataset
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.cli.speech import site_texts
from service.demo.forwarding import forward
from service.demo.images import files_below, read_image
from service.texts import Texts
from service.vocabulary.errors import AuscultError, TransientDeliveryFailure


@dataclass(frozen=True)
class Sent:
    """What became of one file.

    Attributes
    ----------
    status
        The C-STORE response status (PS3.4 Table B.2-1); None when none came.
    problem
        Why it was not stored; None when it was.
    is_image
        Whether the file is a DICOM instance or a picture at all.
    """

    path: Path
    status: int | None
    problem: str | None
    is_image: bool = True


class _Source:
    """Yields the data sets of files, and remembers which file the latest one is of."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = iter(enumerate(paths, start=1))
        self.path = Path()
        self.passed_over: list[Path] = []

    def __iter__(self) -> Iterator[Dataset]:
        for number, path in self._paths:
            self.path = path
            dataset = read_image(path, number)
            if dataset is None or "SOPInstanceUID" not in dataset:
                self.passed_over.append(self.path)
            else:
                yield dataset


def send_instances(
    say: Texts, paths: Sequence[Path], host: str, port: int, called_ae_title: str, calling_ae_title: str
) -> Iterator[Sent]:
    """Send files in order and yield what became of each; PNG and JPEG pictures are wrapped as CR.

    Raises
    ------
    TransientDeliveryFailure
        When not even the first instance gets an association.
    """
    source, reached, exhausted = _Source(paths), False, False
    while not exhausted:
        try:
            for item in forward(source, host, port, called_ae_title, calling_ae_title):
                reached = True
                yield from _passed_over(say, source)
                yield Sent(source.path, item.status, _problem(say, item.status))
            exhausted = True
        except TransientDeliveryFailure:
            if not reached:
                raise
            yield from _passed_over(say, source)
            # The peer takes no such SOP class or transfer syntax, perhaps; the next instance may differ.
            yield Sent(source.path, None, say("send.no_association"))
    yield from _passed_over(say, source)


def _passed_over(say: Texts, source: _Source) -> Iterator[Sent]:
    while source.passed_over:
        yield Sent(source.passed_over.pop(0), None, say("send.no_picture"), is_image=False)


def _problem(say: Texts, status: int | None) -> str | None:
    if status is None:
        return say("send.no_answer")
    if status == 0x0000 or status & 0xF000 == 0xB000:
        return None
    return say("send.refused", status=f"0x{status:04X}")


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise click.BadParameter(f"{value!r} is not HOST:PORT, such as 127.0.0.1:11112")
    return host.strip("[]"), int(port)


def _ae_title(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not 0 < len(value.strip()) <= 16 or "\\" in value or not value.isascii() or not value.isprintable():
        raise click.BadParameter(f"{value!r} is not an AE title: 1 to 16 ASCII characters without backslash")
    return value.strip()


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "address", required=True, callback=_address, help="HOST:PORT of the node that receives them.")
@click.option("--called", required=True, callback=_ae_title, help="Its AE title.")
@click.option("--calling", default="AUSCULT_SEND", show_default=True, callback=_ae_title, help="Our AE title.")
def send(paths: tuple[Path, ...], address: tuple[str, int], called: str, calling: str) -> None:
    """Send DICOM files, or PNG and JPEG pictures wrapped as CR, by C-STORE.

    Folders are sent with everything below them. The exit status is 0 when every image was stored.
    """
    files = [file for path in paths for file in (files_below(path) if path.is_dir() else [path])]
    say, console, counts = site_texts(), Console(stderr=True), Counter[str]()
    with Progress(
        TextColumn(say("send.sending")), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    ) as progress:
        task = progress.add_task("", total=len(files))
        for sent in send_instances(say, files, *address, called, calling):
            progress.advance(task)
            counts["stored" if sent.problem is None else "failed" if sent.is_image else "passed_over"] += 1
            if sent.problem is not None:
                progress.console.print(f"{sent.path}: {sent.problem}", markup=False, highlight=False, soft_wrap=True)
    click.echo(say("send.counts", **{what: counts[what] for what in ("stored", "failed", "passed_over")}))
    if counts["failed"]:
        raise SystemExit(1)
    if not counts["stored"]:
        raise AuscultError(say("send.nothing"))
