"""`auscult retry`, `reanalyse`, `release` and `abandon`: what a person decides."""

import click

from service.audit.administration_events import AuditedChange
from service.cli.marking import known_history, note_administered, note_marked
from service.cli.person import user_name
from service.ledger import Which
from service.operations.bootstrap import open_ledger, open_store
from service.operations.wake import Task, waker
from service.settings import load
from service.texts import texts_in
from service.vocabulary.errors import AuscultError, ObjectMissing
from service.vocabulary.facts import EventKind


@click.command()
@click.argument("uid", required=False)
def retry(uid: str | None) -> None:
    """Start again what was given up: failed analyses, dead deliveries, answers that peers could not be told.

    UID is a study's or an instance's; without it, everything that was given up is started again.
    """
    settings = load()
    ledger = open_ledger(settings)
    say = texts_in(settings.language)
    history = known_history(say, ledger, uid) if uid is not None else None
    count = ledger.remedies.retry(uid)
    if count:
        if history is not None:
            note_marked(settings, history, EventKind.RETRIED)
        else:
            note_administered(settings, AuditedChange.ALL_STUDIES, f"all that was given up was started again ({count})")
        for task in Task:
            waker(settings).wake(task)
    click.echo(say("command.started_again", count=count) if count else say("command.nothing_given_up"))


@click.command()
@click.argument("uid", required=False)
@click.option("--checkpoint", help="Every image whose result in force is of this checkpoint version.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reanalyse(uid: str | None, checkpoint: str | None, yes: bool) -> None:
    """Analyse images again, with the checkpoint that the workers have now.

    UID is a study's or an image's. New reports go out that supersede the earlier ones of these images; no other report
    is sent again.
    """
    settings = load()
    say = texts_in(settings.language)
    if (uid is None) == (checkpoint is None):
        raise AuscultError(say("command.which"))
    ledger, store = open_ledger(settings), open_store(settings)

    def is_kept(key: str) -> bool:
        try:
            store.read(key)
        except ObjectMissing:
            return False
        return True

    if not yes:
        click.confirm(say("command.reanalyse"), abort=True)
    count = ledger.remedies.reanalyse(Which(uid, checkpoint), is_kept, user_name())
    if count:
        if uid is not None:
            note_marked(settings, known_history(say, ledger, uid), EventKind.REANALYSIS_ASKED)
        else:
            what = f"all images of checkpoint {checkpoint} are to be analysed again ({count})"
            note_administered(settings, AuditedChange.ALL_STUDIES, what)
        waker(settings).wake(Task.INFER)
    click.echo(say("command.to_be_analysed", count=count) if count else say("command.nothing_to_analyse"))


@click.command()
@click.argument("study_uid")
@click.option("--yes", is_flag=True, help="Do not ask.")
def release(study_uid: str, yes: bool) -> None:
    """Let a held study go.

    Its images name two patients. Release it only when a person has made sure whose they are: its reports are sent then.
    """
    settings = load()
    ledger, say = open_ledger(settings), texts_in(settings.language)
    history = ledger.inspection.history(study_uid)
    reason = history.hold if history is not None and history.study.study_instance_uid == study_uid else None
    if history is None or reason is None:
        raise AuscultError(say("command.not_held", uid=study_uid))
    if not yes:
        click.echo(say("command.held", uid=study_uid, hold=say.of(reason)))
        click.confirm(say("command.release"), abort=True)
    if ledger.remedies.release(study_uid, user_name()):
        note_marked(settings, history, EventKind.STUDY_RELEASED)
    for task in Task:
        waker(settings).wake(task)
    click.echo(say("command.released"))


@click.command()
@click.argument("destination")
@click.option("--yes", is_flag=True, help="Do not ask.")
def abandon(destination: str, yes: bool) -> None:
    """Give up what has not reached a destination that the settings do not name any more.

    It is never sent, and the destination is not asked for what it took. The page of each study says so.
    """
    settings = load()
    ledger, say = open_ledger(settings), texts_in(settings.language)
    if destination in [item.name for item in settings.destinations]:
        raise AuscultError(say("command.still_named", destination=destination))
    count = ledger.abandonment.unsettled(destination)
    if not count:
        raise AuscultError(say("command.nothing_to_abandon", destination=destination))
    if not yes:
        click.confirm(say("command.abandon", destination=destination, count=count), abort=True)
    count = ledger.abandonment.abandon(destination, user_name())
    what = f"what had not reached the destination {destination} was given up ({count})"
    note_administered(settings, AuditedChange.ALL_STUDIES, what)
    click.echo(say("command.abandoned", count=count))
