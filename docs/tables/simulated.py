"""What the simulation of a site as queues says: beside what was measured under load, of three sites, and of one GPU."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from benchmarks.queues import SENDERS, Feed, Measured, Plant, Stage, measured, simulate, slower
from docs.tables import table
from docs.tables.capacity import (
    POSTGRESQL_COMMITS,
    SITES,
    SQLITE_COMMITS,
    UTILISATION,
    Site,
    forward_share,
    stages,
)

#: Commits of an image at the end of each stage; nine in all.
_COMMITS = {"listen": 1, "work infer": 2, "work deliver": 6}
#: What one GPU is taken to do with this network alone, compiled and in bfloat16, images a second; nobody has measured
#: it here. At 8.2 GFLOP an image it is a twelfth of the 989 TFLOP/s of an H200: small convolutions wait for
#: memory.
GPU_RATE = 10_000.0
_BATCH = 64
_GPU_CORES = 16
_ENOUGH = 0.9


def load() -> str:
    """Return what was measured under load, and what the simulation says of the same images at the same moments."""
    milliseconds, cores, every = measured()
    plant = _fitted(_plant(milliseconds, cores, SQLITE_COMMITS), every)
    rows = []
    for one, same in _beside(plant, every):
        moments = (f"{found.p50:.2f}, {found.p95:.2f}" for found in (one, same))
        rows.append((f"{one.rate:g}", *moments, f"{same.p50 / one.p50:.2f}, {same.p95 / one.p95:.2f}"))
    return table(("images a second", "measured: p50, p95, s", "simulated: p50, p95, s", "simulated / measured"), rows)


def sites() -> str:
    """Return what each site needs by simulation, how long an image takes then, and what breaks first."""
    plants = {site.name: _enough(site) for site in SITES}
    found = {site.name: simulate(plants[site.name], _rate(site)) for site in SITES}
    rows = [
        ("images a second in the busiest hour, at one ledger", *(f"{_rate(site):.3g}" for site in SITES)),
        ("ledgers", *(f"{_ledgers(site)}" for site in SITES)),
        *(
            (f"processes of `{name}`", *(f"{_processes(plants[site.name], name)}" for site in SITES))
            for name in _COMMITS
        ),
        ("acknowledgement to last report, p50", *(f"{found[site.name].p50:.2f} s" for site in SITES)),
        ("p95", *(f"{found[site.name].p95:.2f} s" for site in SITES)),
        ("breaks first", *(_first(plants[site.name], site) for site in SITES)),
        ("GPUs, if they do the forward pass", *(_gpus(site) for site in SITES)),
    ]
    return table(("", *(site.name for site in SITES)), rows)


def gpu() -> str:
    """Return how busy one GPU is by what feeds it, on paper and by simulation."""
    rows = []
    for title, milliseconds, cores in _feeds():
        feed = Feed(cores, milliseconds / 1000, _BATCH, GPU_RATE)
        on_paper = min(1.0, cores / feed.seconds / GPU_RATE)
        rows.append((title, f"{milliseconds:.0f}", f"{cores}", f"{on_paper:.0%}", f"{feed.share():.0%}"))
    return table(("what feeds it", "core ms an image", "cores", "busy, on paper", "busy, simulated"), rows)


def _feeds() -> Iterator[tuple[str, float, int]]:
    cost = stages()
    prepared = cost["work infer"] * (1 - forward_share())
    whole = cost["listen"] + prepared + cost["work deliver"]
    yield "a gateway whole on the cores around it", whole, _GPU_CORES
    yield "`work infer` alone on them; listeners and delivery elsewhere", prepared, _GPU_CORES
    yield "preparation on further machines, which send it 224 x 224 values", prepared, _needed(prepared)


def _needed(milliseconds: float) -> int:
    """Return the fewest cores that keep the GPU busy enough, by simulation."""
    cores = math.ceil(_ENOUGH * GPU_RATE * milliseconds / 1000)
    while Feed(cores, milliseconds / 1000, _BATCH, GPU_RATE).share() < _ENOUGH:
        cores += max(1, cores // 50)
    return cores


def _plant(milliseconds: Mapping[str, float], cores: int, commits: float) -> Plant:
    # The listener has a thread for each association.
    shape = {"listen": (SENDERS, 1), "work infer": (1, 2), "work deliver": (1, 1)}
    return Plant(
        tuple(
            Stage(name, processes, milliseconds[name] / 1000, threads, _COMMITS[name])
            for name, (processes, threads) in shape.items()
        ),
        cores,
        commits,
    )


def _fitted(plant: Plant, every: list[Measured]) -> Plant:
    """Return a plant on cores as slow as those of the measurement were for us: one number for all of its rates."""
    least, most = 0.2, 50.0
    for _ in range(12):
        times = math.sqrt(least * most)
        ratios = (same.p50 / one.p50 for one, same in _beside(slower(plant, times), every))
        least, most = (times, most) if math.prod(ratios) < 1 else (least, times)
    return slower(plant, least)


def _beside(plant: Plant, every: list[Measured]) -> Iterator[tuple[Measured, Measured]]:
    for one in every:
        yield one, simulate(plant, one.rate, one.images, warm=0)


def _ledgers(site: Site) -> int:
    return math.ceil(site.rate * sum(_COMMITS.values()) / (POSTGRESQL_COMMITS * UTILISATION))


def _rate(site: Site) -> float:
    return site.rate / _ledgers(site)


def _enough(site: Site) -> Plant:
    """Return the fewest processes, for one ledger, none of which is busy for longer than is planned."""
    rate, plant = _rate(site), _plant(stages(), 1, _commits(site))
    every = [
        replace(one, processes=max(1, math.ceil(rate * one.seconds / one.threads / UTILISATION)))
        for one in plant.stages
    ]
    cores = max(2, math.ceil(rate * sum(one.seconds for one in every) / UTILISATION))
    return replace(plant, stages=tuple(every), cores=cores)


def _processes(plant: Plant, name: str) -> int:
    return next(one.processes for one in plant.stages if one.name == name)


def _commits(site: Site) -> float:
    return SQLITE_COMMITS if site.rate < 1 else POSTGRESQL_COMMITS


def _first(plant: Plant, site: Site) -> str:
    name, busy = next(iter(plant.load(_rate(site)).items()))
    return f"{name}, at {1 / busy:.1f} times as many images"


def _gpus(site: Site) -> str:
    return f"{math.ceil(site.rate / (GPU_RATE * UTILISATION))}"
