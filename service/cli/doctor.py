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
class Finding:
    """One thing that was looked at."""

    name: str
    passed: bool
    message: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield a finding for everything that auscult needs, each as soon as it is known."""
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
        yield from _findings(title, check, settings)
    for point in entry_points(group=ENTRY_POINTS):
        yield from _findings(point.name, _Loaded(point), settings)


@dataclass(frozen=True)
class _Loaded:
    """A check that is imported when it is called, so that one that cannot be imported is a finding too."""

    point: EntryPoint

    def __call__(self, settings: Settings) -> Iterable[tuple[str, bool, str]]:
        check: Check = self.point.load()
        return check(settings)


def _findings(title: str, check: Check, settings: Settings) -> Iterator[Finding]:
    try:
        for name, passed, message in check(settings):
            yield Finding(name, passed, message)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others find
        yield Finding(title, False, f"the check itself broke ({type(error).__name__}); please report it")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check whether everything is here that auscult needs.

    Settings, disk, database, file modes, ports, certificates, decoders, checkpoint, destinations, queue, audit trail,
    clock. The exit status is 1 when something is not as it must be.
    """
    findings = []
    try:
        settings = load()
    except SettingsInvalid as error:
        findings.append(Finding("settings", False, str(error)))
    else:
        findings.append(Finding("settings", True, "valid"))
        findings += examine(settings)
    if as_json:
        print_json(json_value(findings))
    else:
        Console().print(_table(findings))
    failed = sum(not finding.passed for finding in findings)
    if not as_json:
        click.echo("all is well" if not failed else f"{failed} of {len(findings)} checks failed")
    if failed:
        raise SystemExit(1)


def _table(findings: Iterable[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mark = Text("ok", "green") if finding.passed else Text("FAILED", "bold red")
        table.add_row(mark, finding.name, Text(finding.message, "" if finding.passed else "red"))
    return table
