"""`auscult doctor`: whether everything is here that auscult needs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli import certificates, checks, private_files
from service.cli.clock import clock
from service.cli.look import print_json
from service.settings import Settings, load
from service.vocabulary.errors import SettingsInvalid
from service.wording import json_value

#: The group of entry points by which other layers add checks; `worker` checks its checkpoint so.
ENTRY_POINTS = "auscult.checks"


class Check(Protocol):
    """A check of another layer: yields ``(name, whether it passed, what was found)`` for each thing it looks at."""

    def __call__(self, settings: Settings, /) -> Iterable[tuple[str, bool, str]]:
        """Look; never raise for what is merely wrong."""


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at."""

    name: str
    passed: bool
    message: str


def examine(settings: Settings) -> Iterator[CheckResult]:
    """Yield a result for everything that auscult needs, each as soon as it is known."""
    wanted: list[tuple[str, Check]] = [
        ("disk", checks.disk),
        ("database", checks.database),
        ("file modes", private_files.private_files),
        ("ports", checks.ports),
        ("callers", checks.callers),
        ("certificates", certificates.certificates),
        ("decoders", checks.decoders),
        ("destinations", checks.destinations),
        ("queue", checks.queue),
        ("audit trail", checks.audit_trail),
        ("clock", clock),
    ]
    for title, check in wanted:
        yield from _results(title, check, settings)
    for point in entry_points(group=ENTRY_POINTS):
        yield from _results(point.name, _Loaded(point), settings)


@dataclass(frozen=True)
class _Loaded:
    """A check that is imported when it is called, so that one that cannot be imported is a result too."""

    point: EntryPoint

    def __call__(self, settings: Settings) -> Iterable[tuple[str, bool, str]]:
        check: Check = self.point.load()
        return check(settings)


def _results(title: str, check: Check, settings: Settings) -> Iterator[CheckResult]:
    try:
        for name, passed, message in check(settings):
            yield CheckResult(name, passed, message)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others find
        yield CheckResult(title, False, f"the check itself broke ({type(error).__name__}); please report it")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check whether everything is here that auscult needs.

    Settings, disk, database, file modes, ports, certificates, decoders, checkpoint, destinations, queue, audit trail,
    clock. The exit status is 1 when something is not as it must be.
    """
    results = []
    try:
        settings = load()
    except SettingsInvalid as error:
        results.append(CheckResult("settings", False, str(error)))
    else:
        results.append(CheckResult("settings", True, "valid"))
        results += examine(settings)
    if as_json:
        print_json(json_value(results))
    else:
        Console().print(_table(results))
    failed = sum(not result.passed for result in results)
    if not as_json:
        click.echo("all is well" if not failed else f"{failed} of {len(results)} checks failed")
    if failed:
        raise SystemExit(1)


def _table(results: Iterable[CheckResult]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for result in results:
        mark = Text("ok", "green") if result.passed else Text("FAILED", "bold red")
        table.add_row(mark, result.name, Text(result.message, "" if result.passed else "red"))
    return table
