"""`auscult shadow`: which sources are in shadow, what their period shows, and how they leave it."""

import hashlib
from pathlib import Path

import click
from jinja2 import Environment, PackageLoader, StrictUndefined

from service.audit.administration_events import AuditedChange
from service.cli.marking import note_administered
from service.cli.person import user_name
from service.go_live import ReportSection, go_live
from service.ledger import Ledger
from service.ledger.shadow import ShadowView
from service.ledger.shadow_figures import shadow_figures
from service.operations.bootstrap import open_ledger
from service.process.clock import utc_now
from service.settings import Settings, load
from service.texts import Texts, texts_in
from service.vocabulary.errors import AuscultError
from service.vocabulary.shadow import Departure, ShadowSource


@click.group()
def shadow() -> None:
    """Look after sources in shadow: analysed and recorded, and nothing of them is sent.

    SOURCE is an AE title, or a machine's number as `auscult machines` lists it, behind a number sign: "#3".
    """


@shadow.command(name="list")
def list_sources() -> None:
    """List the sources that are in shadow, and what each still needs to leave it."""
    settings, ledger, say = _opened()
    standing = ledger.shadow.standing()
    for view in standing:
        click.echo(say.told(in_words(say, settings, view)))
    if not standing:
        click.echo(say("shadow.nobody"))


@shadow.command()
@click.argument("source")
def enter(source: str) -> None:
    """Put a source in shadow, from its next image on."""
    settings, ledger, say = _opened()
    named = _source(say, ledger, source)
    is_new = ledger.shadow.enter(named, user_name())
    if is_new:
        note_administered(settings, AuditedChange.SOFTWARE, f"{named} was put in shadow")
    click.echo(say("shadow.entered" if is_new else "shadow.was_in", source=named))


@shadow.command()
@click.argument("source")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The HTML file to write.")
def report(source: str, out: Path) -> None:
    """Write the go-live report of a source, and print it: agreement, alarm rate, turnaround, abstentions, days.

    The ledger keeps the file's digest: `auscult shadow leave` takes the last report of a source and no other.
    """
    _, ledger, say = _opened()
    view = ledger.shadow.view(_source(say, ledger, source))
    if view is None:
        raise AuscultError(say("shadow.not_in", source=source))
    sections = go_live(say, view, shadow_figures(ledger.engine, view), utc_now())
    content = _html(say, view, sections).encode()
    out.write_bytes(content)
    ledger.shadow.keep_report(view.source, hashlib.sha256(content).hexdigest())
    for section in sections:
        click.echo(section.heading)
        for name, value in section.rows:
            click.echo(f"  {name}: {value}")
    click.echo(say("shadow.written", file=out))


@shadow.command()
@click.argument("source")
@click.option(
    "--report",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The last go-live report of the source, as `auscult shadow report` wrote it.",
)
@click.option("--person", required=True, help="Who has read the report and answers for it.")
def leave(source: str, file: Path, person: str) -> None:
    """Let a source out of its shadow: what it sends from now on is reported.

    What it sent before stays in shadow for good.
    """
    settings, ledger, say = _opened()
    named = _source(say, ledger, source)
    if not person.strip():
        raise AuscultError(say("shadow.no_person"))
    if is_named(settings, named):
        raise AuscultError(say("shadow.still_named", source=named))
    came = ledger.shadow.leave(named, hashlib.sha256(file.read_bytes()).hexdigest(), person.strip())
    if came is not Departure.LEFT:
        raise AuscultError(say(f"shadow.{came.name.lower()}", source=named))
    note_administered(settings, AuditedChange.SOFTWARE, f"{named} left shadow on the word of {person.strip()}")
    click.echo(say("shadow.left", source=named, person=person.strip()))


def in_words(say: Texts, settings: Settings, view: ShadowView) -> str:
    """Return since when a source is in shadow, by whom, and what it still needs to leave."""
    since = f"{view.entered_at.astimezone():%Y-%m-%d %H:%M}"
    by = view.entered_by or say("shadow.by_settings")
    if view.reported_at is None:
        needs = say("shadow.needs_report", source=view.source)
    else:
        needs = say("shadow.needs_person", source=view.source, moment=f"{view.reported_at.astimezone():%Y-%m-%d %H:%M}")
    if is_named(settings, view.source):
        needs = say("shadow.needs_settings", needs=needs)
    return say("shadow.standing", source=view.source, since=since, by=by, needs=needs)


def is_named(settings: Settings, source: ShadowSource) -> bool:
    """Return whether the settings put a source in shadow."""
    return source.ae_title in {title.strip() for title in settings.shadow.ae_titles}


def _opened() -> tuple[Settings, Ledger, Texts]:
    settings = load()
    return settings, open_ledger(settings), texts_in(settings.language)


def _source(say: Texts, ledger: Ledger, name: str) -> ShadowSource:
    try:
        source = ShadowSource.named(name)
    except ValueError:
        raise AuscultError(say("shadow.no_source", name=name)) from None
    if source.machine_id is not None and not ledger.machines.known(source.machine_id):
        raise AuscultError(say("shadow.no_machine", name=name))
    if source.ae_title is not None and not 1 <= len(source.ae_title) <= 16:
        raise AuscultError(say("shadow.no_source", name=name))
    return source


def _html(say: Texts, view: ShadowView, sections: list[ReportSection]) -> str:
    loader = PackageLoader("service.web")
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return templates.get_template("golive.html").render(say=say, source=str(view.source), sections=sections)
