"""Compare ways to do one thing in turns, so that a noisy neighbour slows all of them alike.

Absolute times on a shared machine move up to five-fold; the ratios within one interleaved run are what counts.
"""

import statistics
import time
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.table import Table


def measure(
    ways: Mapping[str, Callable[[], object]], rounds: int = 15, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Call each way once a round, after one round that does not count.

    Parameters
    ----------
    clock
        `time.process_time` counts what a laden machine cannot lengthen by much.

    Returns
    -------
    dict
        Seconds of each call, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = clock()
            way()
            if turn > 0:
                seconds[name].append(clock() - start)
    return seconds


def compare(title: str, ways: Mapping[str, Callable[[], object]], rounds: int = 15) -> None:
    """Measure, and print medians and the median of the ratios to the first way, round by round."""
    seconds = measure(ways, rounds)
    first = next(iter(seconds.values()))
    table = Table("way", "median ms", "fastest ms", "times the first", title=title, title_justify="left")
    for name, own in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(own, first, strict=True))
        table.add_row(name, f"{statistics.median(own) * 1e3:.2f}", f"{min(own) * 1e3:.2f}", f"{ratio:.2f}")
    Console().print(table)
