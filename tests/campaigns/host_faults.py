"""What can befall the hosts of a site: their cables, their clocks, and programs that stand still past every lease."""

import signal
from collections.abc import Callable, Iterator
from functools import partial

from tests.campaigns.faults import Fault, Progress, peer_progress, progress
from tests.campaigns.site import Site

#: Longer than an image's lease, and for the longest ones than that of a report (`site`).
_PAST_LEASES_S = (5.0, 13.0)
#: How far a clock is set: well beyond every lease and pause, and less than sets a certificate's first day.
_LEAPS_S = (3600.0, -3600.0)


def host_faults(site: Site) -> list[Fault]:
    """Return what befalls each host, but for that of the modality; none on one machine."""
    found: list[Fault] = []
    for name in site.ground.hosts:
        if name != "modality":
            found += _of_cable(site, name)
        if name in site.processes.names:
            found += _of_program(site, name)
    return found


def _of_cable(site: Site, name: str) -> Iterator[Fault]:
    host, watch, kind = site.ground.hosts[name], partial(_watch, site, name), _kind(name)

    def lose(probability: str) -> None:
        for chain in ("INPUT", "OUTPUT"):
            host.drop(chain, "-m", "statistic", "--mode", "random", "--probability", probability)

    yield Fault(f"{kind} cut off", partial(host.set_link, False), watch, partial(host.set_link, True), (1.0, 8.0), name)
    for share in ("0.05", "0.20"):
        lossy = f"{kind} loses {float(share):.0%} of packets"
        yield Fault(lossy, partial(lose, share), watch, host.drop_nothing, (2.0, 8.0), name)
    # What it sends arrives, and what it is answered does not: its peers' connections stand half open.
    deaf = partial(host.drop, "INPUT")
    yield Fault(f"{kind} hears nothing", deaf, watch, host.drop_nothing, (2.0, 8.0), name)


def _of_program(site: Site, name: str) -> Iterator[Fault]:
    host, clock, watch = site.ground.hosts[name], site.ground.clocks[name], partial(_watch, site, name)
    kind = _kind(name)

    def vanish() -> None:
        """Die without a word to anybody: the cable goes first."""
        host.set_link(False)
        site.processes.kill(name)

    yield Fault(f"{kind} vanishes", vanish, watch, partial(host.set_link, True), (1.0, 4.0), name)
    stopped, awake = (partial(site.processes.signal, name, number) for number in (signal.SIGSTOP, signal.SIGCONT))
    yield Fault(f"{kind} stands still", stopped, watch, awake, _PAST_LEASES_S, name)
    for ahead_s in _LEAPS_S:
        leapt = f"{kind} has its clock {'ahead' if ahead_s > 0 else 'behind'} by an hour"
        yield Fault(leapt, partial(clock.set, ahead_s), watch, partial(clock.set, 0.0), (3.0, 8.0), name)


def _kind(name: str) -> str:
    """Return what several hosts are called together."""
    return name.rstrip(" 0123456789")


def _watch(site: Site, name: str) -> Callable[[], bool]:
    """Return the condition under which a host does its part again."""
    if name in site.doors:
        return partial(site.answers, name)
    if name in ("PACS", "archive"):
        return peer_progress(site, name.lower())
    if name.startswith("infer"):
        return Progress(site, lambda last: site.has_event(last, "claimed", "inferred") or not site.images("received"))
    if name.startswith("deliver"):
        return Progress(site, lambda last: site.has_event(last, "sent", "confirmed") or site.to_deliver() == 0)
    return progress(site)
