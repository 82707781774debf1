"""Bring the ledger's tables to this version; apart from the database, for Alembic is slow to import."""

from alembic import command
from alembic.config import Config


def upgrade(url: str) -> None:
    """Run the migrations that a database lacks; without effect on current tables."""
    command.upgrade(configuration(url), "head")


def configuration(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    config = Config()
    config.set_main_option("script_location", "migrations:")
    config.attributes["url"] = url
    return config
