"""A site as queues: listener, inference, delivery and database, through which images come at random moments.

Each stage is a number of processes, of which one has an image at a time and keeps a core busy with it; where there are
fewer cores than processes, they wait for a core too. Each stage ends with commits, for which all wait at one database.
"""

import json
import random
import statistics
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import simpy

_Steps = Generator[simpy.Event, object, None]

#: Associations on which images come at once.
SENDERS = 8
#: For how long a core stays with one of those that want it.
_TURN_S = 0.02
#: What `benchmarks.bench_load` measured.
LOAD = Path(__file__).with_name("load.json")


@dataclass(frozen=True)
class Measured:
    """What images took at one rate of arrival, from their acknowledgement to their last report.

    Attributes
    ----------
    rate
        Images a second.
    p50, p95
        Seconds.
    """

    rate: float
    images: int
    p50: float
    p95: float


@dataclass(frozen=True)
class Stage:
    """A step of an image's way.

    Attributes
    ----------
    processes
        How many images are at it at once, at most.
    seconds
        Of a core, for one image.
    threads
        On how many cores one image is worked at once.
    commits
        Of the database, at its end.
    """

    name: str
    processes: int
    seconds: float
    threads: int = 1
    commits: int = 0


@dataclass(frozen=True)
class Plant:
    """What a site runs.

    Attributes
    ----------
    cores
        Of all machines together.
    commits
        What the database takes in a second.
    """

    stages: tuple[Stage, ...]
    cores: int
    commits: float

    def load(self, rate: float) -> dict[str, float]:
        """Return the share of its time for which each part is busy at a rate of arrival, the busiest first."""
        found = {one.name: rate * one.seconds / one.threads / one.processes for one in self.stages}
        found["cores"] = rate * sum(one.seconds for one in self.stages) / self.cores
        found["database"] = rate * sum(one.commits for one in self.stages) / self.commits
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def shares(took: list[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile of what is sorted."""
    return statistics.median(took), took[round(0.95 * (len(took) - 1))]


def simulate(plant: Plant, rate: float, images: int = 2000, *, warm: float = 0.1, seed: int = 1) -> Measured:
    """Let images through a plant that is empty, and return what they took behind its first stage, the listener's.

    Parameters
    ----------
    warm
        The share of them that came first and is left out: they found nobody before them.
    """
    world, draws = simpy.Environment(), random.Random(seed)  # noqa: S311 - the same moments in each run
    processes = {stage.name: simpy.Resource(world, stage.processes) for stage in plant.stages}
    cores, database = simpy.Resource(world, plant.cores), simpy.Resource(world)
    took: list[float] = []

    def work(seconds: float) -> _Steps:
        while seconds > 0:  # a core is given to each that wants it in turn
            with cores.request() as core:
                yield core
                yield world.timeout(min(seconds, _TURN_S))
            seconds -= _TURN_S

    def at(stage: Stage) -> _Steps:
        with processes[stage.name].request() as free:
            yield free
            threads = [world.process(work(stage.seconds / stage.threads)) for _ in range(stage.threads)]
            yield world.all_of(threads)
            for _ in range(stage.commits):
                with database.request() as turn:
                    yield turn
                    yield world.timeout(1 / plant.commits)

    def image() -> _Steps:
        first, *others = plant.stages
        yield world.process(at(first))
        acknowledged = world.now
        for stage in others:
            yield world.process(at(stage))
        took.append(world.now - acknowledged)

    def arrivals() -> _Steps:
        for _ in range(images):
            yield world.timeout(draws.expovariate(rate))
            world.process(image())

    world.process(arrivals())
    world.run()
    settled = took[round(warm * images) :]
    return Measured(rate, images, *shares(sorted(settled)))


@dataclass(frozen=True)
class Feed:
    """One GPU and what feeds it.

    Attributes
    ----------
    feeders
        Processes that bring images, each on a core.
    seconds
        Of a core, for one image.
    batch
        Images that the GPU takes at once, at most.
    images_per_second
        What the GPU does when it never waits.
    """

    feeders: int
    seconds: float
    batch: int
    images_per_second: float

    def share(self, images: int = 5_000, seed: int = 1) -> float:
        """Return the share of its time for which the GPU works, by simulation."""
        world, draws = simpy.Environment(), random.Random(seed)  # noqa: S311 - the same moments in each run
        ready: simpy.Store = simpy.Store(world, capacity=4 * self.batch)
        busy = 0.0

        def feeder() -> _Steps:
            while True:
                yield world.timeout(draws.expovariate(1 / self.seconds))
                yield ready.put(None)

        def gpu() -> _Steps:
            nonlocal busy
            done = 0
            while done < images:
                yield ready.get()
                taken = 1
                while ready.items and taken < self.batch:
                    yield ready.get()
                    taken += 1
                # A batch that is not full takes hardly less than a full one.
                took = self.batch / self.images_per_second
                yield world.timeout(took)
                busy += taken / self.images_per_second
                done += taken

        for _ in range(self.feeders):
            world.process(feeder())
        world.run(world.process(gpu()))
        return busy / world.now


def measured() -> tuple[Mapping[str, float], int, list[Measured]]:
    """Return the processor milliseconds of each part, the cores, and what images took, as `LOAD` has them."""
    found = json.loads(LOAD.read_text(encoding="utf-8"))
    return found["milliseconds"], found["cores"], [Measured(**one) for one in found["rates"]]


def slower(plant: Plant, times: float) -> Plant:
    """Return a plant on cores that are so many times slower: of a shared machine, others have a share."""
    return replace(plant, stages=tuple(replace(one, seconds=times * one.seconds) for one in plant.stages))
