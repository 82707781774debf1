"""What can befall a site: each kind of fault, how it begins, how it ends, and when its effect is gone."""

import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import redis

from service.vocabulary.states import State
from tests.campaigns.gate import Mode
from tests.campaigns.recovery import Recovery
from tests.campaigns.site import Site


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes
    ----------
    begin, end
        Cause it, and take its cause away.
    lasts_s
        Between which seconds it lasts; 0 and 0 for a blow.
    subject
        What it befalls: two faults of one subject at once would hide each other.
    watch
        Called at its end; returns the condition under which its effect is gone.
    """

    kind: str
    begin: Callable[[], object]
    watch: Callable[[], Callable[[], bool]]
    end: Callable[[], None] = lambda: None
    lasts_s: tuple[float, float] = (0.0, 0.0)
    subject: str = ""


class Progress:
    """Tells whether something has happened since it was first asked: the database may be away when a fault ends."""

    def __init__(self, site: Site, has_happened: Callable[[int], bool]) -> None:
        self._site = site
        self._has_happened = has_happened
        self._last: int | None = None

    def __call__(self) -> bool:
        if self._last is None:
            self._last = self._site.last_event()
        return self._has_happened(self._last)


def progress(site: Site) -> Progress:
    """Return whether anything has gone on, or nothing is left to do."""
    return Progress(site, lambda last: site.last_event() > last or site.under_way() == 0)


def peer_progress(site: Site, name: str) -> Progress:
    """Return whether a destination has taken something, or nothing is left for it."""
    return Progress(site, lambda last: site.has_event(last, "sent", "confirmed", of=name) or site.under_way(name) == 0)


def kills(site: Site) -> list[Fault]:
    """Return a kill for each of auscult's processes."""
    return [_kill(site, name) for name in site.processes.names]


def _kill(site: Site, name: str) -> Fault:
    killed: list[int] = []

    def watch() -> Callable[[], bool]:
        pid = killed[-1]
        if name in site.doors:
            return partial(site.answers, name)
        if name.startswith("sweep"):
            return partial(site.processes.is_running, name)
        return partial(site.holds_nothing, pid)

    kind = f"{name.rpartition(' ')[0] or name} killed"
    return Fault(kind, lambda: killed.append(site.processes.kill(name)), watch, subject=name)


def broker_faults(site: Site) -> list[Fault]:
    """Return what befalls Redis."""
    supply, url = site.servers.redis, site.servers.redis_url
    if supply is None or url is None:
        return []

    def flush() -> None:
        with redis.Redis.from_url(url) as broker:
            broker.flushall()

    def watch() -> Callable[[], bool]:
        return Progress(site, lambda last: site.has_event(last, "claimed") or site.images(State.RECEIVED.value) == 0)

    return [
        Fault("Redis flushed", flush, watch, subject="Redis"),
        Fault("Redis killed", supply.down, watch, supply.up, (0.5, 3.0), "Redis"),
    ]


def database_faults(site: Site) -> list[Fault]:
    """Return what befalls PostgreSQL."""
    supply = site.servers.postgres
    if supply is None:
        return []

    watch = partial(progress, site)
    return [
        Fault("PostgreSQL stopped", supply.down, watch, supply.up, (1.0, 3.0), "PostgreSQL"),
        Fault(
            "PostgreSQL hangs",
            partial(supply.freeze, signal.SIGSTOP),
            watch,
            partial(supply.freeze, signal.SIGCONT),
            (1.0, 3.0),
            "PostgreSQL",
        ),
    ]


def peer_faults(site: Site) -> list[Fault]:
    """Return what befalls the destinations."""

    def refuse(status: int | None) -> None:
        site.pacs.refusal = status

    found = [
        Fault(
            f"PACS {mode}",
            partial(gate.set, mode),
            partial(peer_progress, site, name),
            partial(gate.set, Mode.PASS),
            (1.0, 4.0),
            "PACS",
        )
        for name, gate in site.gates.items()
        for mode in (Mode.REFUSE, Mode.HANG, Mode.RESET, Mode.DELAY)
    ]
    full = partial(refuse, 0xA700), partial(peer_progress, site, "pacs"), partial(refuse, None)
    return [*found, Fault("PACS answers 0xA700", *full, (1.0, 4.0), "PACS")]


@dataclass
class Misfortune:
    """Deals one fault after another, at random and repeatably, from a deck that holds each kind.

    Parameters
    ----------
    pause_s
        Mean seconds between two faults.
    more
        Faults of this kind of site beside those of all.
    """

    site: Site
    recovery: Recovery
    chance: random.Random
    pause_s: float
    more: Callable[[Site], list[Fault]] = lambda site: []
    dealt: int = 0
    _lasting: dict[str, threading.Timer] = field(default_factory=dict)
    _deck: list[Fault] = field(default_factory=list)

    def deal(self, number: int, enough: Callable[[], bool] = lambda: False) -> None:
        """Deal so many faults, or fewer when it is enough; return when the last one has ended."""
        while self.dealt < number and not enough():
            self._begin(self._next())
            self.dealt += 1
            time.sleep(self.pause_s * self.chance.uniform(0.5, 1.5))
        for timer in list(self._lasting.values()):
            timer.join()

    def _next(self) -> Fault:
        if not self._deck:
            self._deck = kills(self.site) * 3
            for faults in (broker_faults, database_faults, peer_faults, self.more):
                self._deck += faults(self.site)
            self.chance.shuffle(self._deck)
        return self._deck.pop()

    def _begin(self, fault: Fault) -> None:
        if (timer := self._lasting.get(fault.subject)) is not None:
            timer.join()
        fault.begin()
        lasts_s = self.chance.uniform(*fault.lasts_s)
        if lasts_s == 0:
            self._end(fault)
            return
        self._lasting[fault.subject] = threading.Timer(lasts_s, self._end, [fault])
        self._lasting[fault.subject].start()

    def _end(self, fault: Fault) -> None:
        fault.end()
        self.recovery.watch(fault.kind, fault.watch())
