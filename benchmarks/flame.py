"""Where an inference worker and the building of reports spend their processor time: two flame graphs.

Every thread of this process is looked at a few hundred times a second, and what it used since is laid to the functions
that it is in. What a library's own threads use is not seen.

Usage: python -m benchmarks.flame [--images 48] [--folder docs/images] [--name after]
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from html import escape
from pathlib import Path
from types import FrameType

import click

from benchmarks.bench_inference import Worker, radiographs

_EVERY_S = 0.003
_WIDTH, _ROW, _NARROWEST = 1200, 17, 2.0
_OURS = {"service": "#e8875a", "worker": "#e8b45a", "models": "#d9d062"}
_OTHERS = "#c9cdd2"
Stacks = dict[tuple[str, ...], float]


def sampled(work: Callable[[], object]) -> Stacks:
    """Return processor seconds by stack, outermost function first, while something is done."""
    found: Stacks = defaultdict(float)
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(found, done))
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return found


def _watch(found: Stacks, done: threading.Event) -> None:
    used: dict[int, float] = {}
    while not done.wait(_EVERY_S):
        for thread, frame in sys._current_frames().items():  # noqa: SLF001 - there is no other way to see the others
            if thread == threading.get_ident():
                continue
            with suppress(OSError):  # it has ended meanwhile
                now = time.clock_gettime(time.pthread_getcpuclockid(thread))
                spent = now - used.get(thread, now)
                used[thread] = now
                if spent > 0:
                    found[_stack(frame)] += spent


def _stack(frame: FrameType | None) -> tuple[str, ...]:
    names = []
    while frame is not None:
        names.append(f"{frame.f_globals.get('__name__', '')}.{frame.f_code.co_name}")
        frame = frame.f_back
    return tuple(reversed(names))


def drawn(stacks: Stacks, title: str) -> str:
    """Return a flame graph as SVG: each function above its caller, as wide as its share of the time."""
    whole = sum(stacks.values())
    depth = max(map(len, stacks))
    height = (depth + 2) * _ROW
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif"'
            f' font-size="11"><rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
        ),
        f'<text x="6" y="13" font-size="13">{escape(title)}</text>',
    ]
    _draw(parts, stacks, 0, 0.0, _WIDTH / whole, height)
    return "\n".join([*parts, "</svg>\n"])


def _draw(parts: list[str], stacks: Stacks, depth: int, left: float, scale: float, height: int) -> None:
    """Draw the frames of one depth from left to right, and above each what it called."""
    callees: dict[str, Stacks] = {}
    for stack, spent in sorted(stacks.items()):
        if len(stack) > depth:
            callees.setdefault(stack[depth], {})[stack] = spent
    for name, above in callees.items():
        spent = sum(above.values())
        width = spent * scale
        if width >= _NARROWEST:
            parts.append(_frame(name, left, width, height - (depth + 1) * _ROW, spent * scale / _WIDTH))
            _draw(parts, above, depth + 1, left, scale, height)
        left += width


def _frame(name: str, left: float, width: float, top: int, share: float) -> str:
    colour = _OURS.get(name.partition(".")[0], _OTHERS)
    short = ".".join(name.split(".")[-2:])
    letters = int(width / 6.2)
    label = short if len(short) <= letters else short[: letters - 1] + "…" if letters > 4 else ""
    return (
        f'<g><title>{escape(name)} {share:.1%}</title><rect x="{left:.1f}" y="{top}" width="{width - 0.5:.1f}"'
        f' height="{_ROW - 1}" fill="{colour}"/><text x="{left + 3:.1f}" y="{top + 12}">{escape(label)}</text></g>'
    )


def main() -> None:
    """Draw both, after a first turn that warms everything up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    parser.add_argument("--name", default="after", help="what the files' names end in")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auscult-flame-") as root:
        worker = Worker(Path(root) / "gateway", "float32")
        for images in (9, chosen.images):
            worker.receive(radiographs(), images)
            inferring, building = sampled(worker.analyse), sampled(worker.build)
        worker.close()
    for what, stacks in (("inference", inferring), ("reports", building)):
        milliseconds = 1000 * sum(stacks.values()) / chosen.images
        title = f"{what}: {milliseconds:.0f} processor ms an image, {chosen.images} radiographs"
        path = chosen.folder / f"flame-{what}-{chosen.name}.svg"
        path.write_text(drawn(stacks, title), encoding="utf-8")
        click.echo(f"{path}: {title}")


if __name__ == "__main__":
    main()
