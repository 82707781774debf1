"""What a look and a step cost in a ledger with years of history, against a young one, in turns.

Usage: python -m benchmarks.bench_growth [--instances 50000] [--unread 10000] [--rounds 5] [--record]

A hospital makes some 1,000 instances a day. With ``--record`` the table is written into docs/performance.md.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks import document
from benchmarks.history import fill
from benchmarks.interleaved import measure
from service.ledger.kept_counts import KeptCounts
from service.vocabulary.states import DeliveryState
from tests.servers import find_program, postgres_server
from tests.service.sample_site import SampleSite

_YOUNG = 100


def _steps(site: SampleSite) -> dict[str, Callable[[], object]]:
    ledger = site.ledger
    return {
        "status, as for page and metrics": ledger.inspection.status,
        "first page of the worklist": lambda: ledger.reading_list.page(50).studies,
        "readiness": ledger.reading_list.count,
        "sweep": lambda: (ledger.analysis.any_due(), ledger.reporting.any_due(), ledger.outbox.any_due()),
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
    site._seed = 10_000_000  # noqa: SLF001 - instances that the history does not have
    return site


def _ratios(folder: Path, urls: tuple[str | None, str | None], arguments: argparse.Namespace) -> dict[str, list[float]]:
    """Return the median milliseconds of each step, in the young ledger and in the old one."""
    young = _site(folder / "young", urls[0], _YOUNG, _YOUNG)
    old = _site(folder / "old", urls[1], arguments.instances, arguments.unread)
    found = {}
    ways = zip(_steps(young).items(), _steps(old).values(), strict=True)
    for (title, of_young), of_old in ways:
        seconds = measure({"young": of_young, "old": of_old}, arguments.rounds)
        found[title] = [1000 * statistics.median(seconds[name]) for name in ("young", "old")]
    for site in (young, old):
        site.close()
    return found


def _rows(measured: dict[str, dict[str, list[float]]], instances: int) -> Iterator[str]:
    yield f"| ms, with {_YOUNG} and with {instances:,} instances | {' | '.join(measured)} |"
    yield f"| --- |{' --- |' * len(measured)}"
    for step in next(iter(measured.values())):
        cells = [
            f"{found[step][0]:.1f}, {found[step][1]:.1f} ({found[step][1] / found[step][0]:.2f})"
            for found in measured.values()
        ]
        yield f"| {step} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--instances", type=int, default=50_000)
    parser.add_argument("--unread", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="write the table into the document")
    arguments = parser.parse_args()
    measured = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        measured["SQLite"] = _ratios(Path(folder) / "sqlite", (None, None), arguments)
        if find_program("initdb"):
            server = stack.enter_context(postgres_server())
            urls = (server.create_database(), server.create_database())
            measured["PostgreSQL"] = _ratios(Path(folder) / "postgresql", urls, arguments)
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
