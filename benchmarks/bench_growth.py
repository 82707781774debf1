"""What a look and a step cost in a ledger with years of history, against an empty one, in turns.

``INSTANCES`` in the environment sets the size of the history (50,000; a hospital makes some 1,000 a day), and
``AUSCULT_BENCH_DATABASE`` may name an empty PostgreSQL database for it.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.history import fill
from benchmarks.interleaved import compare
from service.ledger.kept_counts import KeptCounts
from service.vocabulary.states import DeliveryState
from tests.service.sample_site import SampleSite


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


def main() -> None:
    """Print a table for each step."""
    instances = int(os.environ.get("INSTANCES", "50000"))
    with tempfile.TemporaryDirectory() as folder:
        full = SampleSite(Path(folder) / "full", os.environ.get("AUSCULT_BENCH_DATABASE"))
        fill(full.engine, instances)
        KeptCounts(full.engine).recount()
        # As many open studies as a page shows, in both.
        young = SampleSite(Path(folder) / "young")
        fill(young.engine, 100)
        KeptCounts(young.engine).recount()
        for site in (young, full):
            site._seed = 1_000_000  # noqa: SLF001 - instances that the history does not have
        names = ("100 instances", f"{instances:,} instances")
        ways = zip(_steps(young).items(), _steps(full).values(), strict=True)
        for (title, of_young), of_full in ways:
            compare(title, dict(zip(names, (of_young, of_full), strict=True)), rounds=5)
        for site in (young, full):
            site.close()


if __name__ == "__main__":
    main()
