"""`auscult machines`: what sends images, how they compare with their reference, and which are in shadow."""

from collections.abc import Iterator

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.cli.look import print_json
from service.drift.overview import MachineRow, overview
from service.drift.watch import Watched
from service.ledger.drift import DriftGroup
from service.operations.bootstrap import open_ledger
from service.report.content import share_text
from service.settings import load
from service.texts import Texts, texts_in
from service.wording import json_value


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def machines(as_json: bool) -> None:
    """List the machines that send images, each view's figures beside those of its reference, and the alarms.

    Put one in shadow by `auscult shadow enter "#NUMBER"`.
    """
    settings = load()
    rows, say = overview(settings.drift, open_ledger(settings)), texts_in(settings.language)
    if as_json:
        print_json({"machines": json_value(rows)})
        return
    if not rows:
        click.echo(say("machines.none"))
        return
    Console().print(_table(say, rows))


def _table(say: Texts, rows: list[MachineRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    # Most sites have one, and a terminal has few columns.
    has_several = len({one.checkpoint_digest for row in rows for one in row.watched}) > 1
    named = ("number", "machine", "view", "kvp", *(["checkpoint"] if has_several else []))
    for code in (*named, "images", "positive", "abstained", "distance", "state"):
        table.add_column(say(f"machines.{code}"), overflow="fold")
    for row in rows:
        for view, band, count in row.seen.views:
            group = DriftGroup(row.seen.id, view, band)
            of_group: list[Watched | None] = [one for one in row.watched if one.group == group]
            for watched in of_group or [None]:
                # Text, not markup: a name may hold square brackets.
                told = [watched.checkpoint if watched is not None else "-"] if has_several else []
                table.add_row(*(Text(cell) for cell in _cells(say, row, group, count, watched, told)))
    return table


def _cells(
    say: Texts, row: MachineRow, group: DriftGroup, count: int, watched: Watched | None, checkpoint: list[str]
) -> Iterator[str]:
    yield f"#{row.seen.id}"
    yield row.name or say("machines.no_name")
    yield group.view_position or say("machines.no_view")
    yield say.of(group.kvp_band)
    yield from checkpoint
    yield str(count)
    latest, reference = (watched.latest, watched.reference) if watched is not None else (None, None)
    for name in ("positive", "abstained"):
        yield _beside(_share(getattr(latest, name, None)), _share(getattr(reference, name, None)))
    yield _beside(_number(getattr(latest, "distance", None)), _number(getattr(reference, "distance", None)))
    charts = watched.charts if watched is not None else ()
    alarms = [say.of(chart.characteristic) for chart in charts if chart.alarm_since is not None]
    state = ", ".join(alarms) or say("machines.quiet")
    yield f"{state}; {say('machines.in_shadow')}" if row.in_shadow else state


def _beside(now: str, reference: str) -> str:
    return f"{now} / {reference}"


def _share(value: float | None) -> str:
    return "-" if value is None else share_text(value)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
