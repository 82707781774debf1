"""The migrations make the tables that the code is written for, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, event, inspect, select, text

from service.ledger.database import TABLES, connect, tables_problem
from service.ledger.migration import configuration, upgrade
from service.ledger.record_base import Record
from service.operations.bootstrap import open_ledger
from service.settings import Settings
from service.vocabulary.errors import LedgerUnavailable
from tests.invariants import Invariant
from tests.service.sample_site import SampleSite, busy_morning

#: The tables of version 0.1.0.
FIRST = "0001"


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
    assert "no tables" in str(tables_problem(engine))
    upgrade(url)
    assert tables_problem(engine) is None
    upgrade(url)
    engine.dispose()


def test_our_own_tables_get_the_statistics_that_a_restore_left_out_and_get_them_once(
    postgres_url: str, tmp_path: Path
) -> None:
    analysed = text("SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'public' ORDER BY tablename")
    site = SampleSite(tmp_path, postgres_url)
    with site.engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs AS SELECT 1 AS number"))
    upgrade(postgres_url)
    with site.engine.connect() as connection:
        assert connection.scalars(analysed).all() == [], "there is nothing to know of an empty ledger"
    site.receive()
    upgrade(postgres_url)
    with site.engine.connect() as connection:
        found = connection.scalars(analysed).all()
        assert {"instances", "studies", "events"} <= set(found) <= set(Record.metadata.tables)
    site.receive()
    ran: list[str] = []
    event.listen(Engine, "before_cursor_execute", note := lambda *arguments: ran.append(arguments[2]))
    upgrade(postgres_url)
    event.remove(Engine, "before_cursor_execute", note)
    assert ran
    assert not any(statement.startswith("ANALYZE") for statement in ran)
    site.close()


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
    assert tables_problem(engine) is None
    engine.dispose()


def test_every_migration_can_be_taken_back(url: str) -> None:
    upgrade(url)
    command.downgrade(configuration(url), "base")
    engine = connect(url)
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()


def content(url: str) -> dict[str, list[dict[str, object]]]:
    """Return every row of every table, by the names of its columns."""
    engine = connect(url)
    tables = MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        found = {
            name: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for name, table in tables.tables.items()
            if name != "alembic_version"
        }
    engine.dispose()
    return found


def test_a_ledger_with_a_morning_in_it_is_brought_to_this_version_and_back(url: str, tmp_path: Path) -> None:
    busy_morning(tmp_path / "data", url).close()
    command.downgrade(configuration(url), FIRST)
    before = content(url)
    assert len(before["instances"]) > 20
    assert len(before["deliveries"]) > 20

    upgrade(url)
    after = content(url)
    for name, rows in before.items():
        assert [{column: row[column] for column in rows[0]} for row in after[name]] == rows if rows else not after[name]
    ledger = open_ledger(Settings(data_dir=tmp_path / "data", database={"url": url}))
    assert len(ledger.reading_list.page(100).studies) > 15
    ledger.engine.dispose()

    command.downgrade(configuration(url), FIRST)
    assert content(url) == before


def test_patients_are_filled_in_where_that_was_interrupted(url: str, tmp_path: Path) -> None:
    busy_morning(tmp_path / "data", url).close()
    before = {row["id"]: row["patient_digest"] for row in content(url)["instances"]}
    command.downgrade(configuration(url), "0017")
    engine = connect(url)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(text("ALTER TABLE instances ADD COLUMN patient_digest VARCHAR(64)"))
    engine.dispose()
    upgrade(url)
    assert {row["id"]: row["patient_digest"] for row in content(url)["instances"]} == before
    assert len(set(before.values())) > 15


@pytest.mark.proves(Invariant.ROLLING_UPGRADE)
def test_what_an_earlier_version_writes_into_the_tables_of_this_one_is_read(url: str, tmp_path: Path) -> None:
    """Migrations add: a process of the earlier version goes on while its successors start."""
    busy_morning(tmp_path / "data", url).close()
    command.downgrade(configuration(url), FIRST)
    engine = connect(url)
    earlier = MetaData()
    earlier.reflect(engine)
    tables = [table for table in earlier.sorted_tables if table.name != "alembic_version"]
    with engine.connect() as connection:
        morning = {
            table: [dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()]
            for table in tables
        }

    upgrade(url)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        for table in reversed(tables):
            if "supersedes_id" in table.c:  # a row may refer to another of its table
                connection.execute(table.update().values(supersedes_id=None))
            connection.execute(table.delete())
        for table, rows in morning.items():
            if rows:
                connection.execute(table.insert(), rows)
    engine.dispose()

    ledger = open_ledger(Settings(data_dir=tmp_path / "data", database={"url": url}))
    assert len(ledger.reading_list.page(100).studies) > 15
    ledger.engine.dispose()
    after = content(url)
    assert {table.name: len(rows) for table, rows in morning.items()} == {
        table.name: len(after[table.name]) for table in tables
    }


@pytest.mark.parametrize(("revision", "said"), [(FIRST, r"older \(0001\).*auscult db upgrade"), ("9999", "newer")])
def test_tables_of_another_version_are_refused_with_what_to_do(
    url: str, tmp_path: Path, revision: str, said: str
) -> None:
    upgrade(url)
    engine = connect(url)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    engine.dispose()
    with pytest.raises(LedgerUnavailable, match=said):
        open_ledger(Settings(data_dir=tmp_path, database={"url": url}))


def test_what_cannot_be_confirmed_is_sent_to_the_version_before(url: str, tmp_path: Path) -> None:
    """It knows no other state for it, and its page would show nothing."""
    busy_morning(tmp_path / "data", url).close()
    engine = connect(url)
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.exec_driver_sql("UPDATE deliveries SET state = 'unconfirmable'")
    command.downgrade(configuration(url), FIRST)
    with engine.connect() as connection:
        assert set(connection.scalars(text("SELECT state FROM deliveries"))) == {"sent"}
    engine.dispose()
