"""What sites of three sizes need, from the processor time of each stage that `make bench` wrote into performance.md."""

import math
from dataclasses import dataclass

from benchmarks import document
from docs.tables import table

#: The column of processor times, of the whole way and of an inference worker.
_PROCESSOR = "processor ms an image"
#: The share of a day's images that comes in its busiest hour.
_BUSIEST_HOUR = 0.15
#: The share of a core that is planned for; the rest is for what comes at once.
UTILISATION = 0.6
#: What a raw radiograph takes, 2048 x 2048 x 16 bit; its reports, with a picture in colour, are taken for as much.
_IMAGE_BYTES = 8.4e6
#: Commits of an image with three reports to one destination: received, claimed, analysed, two for the building, and
#: claim and record of sending and of confirmation.
_COMMITS = 9
#: What the ledger's two databases were seen to commit in a second, on the machine of performance.md.
SQLITE_COMMITS, POSTGRESQL_COMMITS = 444, 3900


@dataclass(frozen=True)
class Site:
    """A site, by its images a day."""

    name: str
    images: int

    @property
    def rate(self) -> float:
        """Images a second in the busiest hour."""
        return self.images * _BUSIEST_HOUR / 3600


SITES = (Site("hospital", 1_000), Site("network", 100_000), Site("country", 10_000_000))


def stages() -> dict[str, float]:
    """Return the processor time of an image in each part, in milliseconds; with PostgreSQL and Celery if measured."""
    services = document.table("pipeline")
    service = services.get("auscult, PostgreSQL and Celery") or services["auscult"]
    parts = (item.rpartition(" ") for item in service[_PROCESSOR].split(", "))
    return {name: float(value) for name, _, value in parts}


def forward_share() -> float:
    """Return which part of an inference worker's processor time in float32 is the network's forward pass."""
    worker, _, runtime = document.table("inference")["float32"][_PROCESSOR].partition(", of which the runtime ")
    return float(runtime) / float(worker)


def capacity() -> str:
    """Return what each site needs."""
    cost = stages()
    rows = [
        ("images a day", *(f"{site.images:,}" for site in SITES)),
        ("images a second in the busiest hour", *(_number(site.rate) for site in SITES)),
        *(
            (f"cores: `{name}`, {cost[name]:.0f} ms an image", *(_cores(site, cost[name]) for site in SITES))
            for name in ("listen", "work infer", "work deliver")
        ),
        (f"commits a second, {_COMMITS} an image", *(_number(site.rate * _COMMITS) for site in SITES)),
        ("database", *(_database(site) for site in SITES)),
        ("new objects a day, raw", *(_bytes(2 * site.images * _IMAGE_BYTES) for site in SITES)),
        ("network in the busiest hour", *(_bits(3 * site.rate * _IMAGE_BYTES * 8) for site in SITES)),
    ]
    return table(("", *(site.name for site in SITES)), rows)


def _number(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _cores(site: Site, milliseconds: float) -> str:
    return str(math.ceil(site.rate * milliseconds / 1000 / UTILISATION))


def _database(site: Site) -> str:
    commits = site.rate * _COMMITS
    if commits < SQLITE_COMMITS * UTILISATION / 2:
        return "SQLite or PostgreSQL"
    servers = math.ceil(commits / (POSTGRESQL_COMMITS * UTILISATION))
    return "one PostgreSQL" if servers == 1 else f"{servers} PostgreSQL, each for sites of its own"


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.0f} GB" if count < 1e12 else f"{count / 1e12:,.1f} TB"


def _bits(rate: float) -> str:
    return f"{rate / 1e6:,.0f} Mbit/s" if rate < 1e9 else f"{rate / 1e9:,.1f} Gbit/s"
