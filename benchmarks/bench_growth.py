"""What a look and a step cost in a ledger with years of history, against a young one, in turns.

Usage: python -m benchmarks.bench_growth [--instances 50000] [--unread 10000] [--rounds 9] [--record]
                                         [--filled NAME YOUNG_URL OLD_URL ...]

A hospital makes some 1,000 instances a day. With ``--record`` the table is written into docs/performance.md. Ledgers
that were filled before, and are named by ``--filled``, are measured as they are.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import click
from sqlalchemy import text

from benchmarks import document
from benchmarks.history import fill
from benchmarks.interleaved import measure
from service.ledger.database import writing
from service.ledger.kept_counts import KeptCounts
from service.ledger.reading_list import Wanted
from service.operations.sweep import Sweep
from service.operations.wake import Task
from service.vocabulary.facts import Standing
from service.vocabulary.states import DeliveryState
from tests.servers import find_program, postgres_server
from tests.service.sample_site import SampleSite

_YOUNG = 100
_A_DAY, _AGES = timedelta(days=1), timedelta(days=10_000)
#: How the planner's statistics are taken away, and made.
_NO_STATISTICS = {
    "sqlite": ("DELETE FROM sqlite_stat1",),
    "postgresql": ("DELETE FROM pg_statistic",),
}


class _Unwoken:
    """Wakes nobody."""

    def wake(self, task: Task) -> None:
        """Do nothing: there are no workers."""


def _steps(site: SampleSite) -> dict[str, Callable[[], object]]:
    ledger, reading_list = site.ledger, site.ledger.reading_list
    sweep = Sweep(site.settings.sweep, ledger, site.store, _Unwoken(), _AGES, _AGES, ("ris",), _AGES)
    return {
        "status, as for page and metrics": ledger.inspection.status,
        "first page of the worklist": lambda: reading_list.page(50).studies,
        "of one source": lambda: reading_list.page(50, wanted=Wanted(source="PACS")).studies,
        "of one result": lambda: reading_list.page(50, wanted=Wanted(standing=Standing.POSITIVE)).studies,
        "by a name": lambda: reading_list.page(50, wanted=Wanted(text="nobody")).studies,
        "readiness": reading_list.count,
        "turnarounds of a day": lambda: (ledger.turnarounds.by_source(_A_DAY), ledger.turnarounds.by_hour(_A_DAY)),
        "drift: machines and checkpoint": lambda: (ledger.drift.groups(), ledger.drift.in_use()),
        "sweep": sweep.once,
        "a courier's look": lambda: (ledger.outbox.any_due("pacs"), ledger.outbox.next_due("pacs")),
        "an image, from intake to confirmed": lambda: _image(site),
    }


def _image(site: SampleSite) -> None:
    site.receive()
    site.infer(0.9)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.CONFIRMED)


def _site(folder: Path, url: str | None, instances: int, unread: int) -> SampleSite:
    site = SampleSite(folder, url)
    fill(site.engine, instances, unread=unread)
    KeptCounts(site.engine).recount()
    return site


def _ratios(young: SampleSite, old: SampleSite, rounds: int) -> dict[str, list[float]]:
    """Return the median milliseconds of each step, in the young ledger and in the old one."""
    for site in (young, old):
        site._seed = time.time_ns() // 1000  # noqa: SLF001 - instances that the history does not have
    ways = zip(_steps(young).items(), _steps(old).values(), strict=True)
    found = {}
    for (title, of_young), of_old in ways:
        seconds = measure({"young": of_young, "old": of_old}, rounds)
        found[title] = [1000 * statistics.median(seconds[name]) for name in ("young", "old")]
    return found


def _with_and_without_statistics(
    name: str, young: SampleSite, old: SampleSite, rounds: int
) -> dict[str, dict[str, list[float]]]:
    for site in (young, old):
        with writing(site.engine) as session:
            session.execute(text("ANALYZE"))
    found = {name: _ratios(young, old, rounds)}
    for site in (young, old):
        with writing(site.engine) as session:
            for statement in _NO_STATISTICS[site.engine.dialect.name]:
                session.execute(text(statement))
        site.engine.dispose()  # what a connection has planned, it keeps
    return found | {f"{name}, no statistics": _ratios(young, old, rounds)}


def _rows(measured: dict[str, dict[str, list[float]]], instances: int) -> Iterator[str]:
    yield f"| ms, with {_YOUNG} and with {instances:,} instances | {' | '.join(measured)} |"
    yield f"| --- |{' --- |' * len(measured)}"
    for step in next(iter(measured.values())):
        cells = [
            f"{found[step][0]:.1f}, {found[step][1]:.1f} ({found[step][1] / found[step][0]:.2f})"
            for found in measured.values()
        ]
        yield f"| {step} | {' | '.join(cells)} |"


def _ledgers(
    folder: Path, stack: ExitStack, arguments: argparse.Namespace
) -> Iterator[tuple[str, SampleSite, SampleSite]]:
    """Yield each kind of ledger, a young and an old one."""
    if arguments.filled:
        for name, *urls in arguments.filled:
            young, old = (SampleSite(folder / f"{name}{number}", url) for number, url in enumerate(urls))
            yield name, young, old
        return
    places: dict[str, tuple[str | None, str | None]] = {"SQLite": (None, None)}
    if find_program("initdb"):
        server = stack.enter_context(postgres_server())
        places["PostgreSQL"] = (server.create_database(), server.create_database())
    for name, (of_young, of_old) in places.items():
        young = _site(folder / name / "young", of_young, _YOUNG, _YOUNG)
        yield name, young, _site(folder / name / "old", of_old, arguments.instances, arguments.unread)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--instances", type=int, default=50_000)
    parser.add_argument("--unread", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--filled", nargs=3, action="append", metavar=("NAME", "YOUNG_URL", "OLD_URL"))
    parser.add_argument("--record", action="store_true", help="write the table into the document")
    arguments = parser.parse_args()
    measured: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        for name, young, old in _ledgers(Path(folder), stack, arguments):
            measured |= _with_and_without_statistics(name, young, old, arguments.rounds)
    markdown = "\n".join(
        [
            *_rows(measured, arguments.instances),
            "",
            f"{arguments.unread:,} studies are unread in the larger ledger. Medians of {arguments.rounds} turns.",
        ]
    )
    click.echo(markdown)
    if arguments.record:
        document.write("growth", markdown)


if __name__ == "__main__":
    main()
