"""`auscult db`: the ledger's tables."""

import click

from service.ledger import migration
from service.operations.bootstrap import make_data_dir
from service.settings import load
from service.texts import texts_in


@click.group()
def db() -> None:
    """Look after the ledger's tables."""


@db.command()
def upgrade() -> None:
    """Bring the ledger's tables to this version; needed before the first start and after an update."""
    settings = load()
    make_data_dir(settings)
    migration.upgrade(settings.database_url)
    click.echo(texts_in(settings.language)("db.upgraded"))


@db.command()
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(revision: str, yes: bool) -> None:
    """Take the ledger's tables back to an earlier version's REVISION, such as 0001, before that version is started."""
    settings = load()
    say = texts_in(settings.language)
    if not yes:
        click.confirm(say("db.downgrade"), abort=True)
    migration.downgrade(settings.database_url, revision)
    click.echo(say("db.downgraded", revision=revision))
