"""A study's history as text: what `auscult show` prints."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from service.ledger.message_views import MessageView
from service.ledger.views import InstanceView, ReportView, ResultView, StudyHistory
from service.process.clock import utc_now
from service.report.content import percent, share_text
from service.texts import Texts
from service.vocabulary.facts import EventKind
from service.vocabulary.report_kinds import STUDY_KINDS, ReportKind
from service.wording import calendar_date, detail_in_words, order_in_words, person_name, reason_in_words
from service.worklist import answer_of, row_of

#: What stands on the left, and what it is.
Lines = Iterator[tuple[str, str | Text]]


def print_history(say: Texts, console: Console, history: StudyHistory, uid: str) -> None:
    """Print a study; where the UID is one image's, that image's versions, reports and history alone.

    Reports about the whole study are among them, whichever image they were built for.
    """
    chosen = {uid} if any(view.sop_instance_uid == uid for view in history.versions) else None
    console.print(Text(say("worklist.banner"), "italic yellow"))
    console.print(Text.assemble((f"{say('show.study')} ", "bold"), history.study.study_instance_uid))
    console.print(_listed(_study(say, history)))
    for view in history.versions:
        if chosen is None or view.sop_instance_uid in chosen:
            version = say("show.version", version=view.version)
            console.print(Text.assemble((f"\n{say('show.image')} ", "bold"), f"{view.sop_instance_uid} {version}"))
            console.print(_listed(_version(say, view)))
    reports = [
        report
        for report in history.reports
        if chosen is None or report.source_sop_instance_uid in chosen or report.kind in STUDY_KINDS
    ]
    if reports:
        console.print(_reports(say, reports))
    if history.messages and chosen is None:
        console.print(_messages(say, history.messages))
    console.print(_events(say, history, chosen))


def _listed(lines: Iterable[tuple[str, str | Text]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in lines:
        table.add_row(Text(f"  {name}"), value if isinstance(value, Text) else Text(value))
    return table


def _study(say: Texts, history: StudyHistory) -> Lines:
    study = history.study
    row = row_of(say, study, 1, utc_now())
    patient_id = row.patient_id or say("worklist.no_patient_id")
    yield say("show.patient"), f"{row.patient_name or say('worklist.no_name')}, {patient_id}"
    yield say("show.arrived"), _moment(study.first_received_at)
    priority, source = say.of(study.priority), say.of(study.priority_source)
    yield say("show.priority"), say("show.priority_because", priority=priority, source=source)
    if study.reading is not None:
        source, late = say.of(study.reading.source), study.reading.came_after_at
        yield say("show.read"), say("reading.read", time=_moment(study.reading.at), source=source)
        if late is not None:
            yield say("show.note"), say("reading.late", time=_moment(late))
    for order in history.orders:
        yield say("order.title"), f"{_moment(order.heard_at)} {order_in_words(say, order)}"
    if study.instances:
        yield say("show.result"), Text(row.answer.sentence, "bold")
    if study.hold:
        yield say("show.on_hold"), Text(say("show.held", hold=say.of(study.hold)), "bold red")


def _version(say: Texts, view: InstanceView) -> Lines:
    identity = view.identity
    who = (person_name(identity.patient_name), identity.patient_id, calendar_date(identity.birth_date), identity.sex)
    yield say("show.identity"), ", ".join(part for part in who if part) or say("show.no_identity")
    received_at, title = _moment(view.received_at), view.calling_ae_title
    yield say("show.received"), say("show.received_from", moment=received_at, title=title, size=view.object_size)
    if view.object_removed_at is not None:
        yield say("show.bytes"), say("show.bytes_removed", moment=_moment(view.object_removed_at))
    yield say("show.state"), _state(say, view)
    yield say("show.says"), answer_of(say, view).sentence
    for flag in view.flags:
        yield say("show.note"), say.of(flag)
    if view.result is not None:
        yield from _result(say, view.result)


def _state(say: Texts, view: InstanceView) -> str:
    state = say.of(view.state)
    if not view.reason:
        return state
    told = say("show.because", state=state, reason=reason_in_words(say, view.reason))
    return f"{told}: {view.detail}" if view.detail else told


def _result(say: Texts, result: ResultView) -> Lines:
    shares = ", ".join(
        f"{say.of(result.findings[name])} {percent(share)}" for name, share in result.probabilities.items()
    )
    yield say("show.classes"), say("show.at_prevalence", shares=shares, prevalence=share_text(result.prevalence))
    decision = say(
        "show.decision",
        probability=percent(result.p_pneumonia, (result.lower, result.upper)),
        name=result.operating_point,
        lower=share_text(result.lower),
        upper=share_text(result.upper),
    )
    yield say("show.decided"), decision
    computed = say(
        "show.computed_with",
        checkpoint=f"{result.checkpoint_name} {result.checkpoint_version}",
        digest=result.checkpoint_digest[:12],
        runtime=", ".join(f"{name} {value}" for name, value in result.runtime.items()),
    )
    yield say("show.computed"), say("show.reused", computed=computed) if result.reused else computed
    if result.calibration_digest is not None:
        yield say("status.calibration"), result.calibration_digest[:12]


def _reports(say: Texts, reports: list[ReportView]) -> Table:
    table = Table(title=f"\n{say('show.reports')}", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for code in ("object", "outcome", "destination", "state", "status", "sent", "confirmed"):
        table.add_column(say(f"show.{code}"), overflow="fold")
    table.add_column("SOP Instance UID", overflow="fold")
    for report in reports:
        what = (say.of_stored(ReportKind, report.kind), say.of(report.outcome))
        if not report.deliveries:
            table.add_row(*what, say("show.no_destination"), "", "", "", "", report.sop_instance_uid)
        for item in report.deliveries:
            state = say.of(item.state)
            table.add_row(
                *what,
                item.destination,
                Text(f"{state}: {item.detail}" if item.detail else state),
                "" if item.status is None else f"0x{item.status:04X}",
                _moment(item.sent_at),
                _moment(item.confirmed_at),
                report.sop_instance_uid,
            )
    return table


def _messages(say: Texts, messages: Iterable[MessageView]) -> Table:
    title = f"\n{say('show.messages')}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for code in ("event", "destination", "state", "attempts", "time", "taken", "message_id"):
        table.add_column(say(f"show.{code}"), overflow="fold")
    for item in messages:
        state = say.of(item.state)
        told = Text(f"{state}: {item.detail}" if item.detail else state)
        moments = (_moment(item.occurred_at), _moment(item.confirmed_at))
        table.add_row(say.of(item.event), item.destination, told, str(item.attempts), *moments, item.message_id)
    return table


def _events(say: Texts, history: StudyHistory, chosen: set[str] | None) -> Table:
    table = Table(title=say("show.history"), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for code in ("time", "image", "event", "detail", "state"):
        table.add_column(say(f"show.{code}"), style="dim" if code in ("time", "image") else "")
    for event in history.events:
        if chosen is None or event.sop_instance_uid in chosen:
            image = f"…{event.sop_instance_uid[-8:]} v{event.version}"
            name = say.of_stored(EventKind, event.event)
            detail = Text(" ".join(filter(None, (detail_in_words(say, event.facts), event.detail))))
            table.add_row(_moment(event.at), image, name, detail, say.of(event.state))
    return table


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
