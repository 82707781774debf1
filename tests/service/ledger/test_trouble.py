"""A database that is damaged, locked or not ours is told of in words, with what to do, and never by a traceback."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from service.ledger import Ledger
from service.ledger.database import connect, reading, tables_problem, writing
from service.ledger.migration import upgrade
from service.vocabulary.errors import LedgerDamaged, LedgerUnavailable
from tests.service.listening import prepare

_RESTORE = "docs/howto/back-up-and-restore.md"


def _no_database(path: Path) -> None:
    path.write_bytes(b"Patient Ames^Anna\n" * 1000)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _overwritten(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x5a" * (len(content) - 4096))


def _format_of_the_future(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[18:20] = b"\x09\x09"  # the file format's write and read version
    path.write_bytes(content)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Give the path of a ledger with current tables."""
    prepare(tmp_path / "data")
    return tmp_path / "data" / "ledger.sqlite"


def _answers(path: str) -> list[LedgerUnavailable]:
    """Return what each way to the ledger raises."""
    url = f"sqlite:///{path}"
    engine = connect(url)

    def write() -> None:
        with writing(engine) as session:
            session.execute(text("UPDATE studies SET priority = 1"))

    ways: list[Callable[[], object]] = [
        lambda: upgrade(url),
        lambda: tables_problem(engine),
        Ledger(engine).inspection.status,
        write,
    ]
    raised = []
    for way in ways:
        with pytest.raises(LedgerUnavailable) as error:
            way()
        raised.append(error.value)
    engine.dispose()
    return raised


@pytest.mark.parametrize("damage", [_no_database, _cut, _overwritten])
def test_a_damaged_file_is_said_to_be_damaged_with_the_page_on_restoring(
    ledger: Path, damage: Callable[[Path], None]
) -> None:
    damage(ledger)
    for error in _answers(str(ledger)):
        assert isinstance(error, LedgerDamaged)
        assert str(ledger) in str(error)
        assert _RESTORE in str(error)
        assert "Ames" not in str(error)


def test_a_damaged_page_that_is_met_later_is_told_the_same_way(ledger: Path) -> None:
    # The page of one table alone: the rest goes on, and whatever looks into it says so.
    (root,) = sqlite3.connect(ledger).execute("SELECT rootpage FROM sqlite_master WHERE name = 'counts'").fetchone()
    content = bytearray(ledger.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\x5a" * 4096
    ledger.write_bytes(content)
    engine = connect(f"sqlite:///{ledger}")
    assert tables_problem(engine) is None
    with pytest.raises(LedgerDamaged, match="SQLITE_CORRUPT"):
        Ledger(engine).inspection.status()
    engine.dispose()


def test_a_folder_in_the_file_s_place_is_named(ledger: Path) -> None:
    ledger.unlink()
    ledger.mkdir()
    for error in _answers(str(ledger)):
        assert "must be a file in a folder of the user that auscult runs as" in str(error)


def test_a_file_that_may_only_be_read_is_named(ledger: Path) -> None:
    _format_of_the_future(ledger)  # SQLite itself lets a file of a later write version be read and not written
    content = bytearray(ledger.read_bytes())
    content[19] = 1
    ledger.write_bytes(content)
    engine = connect(f"sqlite:///{ledger}")
    with pytest.raises(LedgerUnavailable, match=r"cannot be written; give it and its folder to the user"):
        upgrade(f"sqlite:///{ledger}")
    with pytest.raises(LedgerUnavailable, match="cannot be written"), writing(engine) as session:
        session.execute(text("UPDATE studies SET priority = 1"))
    engine.dispose()


def test_a_file_that_another_program_locks_is_named(ledger: Path) -> None:
    engine = connect(f"sqlite:///{ledger}")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 50").close())
    holder = sqlite3.connect(ledger, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LedgerUnavailable, match="is locked by another program"), writing(engine) as session:
        session.execute(text("UPDATE studies SET priority = 1"))
    holder.close()
    engine.dispose()


def test_a_file_without_a_table_is_said_to_lack_it(ledger: Path) -> None:
    with sqlite3.connect(ledger) as connection:
        connection.execute("DROP TABLE deliveries")
    engine = connect(f"sqlite:///{ledger}")
    with pytest.raises(LedgerUnavailable, match="lacks tables or columns of this version"):
        Ledger(engine).inspection.status()
    engine.dispose()


def test_tables_of_a_later_version_are_told_by_an_upgrade_too(ledger: Path) -> None:
    with sqlite3.connect(ledger) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerUnavailable, match=r"newer \(9999\) than this version"):
        upgrade(f"sqlite:///{ledger}")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SET default_transaction_read_only = on", "takes no writing: it is a standby"),
        ("ALTER TABLE deliveries RENAME TO gone", "lacks tables or columns"),
    ],
)
def test_postgresql_that_does_not_let_us_is_told_by_what_to_do(postgres_url: str, statement: str, said: str) -> None:
    upgrade(postgres_url)
    engine = connect(postgres_url)
    with engine.connect() as connection, connection.begin():
        connection.execute(text(statement))
    with pytest.raises(LedgerUnavailable, match=said), writing(engine) as session:
        session.execute(text("UPDATE deliveries SET state = 'x'"))
    engine.dispose()


def _look_as_a_stranger(session: Session) -> None:
    session.execute(text("SET LOCAL ROLE stranger"))
    session.execute(text("SELECT * FROM studies"))


def test_postgresql_that_grants_no_tables_names_the_page(postgres_url: str) -> None:
    upgrade(postgres_url)
    engine = connect(postgres_url)
    with engine.connect() as connection, connection.begin():
        connection.execute(text("DO $$ BEGIN CREATE ROLE stranger; EXCEPTION WHEN duplicate_object THEN NULL; END $$"))
    with pytest.raises(LedgerUnavailable, match="grant them"), reading(engine) as session:
        _look_as_a_stranger(session)
    engine.dispose()
