"""`auscult doctor`: whether everything is here that auscult needs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli import certificates, checks, partners, private_files
from service.cli.clock import clock
from service.cli.found import Found
from service.cli.look import print_json
from service.cli.shadow_check import shadow_check
from service.cli.speech import site_texts
from service.settings import Settings, load
from service.texts import Sentence, Texts
from service.vocabulary.errors import AuscultError, SettingsInvalid

#: The group of entry points by which other layers add checks; `worker` checks its checkpoint so.
ENTRY_POINTS = "auscult.checks"


class Check(Protocol):
    """A check: yields ``(name, whether it passed, what was found)`` for each thing it looks at."""

    def __call__(self, settings: Settings, /) -> Found:
        """Look; never raise for what is merely wrong."""


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at."""

    name: Sentence | str
    passed: bool
    message: Sentence | AuscultError | str


def examine(settings: Settings) -> Iterator[CheckResult]:
    """Yield a result for everything that auscult needs, each as soon as it is known."""
    wanted: list[tuple[str, Check]] = [
        ("check.disk", checks.disk),
        ("check.database", checks.database),
        ("check.file_modes", private_files.private_files),
        ("check.ports", checks.ports),
        ("check.callers", checks.callers),
        ("check.shadow", shadow_check),
        ("check.certificates", certificates.certificates),
        ("check.decoders", checks.decoders),
        ("check.destinations", partners.destinations),
        ("check.destinations", partners.unnamed_destinations),
        ("check.receivers", partners.receivers),
        ("check.queue", checks.queue),
        ("check.audit_trail", checks.audit_trail),
        ("check.clock", clock),
    ]
    for code, check in wanted:
        yield from _results(Sentence(code), check, settings)
    for point in entry_points(group=ENTRY_POINTS):
        yield from _results(point.name, _Loaded(point), settings)


@dataclass(frozen=True)
class _Loaded:
    """A check that is imported when it is called, so that one that cannot be imported is a result too."""

    point: EntryPoint

    def __call__(self, settings: Settings) -> Found:
        check: Check = self.point.load()
        return check(settings)


def _results(title: Sentence | str, check: Check, settings: Settings) -> Iterator[CheckResult]:
    try:
        for name, passed, message in check(settings):
            yield CheckResult(name, passed, message)
    except Exception as error:  # noqa: BLE001 - one broken check must not hide what the others find
        yield CheckResult(title, False, Sentence("doctor.broke", name=type(error).__name__))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check whether everything is here that auscult needs.

    Settings, disk, database, file modes, ports, certificates, decoders, checkpoint, destinations, receivers, queue,
    audit trail, clock. The exit status is 1 when something is not as it must be.
    """
    results, say = [], site_texts()
    try:
        settings = load()
    except SettingsInvalid as error:
        results.append(CheckResult(Sentence("check.settings"), False, error))
    else:
        results.append(CheckResult(Sentence("check.settings"), True, Sentence("doctor.valid")))
        results += examine(settings)
    failed = sum(not result.passed for result in results)
    if as_json:
        print_json([_as_json(say, result) for result in results])
    else:
        Console().print(_table(say, results))
        count = len(results)
        click.echo(say("doctor.some_failed", failed=failed, count=count) if failed else say("doctor.all_well"))
    if failed:
        raise SystemExit(1)


def _as_json(say: Texts, result: CheckResult) -> dict[str, object]:
    # A monitor looks for a name, which is the same in every language.
    return {"name": str(result.name), "passed": result.passed, "message": say.told(result.message)}


def _table(say: Texts, results: Iterable[CheckResult]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for result in results:
        mark = Text(say("doctor.ok"), "green") if result.passed else Text(say("doctor.failed"), "bold red")
        message = Text(say.told(result.message), "" if result.passed else "red")
        table.add_row(mark, say.told(result.name), message)
    return table
