"""What a database error may say, and how long a database that is gone may keep us."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import QueuePool

from service.cli import checks
from service.ledger import database
from service.ledger.database import connect, reading, writing
from service.ledger.migration import upgrade
from service.ledger.records import StudyRecord
from service.settings import Settings
from service.vocabulary.errors import LedgerUnavailable
from tests import servers
from tests.campaigns.gate import Gate, Mode
from tests.invariants import Invariant
from tests.service.sample_site import SampleSite

#: Shorter than a site's, so that a test need not wait as long.
_IMPATIENT = {
    "connect_timeout": "2",
    "tcp_user_timeout": "1000",
    "keepalives_idle": "1",
    "keepalives_interval": "1",
    "keepalives_count": "1",
}
#: Seconds; the kernel's own patience is minutes at least.
_BOUNDED = 12.0


def test_an_error_of_the_database_quotes_no_value_of_its_statement(site: SampleSite) -> None:
    study = {"study_instance_uid": "1.2.3", "first_received_at": site.now, "reading_rank_at": site.now}
    with pytest.raises(IntegrityError) as raised, writing(site.engine) as session:
        session.add_all(StudyRecord(**study, priority_source="Ames^Anna") for _ in range(2))
    assert "Ames^Anna" not in str(raised.value)


@contextmanager
def _connected(url: str) -> Iterator[Engine]:
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()


def test_threads_take_turns_to_write_and_one_that_waits_in_vain_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _connected(f"sqlite:///{tmp_path}/ledger.sqlite") as engine:
        monkeypatch.setattr(database, "_BUSY_S", 0.05)
        with writing(engine), ThreadPoolExecutor(1) as pool:
            with pytest.raises(LedgerUnavailable, match="locked by another program for longer than we wait"):
                pool.submit(_make_table, engine).result()
            assert isinstance(engine.pool, QueuePool)
            assert engine.pool.checkedout() + engine.pool.checkedin() == 1, "SQLite was asked before its turn had come"
        _make_table(engine)


def _make_table(engine: Engine) -> None:
    with writing(engine) as session:
        session.execute(text("CREATE TABLE written (id INTEGER)"))


@pytest.fixture
def behind_a_gate(postgres_url: str) -> Iterator[tuple[Gate, Engine]]:
    """Give a gate before PostgreSQL, and an engine that leads through it."""
    url = make_url(postgres_url)
    assert url.port is not None
    with Gate(url.port) as gate:
        led = url.set(port=gate.port).update_query_dict(_IMPATIENT)
        with _connected(led.render_as_string(hide_password=False)) as engine:
            yield gate, engine


def _patience(url: str) -> dict[str, int]:
    """Return what the kernel knows of a connection's patience."""
    with _connected(url) as engine, engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with socket.socket(fileno=os.dup(driver.fileno())) as end:
            tcp = ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
            found = {name: end.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in tcp}
            return {"SO_KEEPALIVE": end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), **found}


@pytest.mark.proves(Invariant.VANISHED_DATABASE_HOST)
def test_a_connection_asks_whether_its_host_is_still_there(postgres_url: str) -> None:
    assert _patience(postgres_url) == {
        "SO_KEEPALIVE": 1,
        "TCP_USER_TIMEOUT": 15_000,
        "TCP_KEEPIDLE": 10,
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 3,
    }


def test_what_the_url_says_of_patience_counts(postgres_url: str) -> None:
    found = _patience(f"{postgres_url}?tcp_user_timeout=4000&keepalives_idle=7")
    assert (found["TCP_USER_TIMEOUT"], found["TCP_KEEPIDLE"], found["TCP_KEEPINTVL"]) == (4000, 7, 5)


def test_postgresql_compiles_nothing_for_looks_at_a_few_rows(postgres_url: str) -> None:
    with _connected(postgres_url) as engine, engine.connect() as connection:
        assert connection.scalar(text("SHOW jit")) == "off"


def _write(engine: Engine, statement: str, first: Callable[[], object], before: str = "") -> None:
    with writing(engine) as session:
        first()
        if before:
            session.execute(text(before))
        session.execute(text(statement))


def _seconds_until_refused(engine: Engine, statement: str, first: Callable[[], object] = lambda: None) -> float:
    began = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        _write(engine, statement, first)
    return time.monotonic() - began


@pytest.mark.proves(Invariant.VANISHED_DATABASE_HOST)
def test_a_write_to_a_host_that_vanished_fails_in_time(behind_a_gate: tuple[Gate, Engine]) -> None:
    gate, engine = behind_a_gate
    vanish = partial(gate.set, Mode.VANISH)
    assert _seconds_until_refused(engine, "CREATE TABLE seen (n integer)", vanish) < _BOUNDED
    # Nor does the next one wait for long, which finds nobody to connect to.
    assert _seconds_until_refused(engine, "CREATE TABLE seen (n integer)") < _BOUNDED


@pytest.mark.proves(Invariant.VANISHED_DATABASE_HOST)
def test_an_answer_that_a_vanished_host_owes_is_not_awaited_for_long(behind_a_gate: tuple[Gate, Engine]) -> None:
    gate, engine = behind_a_gate
    timer = threading.Timer(0.5, gate.set, [Mode.VANISH])
    seconds = _seconds_until_refused(engine, f"SELECT pg_sleep({2 * _BOUNDED})", timer.start)
    timer.join()
    assert 0.5 < seconds < _BOUNDED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"port": 1}, "does not answer"),
        ({"host": "no-such-host.invalid"}, "has an unknown host"),
        ({"database": "nowhere"}, "is not there"),
        ({"username": "stranger"}, "refuses the login"),
    ],
    ids=["server", "host", "database", "login"],
)
def test_what_keeps_the_database_away_is_said_with_its_own_remedy(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with servers.postgres_cluster(["--auth-host=scram-sha-256"], "geheim") as cluster, cluster.run() as postgres:
        url = make_url(postgres.url()).set(password="geheim", **change).render_as_string(hide_password=False)
        with _connected(url) as engine, pytest.raises(LedgerUnavailable) as raised, reading(engine) as session:
            session.execute(text("SELECT 1"))
    assert f"the database {said} (" in str(raised.value)
    assert "geheim" not in str(raised.value)


def test_a_server_that_is_too_old_is_refused_in_words(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST_POSTGRESQL", 99)
    with pytest.raises(LedgerUnavailable, match=r"is PostgreSQL \d+, .* PostgreSQL 99 or later"):
        upgrade(postgres_url)
    [(_, is_well, told)] = checks.database(Settings(database={"url": postgres_url}))
    assert not is_well
    assert "PostgreSQL 99 or later" in str(told)


def test_a_standby_and_a_full_disk_are_said_as_such(postgres_url: str) -> None:
    with _connected(postgres_url) as engine:
        with pytest.raises(LedgerUnavailable, match="takes no writing: it is a standby"):
            _write(engine, "CREATE TABLE seen (n integer)", lambda: None, before="SET TRANSACTION READ ONLY")
        full = "DO $$ BEGIN RAISE EXCEPTION 'certificate' USING ERRCODE = '53100'; END $$"
        with pytest.raises(LedgerUnavailable, match="its disk is full"):
            _write(engine, full, lambda: None)


def test_a_database_that_cannot_hold_every_name_is_refused_in_words(program: Callable[[str], str]) -> None:
    program("initdb")
    with servers.postgres_server() as postgres:
        server = postgres.url().replace("+psycopg", "")
        for encoding in ("SQL_ASCII", "LATIN1"):
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(
                    f"CREATE DATABASE {encoding} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
                )
            with pytest.raises(LedgerUnavailable, match=f"encoding is {encoding}.*ENCODING 'UTF8'"):
                upgrade(postgres.url(encoding.lower()))
