"""The migrations make the tables that the code is written for, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from service.core.database import TABLES, connect, is_current
from service.core.migration import configuration, upgrade
from service.core.records import Record


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    postgres_url: str = request.getfixturevalue("postgres_url")
    return postgres_url


def test_the_newest_migration_is_the_one_the_code_is_written_for() -> None:
    assert ScriptDirectory.from_config(configuration("sqlite://")).get_current_head() == TABLES


def test_an_empty_database_is_not_current_and_an_upgraded_one_is(url: str) -> None:
    engine = connect(url)
    assert not is_current(engine)
    upgrade(url)
    assert is_current(engine)
    upgrade(url)
    engine.dispose()


def test_the_migrations_make_exactly_the_tables_of_the_records(url: str) -> None:
    upgrade(url)
    engine = connect(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Record.metadata) == []
    engine.dispose()


def test_what_an_earlier_version_wrote_survives_an_upgrade_and_the_way_back(url: str) -> None:
    command.upgrade(configuration(url), "0001")
    engine = connect(url)
    study = {"study_instance_uid": "1.2.3", "moment": "2026-03-01 12:00:00+00:00"}
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO studies"
                " (study_instance_uid, first_received_at, reading_rank_at, priority, priority_source)"
                " VALUES (:study_instance_uid, :moment, :moment, 0, 'default')"
            ),
            study,
        )
    for step in (lambda: upgrade(url), lambda: command.downgrade(configuration(url), "0001"), lambda: upgrade(url)):
        step()
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT study_instance_uid FROM studies")) == "1.2.3"
    assert is_current(engine)
    engine.dispose()


def test_every_migration_can_be_taken_back(url: str) -> None:
    upgrade(url)
    command.downgrade(configuration(url), "base")
    engine = connect(url)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()
