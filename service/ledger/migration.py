"""Bring the ledger's tables to this version; apart from the database, for Alembic is slow to import."""

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine, make_url, text

from service.ledger.database import connect, tables_problem, told, writing
from service.ledger.kept_counts import KeptCounts
from service.ledger.record_base import Record
from service.vocabulary.errors import AuscultError, LedgerUnavailable


def upgrade(url: str) -> None:
    """Run the migrations that a database lacks; without effect on current tables.

    Raises
    ------
    LedgerUnavailable
        When the database cannot be reached or written, or a later version made its tables.
    """
    engine = connect(url)
    try:
        with told(make_url(url)):
            is_current = tables_problem(engine) is None
            command.upgrade(configuration(url), "head")
            _make_statistics(engine)
            if not is_current:  # counting reads all of history: not at every start
                KeptCounts(engine).recount()
    except CommandError:
        raise LedgerUnavailable(tables_problem(engine)) from None
    finally:
        engine.dispose()


def _make_statistics(engine: Engine) -> None:
    """Give PostgreSQL the statistics that it lacks after a restore; SQLite needs none.

    They are of our own tables alone, for the database may hold others, and made once there is something to know.
    """
    if engine.dialect.name != "postgresql":
        return
    lacks = (
        "SELECT EXISTS (SELECT FROM instances) AND NOT EXISTS"
        " (SELECT FROM pg_stats WHERE schemaname = current_schema() AND tablename = 'instances')"
    )
    with writing(engine) as session:
        if session.scalar(text(lacks)):
            session.execute(text(f"ANALYZE {', '.join(sorted(Record.metadata.tables))}"))


def downgrade(url: str, revision: str) -> None:
    """Take the tables back to an earlier revision.

    Raises
    ------
    AuscultError
        When there is no such revision.
    LedgerUnavailable
        When the database cannot be reached or written.
    """
    try:
        with told(make_url(url)):
            command.downgrade(configuration(url), revision)
    except CommandError:
        raise AuscultError(f"there is no revision {revision} to go back to; the older version names its own") from None


def configuration(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    config = Config()
    config.set_main_option("script_location", "migrations:")
    config.attributes["url"] = url
    return config
