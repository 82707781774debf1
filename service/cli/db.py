"""`auscult db`: the ledger's tables."""

import click

from service.core import migration
from service.core.settings import load


@click.group()
def db() -> None:
    """Look after the ledger's tables."""


@db.command()
def upgrade() -> None:
    """Bring the ledger's tables to this version; needed before the first start and after an update."""
    settings = load()
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    migration.upgrade(settings.database_url)
    click.echo("the ledger's tables are of this version")
