"""`auscult logout`: ends a person's sessions at the page, in whatever browser they are."""

import click

from service.audit.administration_events import AuditedChange
from service.cli.marking import note_administered
from service.cli.speech import site_texts
from service.operations.bootstrap import open_ledger
from service.settings import load


@click.command()
@click.argument("name")
def logout(name: str) -> None:
    """End all sessions of NAME at the page.

    To keep the name out, take it out of the file of users, or out of the group at the hospital's provider, first.
    """
    settings = load()
    ended = open_ledger(settings).sign_ins.end_all(name)
    if ended:
        note_administered(settings, AuditedChange.USERS, f"all sessions of {name} were ended ({ended})")
    click.echo(site_texts().number_of("logout.ended", ended, name=name))
