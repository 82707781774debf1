"""`auscult status`, `auscult show` and `auscult worklist`: look into the ledger from a terminal."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from service.alarms import alarms
from service.ledger import Ledger
from service.ledger.views import StatusView
from service.operations.bootstrap import open_ledger
from service.process.clock import utc_now
from service.refused import RefusedCaller, refused_callers
from service.settings import load
from service.texts import Texts, texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import Standing
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
    found = alarms(say, view, now)
    if as_json:
        print_json({**json_value(view), "alarms": json_value(found), "refused": json_value(refused)})
        return
    console = Console()
    for alarm in found:
        console.print(f"[bold red]{alarm.text}[/] Remedy: [bold]{alarm.remedy}[/]", highlight=False, soft_wrap=True)
    console.print(_status_table(say, view))
    _print_refused(console, refused)


def _print_refused(console: Console, refused: Sequence[RefusedCaller]) -> None:
    if not refused:
        return
    console.print(Text("\nnot let in this week, the latest first", "bold"))
    for caller in refused:
        # Text, not markup: an AE title may hold square brackets.
        console.print(Text.assemble((f"  {caller.sentence}", "bold red"), f": {caller.why}"), soft_wrap=True)


def _status_table(say: Texts, view: StatusView) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("studies", str(view.studies))
    table.add_row("studies: to be read", str(view.open_studies))
    if view.came_after:
        table.add_row("studies: something came after they were read", str(view.came_after))
    _add_counts(table, "images", {state.value: count for state, count in view.states.items()})
    _add_counts(table, "results", {outcome.value: count for outcome, count in view.outcomes.items()})
    _add_counts(table, "not analysed", {reason_in_words(say, name): count for name, count in view.out_of_scope.items()})
    for destination, counts in view.outbox.items():
        _add_counts(table, f"to {destination}", {state.value: count for state, count in counts.items()})
    waiting = {state.value: count for state, count in view.commitment_requests.items()}
    _add_counts(table, "storage commitment to peers", waiting)
    if view.oldest_waiting_since is not None:
        table.add_row("oldest waiting", duration(say, utc_now() - view.oldest_waiting_since))
    return table


def _add_counts(table: Table, title: str, counts: Mapping[str, int]) -> None:
    for name, count in sorted(counts.items()):
        table.add_row(f"{title}: {name}", str(count))


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
    console = Console()
    if not watch:
        console.print(_worklist(say, ledger, limit, uids))
        return
    with Live(_worklist(say, ledger, limit, uids), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(2)
                live.update(_worklist(say, ledger, limit, uids), refresh=True)
        except KeyboardInterrupt:
            return


def _worklist(say: Texts, ledger: Ledger, limit: int, uids: bool) -> Group:
    now = utc_now()
    table = Table(title=say("worklist.banner"), title_style="italic yellow", title_justify="left", expand=True)
    for heading in ("#", "priority", "patient", "accession", "arrived", "AI result (preliminary)", "reports"):
        table.add_column(heading, justify="right" if heading == "#" else "left")
    listed = rows(say, ledger.reading_list, now, limit)
    for row in listed:
        table.add_row(*_cells(say, row, uids))
    found = [
        Text(f"{alarm.text} Remedy: {alarm.remedy}", "bold red")
        for alarm in alarms(say, ledger.inspection.status(), now)
    ]
    return Group(*found, table if listed else Text("no study has arrived yet"))


def _cells(say: Texts, row: Row, uids: bool) -> list[Text]:
    # Text, not markup: a name may hold square brackets.
    facts = " · ".join(fact for fact in (row.patient_id, row.birth_date, row.sex) if fact)
    patient = Text.assemble((row.patient_name or "no name", "bold"), f"\n{facts}")
    if uids:
        patient.append(f"\n{row.study_instance_uid}", "dim")
    answer = Text(row.answer.sentence, _STYLES[row.answer.standing])
    for line in (*(f"also: {sentence}" for sentence in row.also), *map(say.of, row.flags)):
        answer.append(f"\n{line}", "dim")
    reports = ["nothing is sent"] if row.held else [f"{item.destination} {item.state.value}" for item in row.deliveries]
    dead = any(item.state is DeliveryState.DEAD for item in row.deliveries)
    return [
        Text(str(row.number)),
        Text.assemble((row.priority.name, _PRIORITY_STYLES[row.priority]), (f"\n{say.of(row.priority_source)}", "dim")),
        patient,
        Text(row.accession_number),
        Text(f"{row.arrived_at.astimezone():%H:%M}\n{duration(say, row.waited)} ago"),
        answer,
        Text("\n".join(reports), "red" if row.held or dead else "default"),
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
        raise AuscultError(
            f"the ledger knows no study, image or report {uid}; `auscult worklist --uids` lists the studies"
        )
    if as_json:
        print_json({"notice": say("worklist.banner"), **json_value(history)})
        return
    from service.cli.history import print_history

    print_history(say, Console(), history, uid)
