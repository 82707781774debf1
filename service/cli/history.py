"""A study's history as text: what `auscult show` prints."""

from collections.abc import Iterable
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.ledger.message_views import MessageView
from service.ledger.views import InstanceView, ReportView, ResultView, StudyHistory
from service.process.clock import utc_now
from service.report.content import percent
from service.texts import Texts
from service.wording import calendar_date, person_name, reason_in_words
from service.worklist import answer_of, row_of


def print_history(say: Texts, console: Console, history: StudyHistory, uid: str) -> None:
    """Print a study; where the UID is one image's, that image's versions, reports and history alone."""
    chosen = {uid} if any(view.sop_instance_uid == uid for view in history.versions) else None
    console.print(Text(say("worklist.banner"), "italic yellow"))
    _print_study(say, console, history)
    for view in history.versions:
        if chosen is None or view.sop_instance_uid in chosen:
            _print_version(say, console, view)
    reports = [report for report in history.reports if chosen is None or report.source_sop_instance_uid in chosen]
    if reports:
        console.print(_reports(reports))
    if history.messages and chosen is None:
        console.print(_messages(history.messages))
    table = Table(title="History", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("time", "image", "event", "detail", "state"):
        table.add_column(heading, style="dim" if heading in ("time", "image") else "")
    for event in history.events:
        if chosen is None or event.sop_instance_uid in chosen:
            image = f"…{event.sop_instance_uid[-8:]} v{event.version}"
            table.add_row(_moment(event.at), image, event.event, Text(event.detail or ""), event.state.value)
    console.print(table)


def _print_study(say: Texts, console: Console, history: StudyHistory) -> None:
    study = history.study
    row = row_of(say, study, 1, utc_now())
    console.print(Text.assemble(("study ", "bold"), study.study_instance_uid))
    console.print(Text(f"  patient    {row.patient_name or 'no name'}, {row.patient_id or 'no Patient ID'}"))
    console.print(Text(f"  arrived    {_moment(study.first_received_at)}"))
    console.print(Text(f"  priority   {study.priority.name} ({say.of(study.priority_source)})"))
    if study.instances:
        console.print(Text(f"  AI result  {row.answer.sentence}", "bold"))
    if study.hold:
        console.print(Text(f"  ON HOLD    {say.of(study.hold)}; nothing of it is sent", "bold red"))


def _print_version(say: Texts, console: Console, view: InstanceView) -> None:
    console.print(Text.assemble(("\nimage ", "bold"), view.sop_instance_uid, f" version {view.version}"))
    identity = view.identity
    who = (person_name(identity.patient_name), identity.patient_id, calendar_date(identity.birth_date), identity.sex)
    console.print(Text(f"  identity   {', '.join(part for part in who if part) or 'none'}"))
    console.print(
        Text(f"  received   {_moment(view.received_at)} from {view.calling_ae_title}, {view.object_size} bytes")
    )
    if view.object_removed_at is not None:
        console.print(Text(f"  bytes      removed by retention at {_moment(view.object_removed_at)}"))
    reason = f" ({reason_in_words(say, view.reason)}{f': {view.detail}' if view.detail else ''})" if view.reason else ""
    console.print(Text(f"  state      {view.state.value}{reason}"))
    console.print(Text(f"  says       {answer_of(say, view).sentence}"))
    for flag in view.flags:
        console.print(Text(f"  note       {say.of(flag)}"))
    if view.result is not None:
        _print_result(say, console, view.result)


def _print_result(say: Texts, console: Console, result: ResultView) -> None:
    shares = ", ".join(
        f"{say.of(result.findings[name])} {percent(share)}" for name, share in result.probabilities.items()
    )
    console.print(Text(f"  classes    {shares}, at a prevalence of {100 * result.prevalence:.4g} %"))
    console.print(
        Text(
            f"  decided    P(pneumonia) {percent(result.p_pneumonia, (result.lower, result.upper))}; operating point"
            f" {result.operating_point}: negative below {100 * result.lower:.4g} %,"
            f" positive from {100 * result.upper:.4g} %"
        )
    )
    reused = "; the result of the earlier version, for its pixels are the same" if result.reused else ""
    console.print(
        Text(
            f"  computed   {result.checkpoint_name} {result.checkpoint_version} ({result.checkpoint_digest[:12]}),"
            f" {', '.join(f'{name} {value}' for name, value in result.runtime.items())}{reused}"
        )
    )


def _reports(reports: list[ReportView]) -> Table:
    table = Table(title="\nReports", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("object", "outcome", "destination", "state", "status", "sent", "confirmed", "SOP Instance UID"):
        table.add_column(heading, overflow="fold")
    for report in reports:
        if not report.deliveries:
            table.add_row(report.kind, report.outcome.value, "none", "", "", "", "", report.sop_instance_uid)
        for item in report.deliveries:
            state = f"{item.state.value}: {item.detail}" if item.detail else item.state.value
            table.add_row(
                report.kind,
                report.outcome.value,
                item.destination,
                Text(state),
                "" if item.status is None else f"0x{item.status:04X}",
                _moment(item.sent_at),
                _moment(item.confirmed_at),
                report.sop_instance_uid,
            )
    return table


def _messages(messages: Iterable[MessageView]) -> Table:
    table = Table(title="\nMessages", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("event", "destination", "state", "attempts", "time", "taken", "message ID"):
        table.add_column(heading, overflow="fold")
    for item in messages:
        state = f"{item.state.value}: {item.detail}" if item.detail else item.state.value
        moments = (_moment(item.occurred_at), _moment(item.confirmed_at))
        table.add_row(item.event.value, item.destination, Text(state), str(item.attempts), *moments, item.message_id)
    return table


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
