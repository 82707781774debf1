"""`auscult simulate`: what the order of reading gains and costs a site, from its own arrivals."""

import csv
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import click
from rich.console import Console
from rich.table import Table

from service.operations.bootstrap import open_ledger
from service.settings import load
from service.simulation import Case, Waits, begins, reading_times, scaled, waits
from service.texts import Texts, texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import Discipline
from service.vocabulary.states import Priority

_COLOURS = {Discipline.FIRST_COME: "#8fa0af", Discipline.OURS: "#0d7f90", Discipline.STRICT: "#c2570c"}


class _Line(NamedTuple):
    load: float
    discipline: Discipline
    priority: Priority | None
    waits: Waits


@click.command()
@click.option("--log", type=click.Path(path_type=Path), help="CSV: arrived, priority and, if known, reading_seconds.")
@click.option("--from-ledger", is_flag=True, help="The studies that this gateway has received.")
@click.option("--load", "loads", multiple=True, type=click.FloatRange(0.01, 5), help="Share of busy time; repeatable.")
@click.option("--readers", default=1, show_default=True, type=click.IntRange(1, 100), help="Who read at once.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write the figures as an SVG picture.")
def simulate(log: Path | None, from_ledger: bool, loads: Sequence[float], readers: int, plot: Path | None) -> None:
    """Show how long studies would wait: first-come, in our order, and by strict priority.

    The arrivals and their priorities are the site's own; readings are scaled to each load. Without --load, to 0.8, 0.95
    and 1.1: above 1 more arrives than is read. Every figure is in minutes from arrival to the begin of reading.
    """
    settings = load()
    say = texts_in(settings.language)
    if (log is None) == (not from_ledger):
        raise AuscultError(say("simulate.which"))
    if log is not None:
        cases = _of_log(log, say)
    else:
        arrivals = open_ledger(settings).reading_list.arrivals()
        times = reading_times([read for _, _, read in arrivals if read], len(arrivals))
        cases = [Case(at, priority, time) for (at, priority, _), time in zip(arrivals, times, strict=True)]
    if len({case.arrived_at for case in cases}) < 2:
        raise AuscultError(say("simulate.too_few"))
    lines = []
    for share in loads or (0.8, 0.95, 1.1):
        busy = scaled(cases, share, readers)
        for discipline in Discipline:
            begun = begins(busy, discipline, settings.worklist.reading_order, readers)
            lines += [_Line(share, discipline, *found) for found in waits(busy, begun)]
    Console().print(_table(lines, say))
    if plot is not None:
        plot.write_bytes(_picture(lines, say))


def _of_log(path: Path, say: Texts) -> list[Case]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise AuscultError(say("simulate.no_log", path=path)) from None
    drawn = reading_times([], len(rows))
    return [_case(row, number, drawn[number], path, say) for number, row in enumerate(rows)]


def _case(row: dict[str, str | None], number: int, drawn: float, path: Path, say: Texts) -> Case:
    try:
        arrived_at = datetime.fromisoformat(str(row["arrived"])).astimezone()
        seconds = float(row.get("reading_seconds") or drawn)
        if not 0 < seconds < float("inf"):
            raise ValueError
        return Case(arrived_at, Priority[str(row["priority"]).strip().upper()], seconds)
    except (KeyError, ValueError, OverflowError):
        raise AuscultError(say("simulate.bad_line", path=path, line=number + 2)) from None


def _table(lines: Sequence[_Line], say: Texts) -> Table:
    table = Table(box=None, pad_edge=False)
    for code in ("load", "order", "class", "studies", "mean", "p95", "longest"):
        table.add_column(say(f"simulate.{code}"), justify="left" if code in ("order", "class") else "right")
    before = None
    for line in lines:
        if before not in (None, line.discipline):
            table.add_section()
        before = line.discipline
        found = line.waits
        minutes = [f"{seconds / 60:.0f}" for seconds in (found.mean, found.p95, found.longest)]
        table.add_row(f"{line.load:g}", say.of(line.discipline), _class(line, say), str(found.studies), *minutes)
    return table


def _class(line: _Line, say: Texts) -> str:
    return say("simulate.all") if line.priority is None else say.of(line.priority)


def _picture(lines: Sequence[_Line], say: Texts) -> bytes:
    """Draw mean and longest wait of each class as bars, on a scale of their own for each load."""
    height = 22 * len(lines) + 40
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 900 {height}"})
    root.set("font-family", "sans-serif")
    root.set("font-size", "12")
    for place, line in enumerate(lines):
        y = 30 + 22 * place
        most = max(other.waits.longest for other in lines if other.load == line.load) or 1.0
        label = f"{line.load:g} · {say.of(line.discipline)} · {_class(line, say)}"
        ET.SubElement(root, "text", {"x": "8", "y": str(y + 12)}).text = label
        for width, opacity in ((line.waits.longest, "0.35"), (line.waits.mean, "1")):
            bar = {"x": "300", "y": str(y), "width": f"{420 * width / most:.1f}", "height": "15"}
            ET.SubElement(root, "rect", {**bar, "fill": _COLOURS[line.discipline], "fill-opacity": opacity})
        figures = f"{line.waits.mean / 60:.0f} / {line.waits.longest / 60:.0f}"
        ET.SubElement(root, "text", {"x": "730", "y": str(y + 12)}).text = figures
    title = f"{say('simulate.mean')} / {say('simulate.longest')}"
    ET.SubElement(root, "text", {"x": "730", "y": "18"}).text = title
    drawn: bytes = ET.tostring(root, encoding="utf-8")
    return drawn
