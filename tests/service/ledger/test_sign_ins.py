"""Sessions and tokens: kept as digests, ended here, and never longer than they may last."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select

from service.ledger import ApiTokens, Lasting, SignIns, SiteKeys
from service.ledger.database import connect, reading
from service.ledger.identity_records import ApiTokenRecord, SignInRecord
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.roles import Role, SignInWay
from tests.fakes import TurnedClock
from tests.ledgers import prepare

READER = frozenset({Role.READER})
LASTING = Lasting(timedelta(minutes=30), timedelta(hours=8))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    prepare(url)
    engine = connect(url)
    yield engine
    engine.dispose()


def test_a_session_ends_without_use_and_after_its_longest_time_whatever_is_done(engine: Engine) -> None:
    clock = TurnedClock()
    sign_ins = SignIns(engine, clock, LASTING)
    unused, used = (sign_ins.begin(name, READER, SignInWay.OIDC) for name in ("anna", "bea"))
    for _ in range(15):
        clock.turn(minutes=29)
        assert sign_ins.find(used, is_use=True) is not None
        sign_ins.find(unused, is_use=False)
    assert sign_ins.find(unused, is_use=False) is None, "a page that keeps itself current is no use"
    clock.turn(minutes=29)
    assert sign_ins.find(used, is_use=True) is not None
    clock.turn(minutes=29)
    assert sign_ins.find(used, is_use=True) is None, "eight hours are over"
    assert sign_ins.current() == []
    sign_ins.begin("cleo", READER, SignInWay.OIDC)
    with reading(engine) as session:
        assert [row.name for row in session.scalars(select(SignInRecord))] == ["cleo"], "what has ended is removed"


def test_a_session_is_ended_here_for_one_browser_or_for_all_of_a_name(engine: Engine) -> None:
    sign_ins = SignIns(engine, TurnedClock(), LASTING)
    first, second = (sign_ins.begin("anna", READER, SignInWay.OIDC) for _ in range(2))
    other = sign_ins.begin("bea", frozenset({Role.ADMINISTRATOR}), SignInWay.OIDC)
    sign_ins.end(first)
    assert sign_ins.find(first, is_use=True) is None
    assert sign_ins.end_all("anna") == 1
    assert sign_ins.find(second, is_use=True) is None
    found = sign_ins.find(other, is_use=True)
    assert found is not None
    assert (found.name, found.roles) == ("bea", frozenset({Role.ADMINISTRATOR}))
    assert sign_ins.find("", is_use=True) is None


def test_no_token_stands_in_the_ledger(engine: Engine) -> None:
    clock = TurnedClock()
    session_token = SignIns(engine, clock, LASTING).begin("anna", READER, SignInWay.PASSWORD)
    api_token = ApiTokens(engine, clock).create("ris", READER, "root", timedelta(days=1))
    with reading(engine) as session:
        rows = [*session.scalars(select(SignInRecord)), *session.scalars(select(ApiTokenRecord))]
        text = repr([vars(row) for row in rows])
    assert "anna" in text
    assert session_token not in text
    assert api_token not in text


def test_a_token_of_a_program_ends_and_is_revoked(engine: Engine) -> None:
    clock = TurnedClock()
    tokens = ApiTokens(engine, clock)
    short = tokens.create("ris", READER, "root", timedelta(days=1))
    long = tokens.create("monitor", READER, "root", timedelta(days=90))
    assert tokens.find(short) is not None
    assert tokens.find(short[:-1]) is None
    clock.turn(days=1)
    assert tokens.find(short) is None
    found = tokens.find(long)
    assert found is not None
    assert tokens.revoke(found.number)
    assert not tokens.revoke(found.number)
    assert tokens.find(long) is None
    assert [(one.name, one.revoked_at) for one in tokens.all()] == [("monitor", clock.now), ("ris", None)]


def test_processes_agree_on_a_key_of_the_site_and_each_purpose_has_its_own(engine: Engine) -> None:
    one, other = SiteKeys(engine), SiteKeys(engine)
    assert one.of("forms") == other.of("forms") != other.of("sign-in")
    assert len(one.of("forms")) == 32


def test_a_full_disk_keeps_nobody_out_who_is_signed_in(engine: Engine) -> None:
    clock = TurnedClock()
    sign_ins, tokens = SignIns(engine, clock, LASTING), ApiTokens(engine, clock)
    session = sign_ins.begin("anna", READER, SignInWay.OIDC)
    token = tokens.create("ris", READER, "root", timedelta(days=1))
    clock.turn(minutes=20)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("PRAGMA query_only = 1"))
    with pytest.raises(LedgerUnavailable):
        tokens.revoke(1)
    found, program = sign_ins.find(session, is_use=True), tokens.find(token)
    assert found is not None
    assert program is not None
