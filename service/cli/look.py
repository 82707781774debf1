"""`auscult status`, `auscult show` and `auscult worklist`: look into the ledger from a terminal."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from service.alarms import alarms_of
from service.ledger import Ledger
from service.ledger.turnarounds import Turnaround
from service.ledger.views import StatusView
from service.operations.bootstrap import open_ledger
from service.process.clock import utc_now
from service.refused import RefusedCaller, refused_callers
from service.settings import TurnaroundSettings, load
from service.texts import Texts, texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import Standing
from service.vocabulary.figures import TURNAROUNDS
from service.vocabulary.states import DeliveryState, Priority
from service.wording import duration, json_value, reason_in_words
from service.worklist import Row, rows

_STYLES = {
    Standing.HELD: "bold red",
    Standing.POSITIVE: "bold dark_orange",
    Standing.INDETERMINATE: "yellow",
    Standing.FAILED: "bold red",
    Standing.WAITING: "blue",
    Standing.NOT_ANALYSED: "magenta",
    Standing.NEGATIVE: "default",
}
_PRIORITY_STYLES = {Priority.STAT: "bold red", Priority.URGENT: "bold dark_orange", Priority.ROUTINE: "dim"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for a monitor.")
def status(as_json: bool) -> None:
    """Show how many images are in which state, what waits, what a person has to see to, and who was not let in."""
    settings, now = load(), utc_now()
    ledger, say = open_ledger(settings), texts_in(settings.language)
    view, refused = ledger.inspection.status(), refused_callers(say, ledger, now)
    found = alarms_of(say, ledger, settings.turnaround, view, now)
    if as_json:
        took = json_value(ledger.turnarounds.by_source(timedelta(days=1)))
        more = {"alarms": json_value(found), "refused": json_value(refused), "turnaround": took}
        print_json({**json_value(view), **more})
        return
    console = Console()
    for alarm in found:
        told = Text.assemble((alarm.text, "bold red"), f" {say('alarm.remedy')} ", (alarm.remedy, "bold"))
        console.print(told, soft_wrap=True)
    console.print(_status_table(say, view))
    for in_use in ledger.drift.in_use():
        if in_use.calibration_digest is not None:
            console.print(Text(f"{say('status.calibration')}: {in_use.calibration_digest[:12]}"))
    _print_turnarounds(say, console, ledger.turnarounds.by_source(timedelta(days=1)))
    _print_refused(say, console, refused)


def _print_turnarounds(say: Texts, console: Console, by_source: Mapping[str, Mapping[str, Turnaround]]) -> None:
    if not by_source:
        return
    console.print(Text(f"\n{say('status.turnaround')}", "bold"))
    table = Table(box=None, pad_edge=False)
    table.add_column(say("page.filter.source"))
    for figure in TURNAROUNDS:
        table.add_column(say(f"turnaround.{figure.name}"), justify="right")
    for source, found in by_source.items():
        table.add_row(Text(source), *(_quantiles(say, found.get(figure.name)) for figure in TURNAROUNDS))
    console.print(table)


def _quantiles(say: Texts, turnaround: Turnaround | None) -> str:
    return f"{duration(say, turnaround.median)} / {duration(say, turnaround.p95)}" if turnaround is not None else ""


def _print_refused(say: Texts, console: Console, refused: Sequence[RefusedCaller]) -> None:
    if not refused:
        return
    console.print(Text(f"\n{say('status.not_let_in')}", "bold"))
    for caller in refused:
        # Text, not markup: an AE title may hold square brackets.
        console.print(Text.assemble((f"  {caller.sentence}", "bold red"), f": {caller.why}"), soft_wrap=True)


def _status_table(say: Texts, view: StatusView) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, count in _counts(say, view):
        table.add_row(name, str(count))
    if view.oldest_waiting_since is not None:
        table.add_row(say("status.oldest_waiting"), duration(say, utc_now() - view.oldest_waiting_since))
    return table


def _counts(say: Texts, view: StatusView) -> Iterator[tuple[str, int]]:
    yield say("status.studies"), view.studies
    yield say("status.open_studies"), view.open_studies
    if view.came_after:
        yield say("status.came_after"), view.came_after
    for state, count in view.states.items():
        yield say("status.images", state=say.of(state)), count
    for outcome, count in view.outcomes.items():
        yield say("status.results", outcome=say.of(outcome)), count
    for reason, count in view.out_of_scope.items():
        yield say("status.not_analysed", reason=reason_in_words(say, reason)), count
    for destination, counts in view.outbox.items():
        for delivery, count in counts.items():
            yield say("status.outbox", destination=destination, state=say.of(delivery)), count
    for order, count in view.orders.items():
        yield say("status.orders", state=say.of(order)), count
    for commitment, count in view.commitment_requests.items():
        yield say("status.commitments", state=say.of(commitment)), count


@click.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="Most studies to list.")
@click.option("--uids", is_flag=True, help="List the Study Instance UIDs too.")
@click.option("--watch", is_flag=True, help="Keep the list current until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def worklist(limit: int, uids: bool, watch: bool, as_json: bool) -> None:
    """List the studies in the order of reading."""
    settings = load()
    ledger, say = open_ledger(settings), texts_in(settings.language)
    if as_json:
        listed = rows(say, ledger.reading_list, utc_now(), limit)
        print_json({"notice": say("worklist.banner"), "rows": json_value(listed)})
        return
    console, wanted = Console(), settings.turnaround
    if not watch:
        console.print(_worklist(say, ledger, limit, uids, wanted))
        return
    with Live(_worklist(say, ledger, limit, uids, wanted), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(2)
                live.update(_worklist(say, ledger, limit, uids, wanted), refresh=True)
        except KeyboardInterrupt:
            return


def _worklist(say: Texts, ledger: Ledger, limit: int, uids: bool, wanted: TurnaroundSettings) -> Group:
    now = utc_now()
    table = Table(title=say("worklist.banner"), title_style="italic yellow", title_justify="left", expand=True)
    table.add_column("#", justify="right")
    for code in ("priority", "patient", "accession", "arrived", "result", "reports"):
        table.add_column(say(f"worklist.{code}"))
    listed = rows(say, ledger.reading_list, now, limit)
    for row in listed:
        table.add_row(*_cells(say, row, uids))
    found = [
        Text(say("worklist.alarm", text=alarm.text, remedy=alarm.remedy), "bold red")
        for alarm in alarms_of(say, ledger, wanted, ledger.inspection.status(), now)
    ]
    return Group(*found, table if listed else Text(say("worklist.empty")))


def _cells(say: Texts, row: Row, uids: bool) -> list[Text]:
    # Text, not markup: a name may hold square brackets.
    facts = " · ".join(fact for fact in (row.patient_id, row.birth_date, row.sex) if fact)
    patient = Text.assemble((row.patient_name or say("worklist.no_name"), "bold"), f"\n{facts}")
    if uids:
        patient.append(f"\n{row.study_instance_uid}", "dim")
    answer = Text(row.answer.sentence, _STYLES[row.answer.standing])
    for line in (*(say("worklist.also", sentence=sentence) for sentence in row.also), *map(say.of, row.flags)):
        answer.append(f"\n{line}", "dim")
    reports = [
        say("worklist.delivery", destination=item.destination, state=say.of(item.state)) for item in row.deliveries
    ]
    dead = any(item.state is DeliveryState.DEAD for item in row.deliveries)
    return [
        Text(str(row.number)),
        Text.assemble(
            (say.of(row.priority), _PRIORITY_STYLES[row.priority]), (f"\n{say.of(row.priority_source)}", "dim")
        ),
        patient,
        Text(row.accession_number),
        Text(f"{row.arrived_at.astimezone():%H:%M}\n{say('worklist.ago', span=duration(say, row.waited))}"),
        answer,
        Text(
            "\n".join([say("worklist.nothing_sent")] if row.held else reports), "red" if row.held or dead else "default"
        ),
    ]


def print_json(value: Any) -> None:
    """Print JSON on standard output, as UTF-8."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


@click.command()
@click.argument("uid")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(uid: str, as_json: bool) -> None:
    """Show all that is known of a study, an image or a report, by its UID: versions, results, reports, history."""
    settings = load()
    say = texts_in(settings.language)
    history = open_ledger(settings).inspection.history(uid)
    if history is None:
        raise AuscultError(say("command.unknown_uid", uid=uid))
    if as_json:
        print_json({"notice": say("worklist.banner"), **json_value(history)})
        return
    from service.cli.history import print_history

    print_history(say, Console(), history, uid)
