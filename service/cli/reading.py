"""`auscult close` and `reopen`: a person has read a study, or has to read it again."""

import click

from service.cli.marking import known_history, note_marked
from service.cli.person import user_name
from service.operations.bootstrap import open_ledger
from service.settings import load
from service.texts import texts_in
from service.vocabulary.facts import CloseSource, EventKind


@click.command()
@click.argument("uid")
def close(uid: str) -> None:
    """Take a study off the list, because it was read.

    UID is the study's, or that of an image or report in it. What comes after the reading says so and raises nothing; of
    a study with such images or results, closing it again says that they were seen.
    """
    settings = load()
    ledger, say = open_ledger(settings), texts_in(settings.language)
    history = known_history(say, ledger, uid)
    if ledger.readings.close(history.study.study_instance_uid, CloseSource.COMMAND, user_name()):
        note_marked(settings, history, EventKind.STUDY_CLOSED)
        click.echo(say("command.closed"))
    else:
        click.echo(say("command.nothing_to_close"))


@click.command()
@click.argument("uid")
def reopen(uid: str) -> None:
    """Put a study back on the list, because it has to be read again.

    UID is the study's, or that of an image or report in it. What came after the reading raises it now.
    """
    settings = load()
    ledger, say = open_ledger(settings), texts_in(settings.language)
    history = known_history(say, ledger, uid)
    if ledger.readings.reopen(history.study.study_instance_uid, user_name()):
        note_marked(settings, history, EventKind.STUDY_REOPENED)
        click.echo(say("command.reopened"))
    else:
        click.echo(say("command.nothing_to_reopen"))
